/** One worker, as the primary has it: the process, its state, what it was told and what it said. */
import cluster, { type Worker } from 'node:cluster'
import { createInterface } from 'node:readline'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { ERROR_CODES, FastCgiError, type ErrorCode } from '../errors.js'
import type { Arrival } from '../server/diagnostics.js'
import { bootFailure } from './boot-failure.js'
import { toldByWorker, wrap, type BootPhase, type DiagnosisOrder, type Failure, type FromWorker, type StopOrder, type ToWorker, type WorkerConfiguration } from './messages.js'
import { ownLimits, type OwnLimits } from './recycling.js'
import type { PoolConfiguration } from './options.js'
import type { WorkerReport, WorkerState, WorkerStatus } from './reports.js'
import type { StatusAnswer, StatusRequest } from './status-path.js'
import type { LoopMessage } from './stuck-report.js'

/** Who hears of a worker. */
export interface WorkerOwner {
  onExit(worker: WorkerProcess, code: number | null, signal: NodeJS.Signals | null): void
  /** Somebody else than the primary has sent it a signal. */
  onSignal(worker: WorkerProcess, signal: NodeJS.Signals): void
  /** It has told of something that the operator should know. */
  onNotice(worker: WorkerProcess, code: string, message: string): void
  /** It has ended as it was told to, and tells once more what it knows. */
  onStopped(worker: WorkerProcess, sources: Readonly<Record<string, unknown>>): void
  /** A client asks for the status through it. */
  onStatus(worker: WorkerProcess, id: number, request: StatusRequest): void
  /** A request of the doctor's has arrived. */
  onArrival(worker: WorkerProcess, arrival: Arrival): void
  /** Its event loop has stood still for a third of `stuckTimeout`, or turns again after that. */
  onStanding(worker: WorkerProcess, milliseconds: number): void
  onTurning(worker: WorkerProcess): void
  /** Its event loop is stuck, as the thread that watches it has told in JSON. */
  onStuck(worker: WorkerProcess, finding: unknown): void
}

/** Where the thread that watches the event loop writes to, in the worker; see worker.ts. */
const FINDINGS_DESCRIPTOR = 5
/**
 * What systemd has told the primary alone. A worker, or a package of the app's that speaks to systemd, would answer in its place: say that
 * the whole is ready or ends, keep the watchdog quiet while the primary hangs, or take descriptors that it has not got.
 */
const NOT_FOR_WORKERS = Object.fromEntries(
  ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'].map((name) => [name, undefined]))
/** How long after its time a worker is killed that does not end, in milliseconds. */
const KILL_AFTER_MS = 1000
/** How long it may take to obey an order of a diagnosis, in milliseconds: its event loop may be busy. */
const DIAGNOSIS_TIMEOUT_MS = 3000

/**
 * What all workers are forked with. `node:cluster` makes them, so that an app's further ports are shared as usual, and packages that
 * look for a cluster find one.
 *
 * @param fd the listening socket
 * @param nodeArguments such as `--import`
 */
export function prepareForks(fd: number | 'ignore', nodeArguments: readonly string[]): void {
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('worker.js', import.meta.url)),
    args: [],
    execArgv: [...process.execArgv, ...nodeArguments],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', fd, 'pipe'],
  })
}

/** What a worker has to know of the pool's configuration. */
export function workerConfiguration({ module, server, place, bootPath, linger, stopTimeout, stuckTimeout, front }: PoolConfiguration, address: string, isTrial = false): WorkerConfiguration {
  return { module, server, backlog: place.backlog, address, bootPath, linger, stopTimeout, stuckTimeout, front, isTrial }
}

/**
 * Loads the app in a worker that never listens, and has it answer.
 *
 * @throws FastCgiError ERR_FCGI_BOOT or ERR_FCGI_APP, saying what is wrong
 */
export async function checkApp(configuration: PoolConfiguration, onNotice: (code: string, message: string) => void): Promise<void> {
  prepareForks('ignore', configuration.nodeArguments)
  const nothing = (): void => undefined
  const owner: WorkerOwner = { onExit: nothing, onSignal: nothing, onStanding: nothing, onTurning: nothing, onStuck: nothing, onStopped: nothing, onStatus: nothing, onArrival: nothing, onNotice: (_worker, code, message) => { onNotice(code, message) } }
  const worker = new WorkerProcess(owner, 0, 0, configuration)
  try {
    await worker.boot(workerConfiguration(configuration, '', true), configuration.bootTimeout)
  } finally {
    worker.kill('SIGKILL')
  }
}

