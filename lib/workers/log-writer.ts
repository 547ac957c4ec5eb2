/**
 * Writes lines to a log, in batches and in the background: a request never waits for it. Whole lines are written at a time, so that
 * workers may share a file or a pipe. What cannot be written is held for a while, in bounded memory, and then lost and counted.
 */
import { close, closeSync, constants, fstatSync, open, openSync, write, writeSync } from 'node:fs'
import { codeOf } from '../../shared/errors.js'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { FastCgiError } from '../errors.js'

/** Milliseconds that lines are gathered. */
const GATHER = 100
/** Characters that are gathered at most before they are written. */
const BATCH = 65_536
/** Bytes that are held while nothing can be written; more is lost. */
const MOST_HELD = 4 * 1024 * 1024
/** What a pipe takes in one piece (PIPE_BUF of Linux): two workers' lines do not get into one another. */
const PIECE_OF_PIPE = 4096
/** Milliseconds until a full pipe, and a full disk, are tried again. */
const FULL_PIPE = 20
const FULL_DISK = 1000
const MODE = 0o640
/** A pipe that nobody reads fails at once instead of holding the program up. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

const STANDARD: Readonly<Record<string, number>> = { '-': 1, 'stdout': 1, 'stderr': 2, '/dev/stdout': 1, '/dev/stderr': 2 }

/** The writer of each target of this process, and how many use it. */
const writers = new Map<string | number, { writer: LogWriter; users: number }>()

/**
 * The writer of a log; all that write to one target share it.
 *
 * @param target a path, a descriptor, or `-` for stdout
 * @param option its name, for the error
 * @throws FastCgiError ERR_FCGI_LOG_FILE where the file cannot be opened
 */
export function acquireLogWriter(target: string | number, option: string): LogWriter {
  const key = typeof target === 'string' ? STANDARD[target] ?? target : target
  const known = writers.get(key)
  if (known !== undefined) {
    known.users++
    return known.writer
  }
  const writer = new LogWriter(key, option)
  writers.set(key, { writer, users: 1 })
  return writer
}

/** Writes what is left, and closes the file with its last user. */
export async function releaseLogWriter(writer: LogWriter): Promise<void> {
  const known = writers.get(writer.target)
  if (known?.writer !== writer || --known.users > 0) return
  writers.delete(writer.target)
  await writer.close()
}

/** Opens all logs anew: logrotate has moved their files away. */
export function reopenLogs(): void {
  for (const { writer } of writers.values()) writer.reopen()
}

/** One log. */
export class LogWriter {
  readonly target: string | number
  #fd: number
  /** Whether only so much can be written without getting into what others write. */
  #piece: number
  #lines: string[] = []
  #held = 0
  #batch: { readonly bytes: Buffer; readonly lines: number; written: number } | undefined
  #timer: NodeJS.Timeout | undefined
  #writing = false
  /** The last write ended within a line. */
  #broken = false
  #reopening = false
  /** The old file, until a write to it is done. */
  #closeLater: number | undefined
  #lost = 0
  #failure: string | undefined
  #closed: (() => void) | undefined
  #isOver = false
  readonly #onExit = (): void => { this.#writeLast() }

