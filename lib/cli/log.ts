/** Where the command says what happens: lines of JSON on stdout, by pino; on a terminal lines for people. */
import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { pino, type Logger } from 'pino'
import { codeOf } from '../../shared/errors.js'
import { emitProcessWarning } from '../../shared/process-warning.js'

const STDOUT = 1
/** Bytes that are held while nobody reads the pipe; later lines are lost. */
const MOST_HELD = 1024 * 1024
/** Milliseconds until a full pipe is tried again. */
const RETRY = 50

/** The log of the primary. Lines are written at once, so that none is lost when the process ends. */
export async function createLog(level: string): Promise<Logger> {
  return pino({ level, base: { pid: process.pid }, name: 'express-responder' }, new LogDestination(await formatter()))
}

async function formatter(): Promise<(line: string) => string> {
  if (!isatty(STDOUT)) return (line) => line
  // Only a person needs it, and it takes time to load.
  const { prettyFactory } = await import('pino-pretty')
  const format = prettyFactory({ colorize: true, ignore: 'pid,hostname,name', translateTime: 'SYS:HH:MM:ss.l' })
  return (line) => format(line)
}

/** Standard output, which holds the primary up neither when nobody reads it nor when it is gone: workers are served all the same. */
class LogDestination {
  readonly #format: (line: string) => string
  readonly #fd = withoutWaiting(STDOUT)
  #held: Buffer = Buffer.alloc(0)
  #timer: NodeJS.Timeout | undefined
  #lost = 0
  #isWarned = false

  constructor(format: (line: string) => string) {
    this.#format = format
    process.on('exit', () => {
      this.#flush()
    })
  }

  write(line: string): void {
    const bytes = Buffer.from(this.#format(line))
    if (this.#held.length + bytes.length > MOST_HELD) {
      this.#lost++
      return
    }
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    if (this.#timer === undefined) this.#flush()
  }

  #flush(): void {
    this.#timer = undefined
    try {
      while (this.#held.length > 0) this.#held = this.#held.subarray(writeSync(this.#fd, this.#held))
      if (this.#lost > 0) this.#tellLoss()
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') this.#timer = setTimeout(() => { this.#flush() }, RETRY).unref()
      else this.#giveUp(error)
    }
  }

  #tellLoss(): void {
    const lost = this.#lost
    this.#lost = 0
    emitProcessWarning('ERR_FCGI_LOG_FILE', `nobody has read the log on stdout for a while: ${String(lost)} lines are lost`)
  }

  /** Nobody will ever read it: `| head -1` has ended, or the terminal is gone. */
  #giveUp(error: unknown): void {
    this.#held = Buffer.alloc(0)
    if (this.#isWarned) return
    this.#isWarned = true
    emitProcessWarning('ERR_FCGI_LOG_FILE', `the log on stdout cannot be written (${codeOf(error) ?? String(error)}): it goes on without. Start it again to have a log`)
  }
}

/** A pipe once more, by a descriptor that is never waited for: whether the inherited one is, everybody who has it decides. */
function withoutWaiting(fd: number): number {
  try {
    return fstatSync(fd).isFIFO() ? openSync(`/proc/self/fd/${String(fd)}`, constants.O_WRONLY | constants.O_NONBLOCK) : fd
  } catch {
    // Closed, or of another user, or no /proc.
    return fd
  }
}
