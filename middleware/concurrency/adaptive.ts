/**
 * `limit: 'auto'` without its clothes: gate, gradient limit and waiting room together, on whatever clock and whatever
 * kind of request. Pure: the middleware, the simulation and the benchmark run the same code.
 */
import type { Admission, Clock, QueueRules, Reason, Rule } from './admission.js'
import { Eviction } from './eviction.js'
import { Gate } from './gate.js'
import { Gradient, type GradientOptions } from './gradient.js'
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
  readonly #gradient: Gradient
  readonly #pressure = new Pressure()
  readonly #room = new WaitingRoom<Request>()
  readonly #eviction: Eviction<Request>
  #active = 0
  #settled: number
  #draining = false

  constructor(clock: Clock, options: AdaptiveOptions) {
    this.#clock = clock
    this.#queue = options.queue
    this.#observing = options.observing ?? false
    this.#onLimit = options.onLimit
    this.#gate = new Gate(clock)
    this.#gradient = new Gradient(options, clock.now())
    this.#eviction = new Eviction(clock, this.#room, () => this.#queue.timeout ?? this.#pressure.roomPatience, (late) => { this.#reject(late, 'queue-timeout') })
    this.#settled = this.limit
  }

  get limit(): number {
    return this.#gradient.settledLimit
  }

  /** From here on it tunes itself further. */
  set limit(limit: number) {
    this.#gradient.settledLimit = limit
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
    if (this.#room.size > 0) this.#eviction.evict(now)
    if (this.#active < this.#gradient.limit && this.#room.size === 0) {
      this.#start(request, now)
      return
    }
    this.#gradient.waited()
    if (this.#observing) this.#observe(request, now)
    else this.#enter(request, now)
  }

  /** A started request is answered, or its client has left. */
  release(request: Request): void {
    const { startedAt } = request
    if (startedAt === undefined) return
    const now = this.#clock.now()
    request.startedAt = undefined
    this.#active -= 1
    if (request.left) this.#gradient.left(now)
    else this.#gradient.finished(now, startedAt, this.#gate.loopWait(now))
    this.#tell()
  }

  /** The client of a waiting request has left. */
  leave(request: Request): void {
    this.#room.leave(request)
  }

  close(): void {
    this.#eviction.close()
    const now = this.#clock.now()
    for (let next = this.#room.take(false); next !== undefined; next = this.#room.take(false)) this.#start(next, now)
  }

  readonly drain = (): void => {
    if (this.#draining || this.#room.size === 0) return
    this.#draining = true
    const { order } = this.#queue
    const newestFirst = order === 'adaptive' ? this.#pressure.newestFirst : order === 'lifo'
    while (this.#active < this.#gradient.limit) {
      const next = this.#room.take(newestFirst)
      if (next === undefined) break
      this.#start(next, this.#clock.now())
    }
    this.#draining = false
  }

  #start(request: Request, now: number): void {
    request.startedAt = now
    this.#active += 1
    this.#gradient.started(now)
    request.start()
  }

  #reject(request: Request, reason: Reason): void {
    this.#pressure.shed()
    request.reject(reason)
  }

  /** How many may wait. */
  #bound(): number {
    return this.#queue.max ?? Math.max(this.#gradient.limit, LEAST_ROOM, this.#pressure.roomPatience * this.#gradient.throughput)
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
    if (this.#active - this.#gradient.limit >= bound) this.#reject(request, bound === 0 ? 'limit' : 'queue-full')
    this.#start(request, now)
  }

  #tell(): void {
    const { limit } = this
    if (limit === this.#settled) return
    this.#settled = limit
    this.#onLimit?.(limit)
  }
}