/** A worker process. */
export class WorkerProcess {
  readonly number: number
  readonly generation: number
  readonly startedAt = Date.now()
  readonly limits: OwnLimits
  state: WorkerState = 'starting'
  readyAt: number | undefined
  report: WorkerReport | undefined
  reportedAt: number | undefined
  readonly #worker: Worker
  readonly #owner: WorkerOwner
  readonly #configuration: PoolConfiguration
  #phase: BootPhase = 'loading'
  /** What may have ended it while it started. */
  #uncaught: Failure | undefined
  readonly #exited: Promise<void>
  #steps = new Map<'booted' | 'listening', () => void>()
  #reject: ((error: Error) => void) | undefined
  readonly #details = new Map<number, (sources: Readonly<Record<string, unknown>> | undefined) => void>()
  /** Orders of a diagnosis that it has not obeyed. */
  readonly #orders = new Map<number, (held: boolean) => void>()
  #lastOrder = 0
  #killTimer: NodeJS.Timeout | undefined
  #killAt = Infinity
  /** Whether it has been told to accept: it may have requests to answer. */
  #mayAccept = false
  /** What it is told once it listens to the channel. */
  #waiting: ToWorker[] | undefined = []

  constructor(owner: WorkerOwner, number: number, generation: number, configuration: PoolConfiguration) {
    this.#owner = owner
    this.#configuration = configuration
    this.number = number
    this.generation = generation
    this.limits = ownLimits(configuration.recycling, Math.random())
    this.#worker = cluster.fork({
      ...NOT_FOR_WORKERS,
      EXPRESS_RESPONDER_WORKERS: String(configuration.workers),
      EXPRESS_RESPONDER_WORKER: String(number),
    })
    this.#worker.on('message', (received: unknown) => {
      const message = toldByWorker(received)
      if (message !== undefined) this.#onMessage(message)
    })
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', (code: number | null, signal: NodeJS.Signals | null) => {
        this.#onExit(code, signal)
        resolve()
      })
    })
    // A message to a process that has just ended fails here; 'exit' follows.
    this.#worker.on('error', () => undefined)
    this.#readFindings()
  }

  get pid(): number {
    return this.#worker.process.pid ?? 0
  }

  /** Whether it may have requests to answer. */
  get accepts(): boolean {
    return this.#mayAccept && this.state !== 'ended'
  }

  get status(): WorkerStatus {
    const { number: worker, pid, state, generation, startedAt, report, reportedAt } = this
    return { worker, pid, state, generation, startedAt, report, reportedAt }
  }

  /**
   * Resolves once the app is loaded and has answered.
   *
   * @throws FastCgiError ERR_FCGI_BOOT or ERR_FCGI_APP, saying what the worker said
   */
  boot(configuration: WorkerConfiguration, timeout: number): Promise<void> {
    this.#send({ type: 'boot', configuration })
    return this.#step('booted', timeout)
  }

  /** Resolves once it accepts. */
  async listen(timeout: number): Promise<void> {
    if (!this.#isStarting()) throw this.#notWanted()
    this.#mayAccept = true
    this.#send({ type: 'listen' })
    await this.#step('listening', timeout)
    if (!this.#isStarting()) throw this.#notWanted()
    this.state = 'ready'
    this.readyAt = Date.now()
  }

  #isStarting(): boolean {
    return this.state === 'starting'
  }

  #notWanted(): FastCgiError {
    return new FastCgiError('ERR_FCGI_BOOT', `worker ${String(this.number)} ended, or was told to, before it accepted`)
  }

  /**
   * Resolves once it has ended: by itself, or killed when its time is over; at once where it has never accepted. Called again with less
   * time, it is killed sooner.
   */
  stop(order: Omit<StopOrder, 'type'>): Promise<void> {
    if (this.state !== 'ended') {
      if (this.state !== 'draining') this.#tellToStop(order)
      this.#killWithin(order.timeout + KILL_AFTER_MS)
    }
    return this.#exited
  }

  #tellToStop(order: Omit<StopOrder, 'type'>): void {
    this.state = 'draining'
    if (this.#mayAccept) this.#send({ type: 'stop', ...order })
    else this.kill('SIGKILL')
  }

  #killWithin(milliseconds: number): void {
    const killAt = performance.now() + milliseconds
    if (killAt >= this.#killAt) return
    this.#killAt = killAt
    clearTimeout(this.#killTimer)
    this.#killTimer = setTimeout(() => {
      this.kill('SIGKILL')
    }, milliseconds).unref()
  }

  kill(signal: NodeJS.Signals): void {
    if (this.state !== 'ended') this.#worker.process.kill(signal)
  }

  /** Those who ask it whether it is ready are told that it is not. */
  setDraining(): void {
    this.#send({ type: 'draining' })
  }

  answerStatus(id: number, answer: StatusAnswer): void {
    this.#send({ type: 'status', id, answer })
  }

  release(count: number): void {
    this.#send({ type: 'release', count })
  }

  /** What its status sources tell; undefined where it does not answer in time. */
  details(id: number, timeout: number): Promise<Readonly<Record<string, unknown>> | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        answer(undefined)
      }, timeout).unref()
      const answer = (sources: Readonly<Record<string, unknown>> | undefined): void => {
        clearTimeout(timer)
        this.#details.delete(id)
        resolve(sources)
      }
      this.#details.set(id, answer)
      this.#send({ type: 'details', id })
    })
  }

  /** Resolves once it has obeyed: whether a piece was held. False where it does not answer in time, or has ended. */
  diagnose(order: DiagnosisOrder): Promise<boolean> {
    const id = this.#lastOrder++
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        done(false)
      }, DIAGNOSIS_TIMEOUT_MS).unref()
      const done = (held: boolean): void => {
        clearTimeout(timer)
        this.#orders.delete(id)
        resolve(held)
      }
      this.#orders.set(id, done)
      this.#send({ type: 'diagnosis', id, order })
    })
  }

  #send(message: ToWorker): void {
    // A worker of node:cluster reads the channel from its start, and loses what comes before its program listens.
    if (this.#waiting !== undefined) this.#waiting.push(message)
    else if (this.#worker.isConnected()) this.#worker.process.send(wrap(message), () => undefined)
  }

  #step(name: 'booted' | 'listening', timeout: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#reject = undefined
        reject(new FastCgiError('ERR_FCGI_BOOT', `worker ${String(this.number)} has not answered within ${String(timeout)} ms (boot-timeout): ${this.#whatItWaitsFor()}`))
      }, timeout)
      this.#steps.set(name, () => {
        clearTimeout(timer)
        resolve()
      })
      this.#reject = (error) => {
        clearTimeout(timer)
        reject(error)
      }
    })
  }

  #onMessage(message: FromWorker): void {
    switch (message.type) {
      case 'up':
        this.#onUp()
        break
      case 'booted':
      case 'listening':
        this.#steps.get(message.type)?.()
        break
      case 'failed':
        this.#reject?.(this.#errorOf(message.failure))
        break
      case 'uncaught':
        this.#uncaught = message.failure
        break
      case 'phase':
        this.#phase = message.phase
        break
      default:
        this.#onMessageAtWork(message)
    }
  }

  #onMessageAtWork(message: Exclude<FromWorker, { type: 'up' | 'booted' | 'listening' | 'failed' | 'uncaught' | 'phase' }>): void {
    switch (message.type) {
      case 'report':
        this.report = message.report
        this.reportedAt = Date.now()
        break
      case 'details':
        this.#details.get(message.id)?.(message.sources)
        break
      case 'arrival':
        this.#owner.onArrival(this, message.arrival)
        break
      case 'diagnosed':
        this.#orders.get(message.id)?.(message.held)
        break
      case 'signal':
        this.#owner.onSignal(this, message.signal)
        break
      case 'notice':
        this.#owner.onNotice(this, message.code, message.message)
        break
      case 'stopped':
        this.#owner.onStopped(this, message.sources)
        break
      case 'status':
        this.#owner.onStatus(this, message.id, message.request)
        break
    }
  }

  #onUp(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const message of waiting) this.#send(message)
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.state = 'ended'
    clearTimeout(this.#killTimer)
    this.#reject?.(this.#uncaught === undefined ? this.#endedEarly(code, signal) : this.#errorOf(this.#uncaught))
    for (const answer of this.#details.values()) answer(undefined)
    for (const done of this.#orders.values()) done(false)
    this.#owner.onExit(this, code, signal)
  }

  #whatItWaitsFor(): string {
    const { module, bootPath = '' } = this.#configuration
    switch (this.#phase) {
      case 'loading':
        return `${module} is still being loaded. Its code does not end, or awaits what does not come; raise boot-timeout if it only takes long.`
      case 'making':
        return `the promise of the app that ${module} gave is not settled. Mend the app, or raise boot-timeout if it only takes long.`
      case 'answering':
        return `the app has not answered GET ${bootPath}, the request that a new worker is tried with. Mend the app, or name another path by boot-path, or none by boot-path=off.`
    }
  }

  #endedEarly(code: number | null, signal: NodeJS.Signals | null): FastCgiError {
    const how = signal ?? `status ${String(code)}`
    const remedy = signal === null ? 'The app has ended the process itself, as by process.exit(): see what it says before that' : 'Somebody else has ended it: see the system\'s log'
    return new FastCgiError('ERR_FCGI_BOOT', `worker ${String(this.number)} ended with ${how} before it had answered. ${remedy}`)
  }

  /** What the worker has failed with, with its own stack. */
  #errorOf(failure: Failure): Error {
    const { code, message, stack } = failure
    if (code !== undefined && isErrorCode(code)) return new FastCgiError(code, message)
    const error = new FastCgiError('ERR_FCGI_BOOT', bootFailure(failure, this.#phase, this.#configuration.module))
    return stack === undefined ? error : Object.assign(error, { stack })
  }

  #readFindings(): void {
    const streams: readonly unknown[] = this.#worker.process.stdio
    const pipe = streams[FINDINGS_DESCRIPTOR]
    if (!(pipe instanceof Socket)) return
    pipe.unref()
    pipe.on('error', () => undefined)
    createInterface({ input: pipe }).on('line', (line) => {
      const message = parsed(line)
      if (message?.type === 'standing') this.#owner.onStanding(this, message.milliseconds)
      else if (message?.type === 'turning') this.#owner.onTurning(this)
      else this.#owner.onStuck(this, message)
    })
  }
}

/** Undefined where an app has written to the descriptor, too. */
function parsed(line: string): LoopMessage | undefined {
  try {
    return JSON.parse(line) as LoopMessage
  } catch {
    return undefined
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code)
}
