/**
 * `limit: 'auto'` without its clothes: gate, limit and waiting room together, on whatever clock and whatever
 * kind of request. Pure: the middleware, the simulation and the benchmark run the same code.
 */
import type { Admission, Clock, QueueRules, Reason, Rule } from './admission.js'
import { Eviction } from './eviction.js'
import { Gate } from './gate.js'
import type { GradientOptions } from './gradient.js'
import { Limit } from './limit.js'
import { Pressure } from './pressure.js'
import { WaitingRoom, type Priority } from './waiting-room.js'

export interface AdaptiveOptions extends GradientOptions {
  readonly queue: QueueRules
  /** Called with the new limit when it has changed. */
  readonly onLimit?: (limit: number) => void
}

/** A room of fewer places cannot bridge anything. */
const LEAST_ROOM = 20
/** What a request may wait for the event loop, by its priority, times the usual. */
const PATIENCE: Readonly<Record<Priority, number>> = { high: 2, normal: 1, low: 0.5 }

export class Adaptive<Request extends Admission> implements Rule<Request> {
  readonly #clock: Clock
  readonly #queue: QueueRules
  readonly #observing: boolean
  readonly #onLimit: ((limit: number) => void) | undefined
  readonly #gate: Gate
  readonly #limit: Limit<Request>
  readonly #pressure = new Pressure()
  readonly #room = new WaitingRoom<Request>()
  readonly #eviction: Eviction<Request>
  #settled: number
  #draining = false

  constructor(clock: Clock, options: AdaptiveOptions) {
    this.#clock = clock
    this.#queue = options.queue
    this.#observing = options.observing ?? false
    this.#onLimit = options.onLimit
    this.#gate = new Gate(clock)
    this.#limit = new Limit<Request>(clock, { ...options, experimenting: !this.#observing && options.queue.max !== 0, onEnd: this.drain })
    this.#eviction = new Eviction(clock, this.#room, () => (this.#queue.timeout ?? this.#pressure.roomPatience) + this.#trial, (late) => { this.#reject(late, 'queue-timeout') })
    this.#settled = this.limit
  }

  get limit(): number {
    return this.#limit.settled
  }

  /** From here on it tunes itself further. */
  set limit(limit: number) {
    this.#limit.settled = limit
    this.drain()
    this.#tell()
  }

  get waiting(): number {
    return this.#room.size
  }

  /** A request has been read. */
  arrive(request: Request): void {
    const now = this.#clock.now()
    this.#pressure.arrived(now)
    if (this.#gate.refuses(now, this.#pressure.loopPatience * PATIENCE[request.priority], this.#pressure.peace, request.stamped)) {
      this.#reject(request, request.stamped === undefined ? 'loop' : 'proxy-queue')
      if (this.#observing) this.#start(request, now)
      return
    }
    if (this.#room.size > 0) {
      // Requests that have run for long enough to count no longer have left slots since.
      this.drain()
      this.#eviction.evict(now)
    }
    if ((this.#room.size === 0 && this.#limit.admits(now)) || this.#limit.passes(request)) {
      this.#start(request, now)
      return
    }
    this.#limit.waited(now)
    if (this.#observing) this.#observe(request, now)
    else this.#enter(request, now)
  }

  /** A started request is answered, or its client has left. */
  release(request: Request): void {
    const { startedAt } = request
    if (startedAt === undefined) return
    const now = this.#clock.now()
    request.startedAt = undefined
    this.#gate.over(request.unread)
    this.#limit.released(request, now, startedAt, this.#gate.loopWait(now))
    this.#tell()
  }

  /** The client of a waiting request has left. */
  leave(request: Request): void {
    this.#room.leave(request)
  }

  close(): void {
    this.#eviction.close()
    this.#limit.close()
    const now = this.#clock.now()
    for (let next = this.#room.take(false); next !== undefined; next = this.#room.take(false)) this.#start(next, now)
  }

  readonly drain = (): void => {
    if (this.#draining || this.#room.size === 0) return
    this.#draining = true
    const { order } = this.#queue
    const newestFirst = order === 'adaptive' ? this.#pressure.newestFirst : order === 'lifo'
    for (let now = this.#clock.now(); this.#room.size > 0 && this.#limit.admits(now); now = this.#clock.now()) {
      const next = this.#room.take(newestFirst)
      if (next !== undefined) this.#start(next, now)
    }
    this.#draining = false
  }

  /** Nobody is turned away for what is only tried; where many are anyway, it makes no difference. */
  get #trial(): number {
    return this.#pressure.peace ? this.#limit.trial : 0
  }

  #start(request: Request, now: number): void {
    request.startedAt = now
    this.#limit.started(request, now)
    request.start()
  }

  #reject(request: Request, reason: Reason): void {
    this.#pressure.shed()
    request.reject(reason)
  }

  /** How many may wait. */
  #bound(): number {
    const { max } = this.#queue
    if (max !== undefined) return max
    return this.#trial > 0 ? Infinity : Math.max(this.#limit.now, LEAST_ROOM, this.#pressure.roomPatience * this.#limit.throughput)
  }

  #enter(request: Request, now: number): void {
    const bound = this.#bound()
    if (this.#room.size >= bound) {
      const loser = bound === 0 ? request : this.#room.takeFor(request) ?? request
      this.#reject(loser, bound === 0 ? 'limit' : 'queue-full')
      if (loser === request) return
    }
    this.#room.enter(request, now)
    this.#eviction.arm(now)
  }

  #observe(request: Request, now: number): void {
    const bound = this.#bound()
    if (this.#limit.active - this.#limit.now >= bound) this.#reject(request, bound === 0 ? 'limit' : 'queue-full')
    this.#start(request, now)
  }

  #tell(): void {
    const { limit } = this
    if (limit === this.#settled) return
    this.#settled = limit
    this.#onLimit?.(limit)
  }
}