  constructor(target: string | number, option: string) {
    this.target = target
    try {
      this.#fd = typeof target === 'number' ? target : openSync(target, FLAGS, MODE)
      this.#piece = pieceOf(this.#fd)
    } catch (error) {
      throw new FastCgiError('ERR_FCGI_LOG_FILE', `option ${option}: ${String(target)} cannot be opened for writing (${codeOf(error) ?? String(error)}). ` +
        'Make its directory, let the user of this process write there, or give - for stdout.', { cause: error })
    }
    process.on('exit', this.#onExit)
  }

  /** Lines that could not be written. */
  get lost(): number {
    return this.#lost
  }

  /** @param line without its end */
  write(line: string): void {
    if (this.#held >= MOST_HELD) {
      this.#lost++
      return
    }
    this.#lines.push(line)
    this.#held += line.length + 1
    if (this.#writing) return
    if (this.#held >= BATCH && this.#failure === undefined) this.#flush()
    else this.#timer ??= setTimeout(() => { this.#flush() }, GATHER).unref()
  }

  /** Opens the file of this name anew; the old one is written until that is done, and on if it fails. A descriptor stays. */
  reopen(): void {
    if (typeof this.target === 'number' || this.#reopening) return
    this.#reopening = true
    open(this.target, FLAGS, MODE, (error, fd) => {
      this.#reopening = false
      if (error !== null) {
        warn(this.target, `it could not be opened anew (${codeOf(error) ?? String(error)}): lines go on into the old file`)
        return
      }
      if (this.#isOver) {
        close(fd)
        return
      }
      const old = this.#fd
      this.#fd = fd
      this.#piece = pieceOf(fd)
      // A write that is under way still has the old one.
      if (this.#writing && this.#closeLater === undefined) this.#closeLater = old
      else close(old)
    })
  }

  /** Resolves when all is written, or nothing more can be. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve
      this.#isOver = true
      if (!this.#writing) this.#flush()
    })
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#writing) return
    this.#batch ??= this.#nextBatch()
    if (this.#batch === undefined) {
      this.#finish()
      return
    }
    this.#writing = true
    const { bytes, written } = this.#batch
    write(this.#fd, bytes, written, bytes.length - written, null, (error, count) => { this.#onWritten(error, count) })
  }

  #nextBatch(): { bytes: Buffer; lines: number; written: number } | undefined {
    if (this.#lines.length === 0) return undefined
    let [text, lines] = [this.#broken ? '\n' : '', 0]
    // Lines are ASCII, but for what a format of JSON lets through: a character is a byte, nearly always.
    while (lines < this.#lines.length && (lines === 0 || text.length + (this.#lines[lines]?.length ?? 0) < this.#piece)) text += `${this.#lines[lines++] ?? ''}\n`
    this.#lines = lines === this.#lines.length ? [] : this.#lines.slice(lines)
    return { bytes: Buffer.from(text), lines, written: 0 }
  }

  #onWritten(error: NodeJS.ErrnoException | null, count: number): void {
    this.#writing = false
    if (this.#closeLater !== undefined) {
      close(this.#closeLater)
      this.#closeLater = undefined
    }
    const batch = this.#batch
    if (batch === undefined) return
    if (error !== null) {
      this.#onError(error, batch)
      return
    }
    batch.written += count
    if (batch.written < batch.bytes.length) {
      this.#flush()
      return
    }
    this.#broken = false
    this.#done(batch.bytes.length)
    if (this.#failure !== undefined) this.#recovered()
    this.#flush()
  }

  #onError(error: NodeJS.ErrnoException, batch: { readonly bytes: Buffer; readonly lines: number; readonly written: number }): void {
    if (error.code === 'EAGAIN' || error.code === 'EINTR') {
      if (this.#closed !== undefined) this.#giveUp(batch)
      else this.#timer = setTimeout(() => { this.#flush() }, FULL_PIPE).unref()
      return
    }
    this.#lost += batch.lines
    this.#broken = batch.written > 0
    this.#done(batch.bytes.length)
    if (this.#failure !== error.code) {
      this.#failure = error.code ?? String(error)
      warn(this.target, `it cannot be written (${this.#failure}): lines are lost until it can`)
    }
    if (this.#closed !== undefined) this.#giveUp(undefined)
    else this.#timer = setTimeout(() => { this.#flush() }, FULL_DISK).unref()
  }

  #done(bytes: number): void {
    this.#batch = undefined
    this.#held = this.#lines.length === 0 ? 0 : Math.max(0, this.#held - bytes)
  }

  #recovered(): void {
    warn(this.target, `it can be written again; ${String(this.#lost)} lines have been lost so far`)
    this.#failure = undefined
  }

  #giveUp(batch: { readonly lines: number } | undefined): void {
    this.#lost += this.#lines.length + (batch?.lines ?? 0)
    this.#lines = []
    this.#batch = undefined
    this.#finish()
  }

  #finish(): void {
    const closed = this.#closed
    if (closed === undefined) return
    this.#closed = undefined
    process.removeListener('exit', this.#onExit)
    if (typeof this.target === 'number') closed()
    else close(this.#fd, () => { closed() })
  }

  /** The process ends: what is left goes into a file. A pipe might hold the end up. */
  #writeLast(): void {
    if (this.#piece !== Infinity || (this.#lines.length === 0 && this.#batch === undefined)) return
    try {
      // A batch that is being written is written by the kernel, or not at all.
      if (this.#batch !== undefined && !this.#writing) writeSync(this.#fd, this.#batch.bytes, this.#batch.written)
      if (this.#lines.length > 0) writeSync(this.#fd, `${this.#lines.join('\n')}\n`)
      if (typeof this.target === 'string') closeSync(this.#fd)
    } catch {
      // Nobody is left to be told.
    }
  }
}

function pieceOf(fd: number): number {
  const stats = fstatSync(fd)
  return stats.isFIFO() || stats.isSocket() ? PIECE_OF_PIPE : Infinity
}

function warn(target: string | number, text: string): void {
  emitProcessWarning('ERR_FCGI_LOG_FILE', `the log ${target === 1 ? 'on stdout' : String(target)}: ${text}`)
}
