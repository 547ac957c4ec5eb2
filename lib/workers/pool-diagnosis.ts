/** A diagnosis in the primary: has all workers answer the doctor, those that join meanwhile, too; gathers what arrived; ends it everywhere. */
import { randomBytes } from 'node:crypto'
import type { Arrival } from '../server/diagnostics.js'
import type { DiagnosisOrder } from './messages.js'

/** The longest that a diagnosis may take, in milliseconds. */
export const DIAGNOSIS_LIMIT_MS = 120_000
/** Arrivals that are kept at most. */
const MAX_ARRIVALS = 1000

/** A worker, as far as a diagnosis needs it. */
export interface DiagnosedWorker {
  readonly pid: number
  /** Whether it may have requests to answer. */
  readonly accepts: boolean
  /** Resolves once it has obeyed; false, too, where it does not answer in time. */
  diagnose(order: DiagnosisOrder): Promise<boolean>
}

/** One diagnosis. */
export class PoolDiagnosis {
  /** The token of the requests that are answered. Whoever has it sees what the web server sends, of these requests alone. */
  readonly token = randomBytes(16).toString('hex')
  readonly #workers: () => Iterable<DiagnosedWorker>
  readonly #onEnd: () => void
  readonly #limit: number
  readonly #timer: NodeJS.Timeout
  readonly #arrivals: Arrival[] = []
  /** Numbers of connections, which each worker counts for itself. */
  readonly #connections = new Map<string, number>()
  #ended: Promise<void> | undefined
  #onOver: () => void = () => undefined
  /** Resolves when the diagnosis ends, for whatever reason. */
  readonly over = new Promise<void>((resolve) => {
    this.#onOver = resolve
  })

  /**
   * @param workers all that live
   * @param onEnd called once, when the diagnosis ends
   * @param limit milliseconds until it ends by itself
   */
  constructor(workers: () => Iterable<DiagnosedWorker>, onEnd: () => void, limit = DIAGNOSIS_LIMIT_MS) {
    this.#workers = workers
    this.#onEnd = onEnd
    this.#limit = limit
    this.#timer = setTimeout(() => {
      void this.end()
    }, limit).unref()
  }

  get isOver(): boolean {
    return this.#ended !== undefined
  }

  /** Resolves once all workers that accept answer the doctor. */
  async begin(): Promise<void> {
    await this.#order({ step: 'begin', token: this.token, limit: this.#limit })
  }

  /** Has workers answer the doctor that are about to accept. */
  async join(workers: readonly DiagnosedWorker[]): Promise<void> {
    if (!this.isOver) await Promise.all(workers.map((worker) => worker.diagnose({ step: 'begin', token: this.token, limit: this.#limit })))
  }

  onArrival(worker: DiagnosedWorker, arrival: Arrival): void {
    if (this.#arrivals.length >= MAX_ARRIVALS) return
    const key = `${String(worker.pid)} ${String(arrival.connection)}`
    const connection = this.#connections.get(key) ?? this.#connections.size + 1
    this.#connections.set(key, connection)
    this.#arrivals.push({ ...arrival, connection })
  }

  /** All that has arrived until now, in order. */
  async arrivals(): Promise<readonly Arrival[]> {
    // What a worker has told before it obeys this is here by then.
    await this.#order({ step: 'sync' })
    return this.#arrivals
  }

  /** The client has got the first piece of a stream. @returns whether the next was still held */
  async release(name: string): Promise<boolean> {
    return (await this.#order({ step: 'release', name })).includes(true)
  }

  /** Resolves once the app gets all requests again, in all workers. Calling it again changes nothing. */
  end(): Promise<void> {
    return this.#ended ??= this.#end()
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer)
    this.#onEnd()
    this.#onOver()
    await this.#order({ step: 'end' })
  }

  #order(order: DiagnosisOrder): Promise<boolean[]> {
    return Promise.all([...this.#workers()].filter(({ accepts }) => accepts).map((worker) => worker.diagnose(order)))
  }
}
