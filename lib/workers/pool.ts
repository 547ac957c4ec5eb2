/**
 * The pool of workers, in the primary process: starts them, replaces those that die, reloads, recycles and balances them, and stops.
 * The primary holds the listening socket and never accepts; it stands in no request's way.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { FastCgiError } from '../errors.js'
import type { Arrival } from '../server/diagnostics.js'
import { Balancer } from './balance.js'
import { holdSocket, type HeldSocket } from './listening-descriptor.js'
import type { WorkerConfiguration } from './messages.js'
import { refuseMove, type PoolConfiguration, type PoolLog } from './options.js'
import { PoolDiagnosis } from './pool-diagnosis.js'
import { recyclingReason } from './recycling.js'
import { NONE_ENDED, withReport, type EndCounts, type PoolObserver, type PoolStatus, type StatusKeeper, type WorkerDetails } from './reports.js'
import { RespawnPolicy } from './respawn.js'
import { Spares, type Spare } from './spares.js'
import type { StatusRequest } from './status-path.js'
import { WorkerProcess, prepareForks, workerConfiguration, type WorkerOwner } from './worker-process.js'

const TICK_MS = 1000
/** After a replacement that failed, recycling waits so long until it tries again, in milliseconds. */
const RECYCLE_AGAIN_MS = 10_000
/** A worker that reaches `maxRss` at this age was too large from its start, in milliseconds: the limit is wrong, and others wait so long. */
const YOUNG_MS = 10_000
const RECYCLE_YOUNG_AFTER_MS = 60_000
/** How much longer than `stuckTimeout` a worker may be silent: the thread in it is quicker, unless it is stuck, too. */
const SILENCE_MS = 3000
/** A report that is older says nothing of what a worker has to do, in milliseconds. */
const STALE_MS = 3000
/** A stop by a signal that a terminal or a process manager sends to all processes: the primary gets it about now, too. */
const SAME_SIGNAL_MS = 200

/** A worker's place in the pool: the worker changes, the number stays. */
interface Slot {
  readonly number: number
  worker: WorkerProcess | undefined
  respawn: NodeJS.Timeout | undefined
}

/** The workers of one app. */
export class WorkerPool implements PoolObserver, WorkerOwner {
  /** Resolves when all is over: `'stopped'` as asked, `'gave-up'` when workers died faster than allowed. */
  readonly ended: Promise<'stopped' | 'gave-up'>
  readonly #log: PoolLog
  readonly #startedAt = Date.now()
  /** All that live: those in slots, those that leave, and new ones that have not answered yet. */
  readonly #living = new Set<WorkerProcess>()
  readonly #leaving = new Set<WorkerProcess>()
  readonly #balancer = new Balancer<WorkerProcess>()
  readonly #spares: Spares
  #configuration: PoolConfiguration
  #socket: HeldSocket | undefined
  #slots: Slot[] = []
  #respawn: RespawnPolicy
  #generation = 0
  #state: PoolStatus['state'] = 'starting'
  #ends: { -readonly [Name in keyof EndCounts]: number } = { reloads: 0, failedReloads: 0, recycled: 0, died: 0, stuck: 0 }
  #endedCounts = NONE_ENDED
  #ticks: NodeJS.Timeout | undefined
  /** A reload or a recycling that is under way: there is one at a time. */
  #operation: Promise<void> | undefined
  #recycleAfter = 0
  #statusKeeper: StatusKeeper | undefined
  #diagnosis: PoolDiagnosis | undefined
  #detailsId = 0
  #stopping: Promise<void> | undefined
  #end: (how: 'stopped' | 'gave-up') => void = () => undefined

