/**
 * Workers that are made ready before they are needed: one for each worker whose event loop stands still, so that its place is filled at
 * once when it proves to be stuck. They load the app and answer, and do not listen. Where the loop turns again they go.
 */
import type { PoolLog } from './options.js'
import type { WorkerProcess } from './worker-process.js'

/** After one that was not needed none is made for so long, in milliseconds: apps that stand still again and again would make many. */
const PAUSE_MS = 60_000

/** A worker that is ready, or about to be. */
export interface Spare {
  readonly worker: WorkerProcess
  /** Settles as its boot does. */
  readonly booted: Promise<void>
}

/** The workers that are made ready, by those that they may replace. */
export class Spares {
  readonly #spares = new Map<WorkerProcess, Spare>()
  readonly #log: PoolLog
  #notBefore = 0

  constructor(log: PoolLog) {
    this.#log = log
  }

  /**
   * Has one made for a worker, unless there is a pause.
   *
   * @param standing its event loop stands still, for so many milliseconds by now
   */
  prepare(standing: WorkerProcess, milliseconds: number, make: () => Spare): void {
    const spare = performance.now() < this.#notBefore ? undefined : make()
    this.#log.warn({ worker: standing.number, pid: standing.pid, milliseconds, spare: spare?.worker.pid }, 'event loop of a worker stands still')
    if (spare === undefined) return
    this.#spares.set(standing, spare)
    // Who takes it hears of a failure; nobody else wants to.
    spare.booted.catch(() => undefined)
  }

  /** The one that was made for `worker`, which has ended. */
  take(worker: WorkerProcess): Spare | undefined {
    const spare = this.#spares.get(worker)
    this.#spares.delete(worker)
    return spare?.worker.state === 'starting' ? spare : undefined
  }

  /** The event loop of a worker turns again: it was not stuck. */
  onTurning(worker: WorkerProcess): void {
    this.#log.info({ worker: worker.number, pid: worker.pid }, 'event loop of a worker turns again')
    this.drop(worker)
  }

  /** Ends the one that was made for `worker`, if there is one: it is not needed. */
  drop(worker: WorkerProcess): void {
    const spare = this.take(worker)
    if (spare === undefined) return
    this.#notBefore = performance.now() + PAUSE_MS
    spare.worker.kill('SIGKILL')
  }
}
