/**
 * Tells systemd how the service is (sd_notify(3)): ready, reloading, stopping, a line of status, and that it lives.
 *
 * Node has no datagram sockets of Unix. So messages are written to a descriptor that systemd has connected (`OpenFile=`, from
 * systemd 253 on), or the program systemd-notify sends them, for which the unit needs `NotifyAccess=all`. Where systemd does not
 * ask for messages, none is sent.
 */
import { execFile } from 'node:child_process'
import { fstatSync, writeSync } from 'node:fs'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { NOTIFY_NAME, passedDescriptors } from '../process/inherited-socket.js'

/** How long the program may take, in milliseconds: it waits until systemd has read the message. */
const PROGRAM_TIMEOUT = 5000
const MICROSECONDS = 1000

/** Tells systemd how the service is. Nothing throws; what goes wrong becomes a process warning, ERR_FCGI_NOTIFY, once. */
export interface Notifier {
  /** The service is up, or a reload is over. */
  ready(status?: string): void
  /** A reload has begun. `ready()` ends it, also where it was given up. */
  reloading(status?: string): void
  /** The service ends. */
  stopping(status?: string): void
  /** A line for `systemctl status`. */
  status(text: string): void
  /**
   * Begins to tell at half of `WatchdogSec=` that the service lives.
   *
   * @param isAlive asked each time; systemd hears nothing while it says no, and ends the service
   * @returns the interval in milliseconds; undefined where systemd does not watch this process
   */
  watchdog(isAlive?: () => boolean): number | undefined
  /** Sends nothing from now on. Resolves when what was told before has been sent. */
  close(): Promise<void>
}

/** Sends one message. */
type Send = (assignments: readonly string[]) => void

/** @param env the environment that systemd has started this process with */
export function createNotifier(env: NodeJS.ProcessEnv = process.env): Notifier {
  const program = new NotifyProgram(env)
  const send = senderOf(env, program)
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  const tell = (assignments: readonly string[], status?: string): void => {
    if (!isClosed) send(status === undefined ? assignments : [...assignments, `STATUS=${oneLine(status)}`])
  }
  return {
    ready: (status) => {
      tell(['READY=1'], status)
    },
    reloading: (status) => {
      // CLOCK_MONOTONIC, as hrtime(): by it systemd tells this reload from an earlier one.
      tell(['RELOADING=1', `MONOTONIC_USEC=${String(process.hrtime.bigint() / 1000n)}`], status)
    },
    stopping: (status) => {
      tell(['STOPPING=1'], status)
    },
    status: (text) => {
      tell([], text)
    },
    watchdog: (isAlive = () => true) => {
      const interval = watchdogInterval(env)
      if (interval === undefined || isClosed) return undefined
      clearInterval(timer)
      timer = setInterval(() => {
        if (isAlive()) tell(['WATCHDOG=1'])
      }, interval).unref()
      return interval
    },
    close: () => {
      isClosed = true
      clearInterval(timer)
      return program.sent
    },
  }
}

/** A status is one line: what follows would be taken for another assignment. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

/** Half of the time after which systemd takes this process for dead (sd_watchdog_enabled(3)). */
function watchdogInterval(env: NodeJS.ProcessEnv): number | undefined {
  const microseconds = Number(env['WATCHDOG_USEC'])
  const pid = env['WATCHDOG_PID']
  if (!(microseconds > 0) || (pid !== undefined && pid !== String(process.pid))) return undefined
  return Math.max(1, Math.floor(microseconds / MICROSECONDS / 2))
}

function senderOf(env: NodeJS.ProcessEnv, program: NotifyProgram): Send {
  const descriptor = passedDescriptors(env).find(({ name, fd }) => name === NOTIFY_NAME && isSocket(fd))
  const byProgram: Send = (assignments) => {
    program.send(assignments)
  }
  const isAsked = env['NOTIFY_SOCKET'] !== undefined && env['NOTIFY_SOCKET'] !== ''
  const otherwise = isAsked ? byProgram : (): void => undefined
  if (descriptor === undefined) return otherwise
  let send: Send = (assignments) => {
    try {
      writeSync(descriptor.fd, `${assignments.join('\n')}\n`)
    } catch {
      // It is not connected, or systemd has closed it.
      send = otherwise
      otherwise(assignments)
    }
  }
  return (assignments) => {
    send(assignments)
  }
}

/** Where a shell has closed the descriptor, Node has one of its own by that number. */
function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

/** Sends messages by systemd-notify, one after the other: systemd takes them in the order in which they come. */
class NotifyProgram {
  /** Resolves when all that was given so far has been sent, or could not be. */
  sent: Promise<void> = Promise.resolve()
  readonly #env: NodeJS.ProcessEnv
  /** What waits for the one before it. */
  #waiting: (readonly string[])[] = []
  #isWarned = false

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  send(assignments: readonly string[]): void {
    const key = keyOf(assignments)
    // Where a message waits that only says less recently the same, the new one is enough.
    this.#waiting = this.#waiting.filter((waiting) => keyOf(waiting) !== key || key === undefined)
    this.#waiting.push(assignments)
    this.sent = this.sent.then(() => this.#sendNext())
  }

  #sendNext(): Promise<void> {
    const assignments = this.#waiting.shift()
    if (assignments === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const child = execFile('systemd-notify', [...assignments], { env: this.#env, timeout: PROGRAM_TIMEOUT }, (error, _stdout, stderr) => {
        if (error !== null) this.#warn(stderr.trim() === '' ? error.message : stderr.trim())
        resolve()
      })
      // A process that has nothing else to do need not wait for it: close() does.
      child.unref()
    })
  }

  #warn(reason: string): void {
    if (this.#isWarned) return
    this.#isWarned = true
    emitProcessWarning('ERR_FCGI_NOTIFY',
      `systemd waits to be told how the service is, and cannot be: ${reason}. ` +
      'Write OpenFile=/run/systemd/notify:notify in the unit (systemd 253 or later), let the program systemd-notify be found in PATH, ' +
      'or write Type=exec.', 'FastCgiWarning')
  }
}

/** Messages of which the latest says all: the status, or that the service lives. */
function keyOf(assignments: readonly string[]): string | undefined {
  const [only, ...others] = assignments
  if (only === undefined || others.length > 0) return undefined
  return /^(?:STATUS|WATCHDOG)=/.exec(only)?.[0]
}