  constructor(configuration: PoolConfiguration, log: PoolLog) {
    this.#configuration = configuration
    this.#log = log
    this.#spares = new Spares(log)
    this.#respawn = new RespawnPolicy(configuration.emergency.deaths, configuration.emergency.interval)
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /**
   * Opens the socket and starts the workers. Resolves once all accept.
   *
   * @returns where they listen
   * @throws FastCgiError or AddressInUseError where nobody can listen; ERR_FCGI_BOOT or ERR_FCGI_APP where the app does not start
   */
  async start(): Promise<string> {
    const { place, nodeArguments } = this.#configuration
    this.#socket = await holdSocket(place)
    prepareForks(this.#socket.fd, nodeArguments)
    try {
      const workers = await this.#startAll(this.#configuration)
      await this.#socket.publish()
      this.#fillSlots(workers)
    } catch (error) {
      this.#socket.close()
      throw error
    }
    this.#state = 'ready'
    this.#ticks = setInterval(() => {
      this.#onTick()
    }, TICK_MS).unref()
    return this.#socket.address
  }

  /** Has the status shown by somebody. */
  showBy(keeper: StatusKeeper): void {
    this.#statusKeeper = keeper
  }

  /** Sends a signal to each worker. */
  signalWorkers(signal: NodeJS.Signals): void {
    for (const worker of this.#allWorkers()) worker.kill(signal)
  }

  #allWorkers(): WorkerProcess[] {
    return [...this.#slots.flatMap(({ worker }) => worker ?? []), ...this.#leaving]
  }

  status(): PoolStatus {
    const workers = this.#allWorkers().map(({ status }) => status)
    const { address = '', boundPath } = this.#socket ?? {}
    return { startedAt: this.#startedAt, address, boundPath, state: this.#state, workers, ends: { ...this.#ends }, ended: this.#endedCounts }
  }

  async details(timeout: number): Promise<readonly WorkerDetails[]> {
    const id = this.#detailsId++
    const workers = this.#slots.flatMap(({ worker }) => worker?.state === 'ready' ? worker : [])
    return Promise.all(workers.map(async (worker) => ({ worker: worker.number, pid: worker.pid, sources: await worker.details(id, timeout) })))
  }

  /**
   * Has the workers answer the doctor's requests, until the diagnosis ends. Meanwhile no worker is recycled or balanced.
   *
   * @throws FastCgiError ERR_FCGI_CONTROL where another diagnosis runs
   */
  async diagnose(): Promise<PoolDiagnosis> {
    if (this.#diagnosis !== undefined) throw new FastCgiError('ERR_FCGI_CONTROL', 'another doctor asks this process at the moment')
    const diagnosis = new PoolDiagnosis(() => this.#living, () => {
      this.#diagnosis = undefined
    })
    this.#diagnosis = diagnosis
    await diagnosis.begin()
    return diagnosis
  }

  /** The options of `createServer()` that the workers have. */
  get serverOptions(): PoolConfiguration['server'] {
    return this.#configuration.server
  }

  /**
   * Starts new workers with new code and configuration; when all of them answer, the old ones leave. If one does not, the new ones go
   * and the old ones stay.
   *
   * @throws FastCgiError ERR_FCGI_RELOAD, with the reason
   */
  async reload(read: () => PoolConfiguration | Promise<PoolConfiguration>): Promise<void> {
    while (this.#operation !== undefined) await this.#operation
    if (this.#stopping !== undefined) throw new FastCgiError('ERR_FCGI_RELOAD', 'the process is stopping. Start it again instead')
    await this.#exclusively(async () => {
      this.#state = 'reloading'
      try {
        const configuration = await read()
        refuseMove(this.#configuration, configuration)
        await this.#replaceAll(configuration)
        this.#ends.reloads++
      } catch (error) {
        this.#ends.failedReloads++
        const reason = error instanceof Error ? error.message : String(error)
        throw new FastCgiError('ERR_FCGI_RELOAD', `the old workers go on: ${reason}`, { cause: error })
      } finally {
        if (this.#stopping === undefined) this.#state = 'ready'
      }
    })
  }

  /** Answers what has been accepted, and ends all workers. Calling it again changes nothing. */
  stop(how: 'stopped' | 'gave-up' = 'stopped'): Promise<void> {
    return this.#stopping ??= this.#stop(how)
  }

  async #stop(how: 'stopped' | 'gave-up'): Promise<void> {
    this.#state = 'draining'
    const { drainDelay, stopTimeout } = this.#configuration
    for (const slot of this.#slots) clearTimeout(slot.respawn)
    // Nobody waits for those that have not answered yet. A reload or a start that is under way fails by it.
    for (const worker of this.#living) if (worker.state === 'starting') void worker.stop({ timeout: stopTimeout, acceptsBacklog: false, succeeded: false })
    if (drainDelay > 0 && how === 'stopped') {
      for (const worker of this.#allWorkers()) worker.setDraining()
      await delay(drainDelay)
    }
    clearInterval(this.#ticks)
    const socket = this.#socket
    const succeeded = socket?.isReplaced() === true
    socket?.unlist()
    await Promise.all([...this.#living].map((worker) => worker.stop({ timeout: stopTimeout, acceptsBacklog: socket?.ownsBacklog === true, succeeded })))
    socket?.close()
    this.#end(how)
  }

  // ---- Starting and replacing ----

  #fork(number: number, configuration: PoolConfiguration): WorkerProcess {
    this.#refuseWhileStopping()
    const worker = new WorkerProcess(this, number, this.#generation, configuration)
    this.#living.add(worker)
    return worker
  }

  #refuseWhileStopping(): void {
    if (this.#stopping !== undefined) throw new FastCgiError('ERR_FCGI_BOOT', 'the process is stopping')
  }

  /** Puts workers that have answered in the slots. One that has died while the others were proven has been replaced by nobody. */
  #fillSlots(workers: readonly WorkerProcess[]): void {
    this.#slots = workers.map((worker) => ({ number: worker.number, worker, respawn: undefined }))
    for (const slot of this.#slots) if (slot.worker?.state === 'ended') this.#refill(slot, 0)
  }

  /** Starts as many workers as the configuration says; when all have answered, they listen. If one fails, none stays. */
  async #startAll(configuration: PoolConfiguration): Promise<WorkerProcess[]> {
    const workers = Array.from({ length: configuration.workers }, (_, number) => this.#fork(number, configuration))
    await this.#proveAll(workers, configuration)
    return workers
  }

  async #proveAll(workers: readonly WorkerProcess[], configuration: PoolConfiguration): Promise<void> {
    const { bootTimeout } = configuration
    try {
      await Promise.all(workers.map((worker) => worker.boot(this.#workerConfiguration(configuration), bootTimeout)))
      await this.#diagnosis?.join(workers)
      await Promise.all(workers.map((worker) => worker.listen(bootTimeout)))
      this.#refuseWhileStopping()
    } catch (error) {
      for (const worker of workers) this.#leave(worker)
      this.#refuseWhileStopping()
      throw error
    }
  }

  #workerConfiguration(configuration: PoolConfiguration): WorkerConfiguration {
    return workerConfiguration(configuration, this.#socket?.address ?? '')
  }

  async #replaceAll(configuration: PoolConfiguration): Promise<void> {
    this.#generation++
    let workers: WorkerProcess[]
    try {
      workers = await this.#startAll(configuration)
    } catch (error) {
      this.#generation--
      throw error
    }
    const old = this.#slots
    this.#configuration = configuration
    this.#fillSlots(workers)
    this.#respawn = new RespawnPolicy(configuration.emergency.deaths, configuration.emergency.interval)
    for (const { worker, respawn } of old) {
      clearTimeout(respawn)
      if (worker !== undefined) this.#leave(worker)
    }
  }

  /** Lets a worker go that is not wanted any more: it answers what it has. */
  #leave(worker: WorkerProcess): void {
    this.#spares.drop(worker)
    if (worker.state === 'ended') return
    this.#leaving.add(worker)
    void worker.stop({ timeout: this.#configuration.drainTimeout, acceptsBacklog: false, succeeded: true })
  }

  /** Replaces one worker: the new one answers before the old one leaves. */
  async #replace(slot: Slot): Promise<void> {
    const configuration = this.#configuration
    const fresh = this.#fork(slot.number, configuration)
    await this.#proveAll([fresh], configuration)
    // Not before: the old one may have died meanwhile, and another may be about to take its place.
    const old = slot.worker
    clearTimeout(slot.respawn)
    slot.worker = fresh
    if (old !== undefined) this.#leave(old)
  }

  async #exclusively(operation: () => Promise<void>): Promise<void> {
    const running = operation()
    this.#operation = running.catch(() => undefined).finally(() => {
      this.#operation = undefined
    })
    await running
  }

  /** Forks one that is to answer. */
  #boot(number: number): Spare {
    const worker = this.#fork(number, this.#configuration)
    return { worker, booted: worker.boot(this.#workerConfiguration(this.#configuration), this.#configuration.bootTimeout) }
  }

  #slotOf(worker: WorkerProcess): Slot | undefined {
    return this.#slots.find((candidate) => candidate.worker === worker)
  }

  /** Fills the place of a worker that has died. */
  #refill(slot: Slot, wait: number, spare?: Spare): void {
    slot.worker = undefined
    slot.respawn = setTimeout(() => {
      const { worker, booted } = spare ?? this.#boot(slot.number)
      slot.worker = worker
      booted
        .then(() => this.#diagnosis?.join([worker]))
        .then(() => worker.listen(this.#configuration.bootTimeout))
        .then(() => {
          this.#log.info({ worker: worker.number, pid: worker.pid }, 'worker ready')
        }, (error: unknown) => {
          // It is not wanted any more.
          if (slot.worker !== worker || this.#stopping !== undefined || !this.#slots.includes(slot)) return
          this.#log.error({ worker: worker.number, pid: worker.pid, err: error }, 'worker failed to start')
          worker.kill('SIGKILL')
        })
    }, wait)
  }

  // ---- What workers tell ----

  onExit(worker: WorkerProcess, code: number | null, signal: NodeJS.Signals | null): void {
    this.#living.delete(worker)
    if (worker.report !== undefined) this.#endedCounts = withReport(this.#endedCounts, worker.report)
    if (this.#leaving.delete(worker)) return
    const slot = this.#slotOf(worker)
    if (slot === undefined || this.#stopping !== undefined) return
    const spare = this.#spares.take(worker)
    this.#ends.died++
    const now = Date.now()
    const readyFor = worker.readyAt === undefined ? undefined : now - worker.readyAt
    const wait = this.#respawn.onDeath({ code, signal, readyFor }, now)
    const fields = { worker: worker.number, pid: worker.pid, code, signal, lived: now - worker.startedAt }
    if (wait === undefined) {
      const { deaths, interval } = this.#configuration.emergency
      this.#log.error(fields, `more than ${String(deaths)} workers died within ${String(interval)} ms: giving up (emergency-restart)`)
      void this.stop('gave-up')
      return
    }
    this.#log.warn({ ...fields, wait }, 'worker died, another takes its place')
    this.#refill(slot, wait, spare)
  }

  /** A worker that somebody wants to end is replaced first, unless the whole is stopping. */
  onSignal(worker: WorkerProcess, signal: NodeJS.Signals): void {
    if (signal === 'SIGHUP' || signal === 'SIGUSR2') return
    void delay(SAME_SIGNAL_MS, undefined, { ref: false }).then(async () => {
      while (this.#operation !== undefined) await this.#operation
      const slot = this.#slotOf(worker)
      if (slot === undefined || this.#stopping !== undefined) return
      this.#log.info({ worker: worker.number, pid: worker.pid, signal }, 'worker got a signal, another takes its place')
      await this.#recycle(slot)
    })
  }

  onArrival(worker: WorkerProcess, arrival: Arrival): void {
    this.#diagnosis?.onArrival(worker, arrival)
  }

  onNotice(worker: WorkerProcess, code: string, message: string): void {
    this.#log.warn({ worker: worker.number, pid: worker.pid, code }, message)
  }

  onStopped(worker: WorkerProcess, sources: Readonly<Record<string, unknown>>): void {
    this.#statusKeeper?.keep({ worker: worker.number, pid: worker.pid, sources })
  }

  onStatus(worker: WorkerProcess, id: number, request: StatusRequest): void {
    void this.#statusKeeper?.answer(request).then((answer) => {
      worker.answerStatus(id, answer)
    })
  }

  onStanding(worker: WorkerProcess, milliseconds: number): void {
    if (this.#slotOf(worker) !== undefined && this.#stopping === undefined) this.#spares.prepare(worker, milliseconds, () => this.#boot(worker.number))
  }

  onTurning(worker: WorkerProcess): void {
    this.#spares.onTurning(worker)
  }

  onStuck(worker: WorkerProcess, finding: unknown): void {
    if (worker.state === 'ended') return
    this.#ends.stuck++
    this.#log.error({ worker: worker.number, pid: worker.pid, ...(typeof finding === 'object' ? finding : {}) }, 'worker is stuck, another takes its place')
    worker.kill('SIGKILL')
  }

  // ---- Once a second ----

  #onTick(): void {
    this.#killSilent()
    // What it sees of connections is to be the web server's doing.
    if (this.#diagnosis !== undefined) return
    if (this.#configuration.balance) this.#balance()
    this.#recycleOne()
  }

  /** A worker whose thread cannot tell either that it is stuck. */
  #killSilent(): void {
    const { stuckTimeout } = this.#configuration
    if (stuckTimeout === undefined) return
    for (const { worker } of this.#slots) {
      if (worker?.state !== 'ready' || worker.reportedAt === undefined) continue
      const silent = Date.now() - worker.reportedAt
      if (silent > stuckTimeout + SILENCE_MS) this.onStuck(worker, { milliseconds: silent, native: true })
    }
  }

  #balance(): void {
    const now = Date.now()
    // One that is silent may be stuck: what it told last may say that it has time.
    const ready = this.#slots.flatMap(({ worker }) =>
      worker?.state === 'ready' && worker.report !== undefined && now - (worker.reportedAt ?? 0) < STALE_MS ? [[worker, worker.report] as const] : [])
    if (ready.length < 2) return
    for (const [worker, count] of this.#balancer.decide(new Map(ready))) worker.release(count)
  }

  #recycleOne(): void {
    const now = Date.now()
    if (this.#operation !== undefined || this.#stopping !== undefined || now < this.#recycleAfter) return
    for (const slot of this.#slots) {
      const { worker } = slot
      if (worker?.state !== 'ready' || worker.report === undefined || worker.readyAt === undefined) continue
      const reason = recyclingReason(worker.limits, worker.report, now - worker.readyAt)
      if (reason === undefined) continue
      if (reason.limit === 'max-rss' && now - worker.readyAt < YOUNG_MS) {
        this.#recycleAfter = now + RECYCLE_YOUNG_AFTER_MS
        this.#log.warn({ worker: worker.number, pid: worker.pid, ...reason }, 'max-rss is less than the app needs from its start: raise it')
      }
      this.#log.info({ worker: worker.number, pid: worker.pid, ...reason }, `worker has reached ${reason.limit}, another takes its place`)
      void this.#recycle(slot)
      return
    }
  }

  async #recycle(slot: Slot): Promise<void> {
    try {
      await this.#exclusively(() => this.#replace(slot))
      this.#ends.recycled++
    } catch (error) {
      if (this.#stopping !== undefined) return
      this.#recycleAfter = Date.now() + RECYCLE_AGAIN_MS
      this.#log.error({ worker: slot.number, err: error }, 'worker could not be replaced, it goes on')
    }
  }
}
