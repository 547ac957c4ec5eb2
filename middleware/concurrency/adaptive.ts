/**
 * `limit: 'auto'` without its clothes: gate, gradient limit and waiting room together, on whatever clock and whatever
 * kind of request. Pure: the middleware, the simulation and the benchmark run the same code.
 */
import { Gate, type LoopClock } from './gate.js'
import { Gradient, type GradientOptions } from './gradient.js'
import { Pressure } from './pressure.js'

export interface AdaptiveClock extends LoopClock {
  setTimeout(callback: () => void, milliseconds: number): void
}

/** Why a request was turned away. */
export type Refusal = 'loop' | 'proxy-queue' | 'queue-full' | 'queue-timeout'

/** A request as the controller sees it. */
export interface Admission {
  /** When the proxy got it, in milliseconds of the controller's clock; undefined where that is not known. */
  readonly stamped: number | undefined
  /** Its client has left. */
  readonly left: boolean
  start(): void
  reject(reason: Refusal): void
}

/** A room of fewer places cannot bridge anything. */
const LEAST_ROOM = 20

export class Adaptive<Request extends Admission> {
  readonly #clock: AdaptiveClock
  readonly #gate: Gate
  readonly #gradient: Gradient
  readonly #pressure = new Pressure()
  readonly #started = new Map<Request, number>()
  /** In order of arrival, with the time of it. */
  readonly #room = new Map<Request, number>()
  /** In order of arrival, with some that have left the room. */
  readonly #stack: Request[] = []
  #timer = false
  #draining = false

  constructor(clock: AdaptiveClock, options: GradientOptions) {
    this.#clock = clock
    this.#gate = new Gate(clock)
    this.#gradient = new Gradient(options, clock.now())
  }

  get limit(): number {
    return this.#gradient.settledLimit
  }

  /** A request has been read. */
  arrive(request: Request): void {
    const now = this.#clock.now()
    this.#pressure.arrived(now)
    if (this.#gate.refuses(now, this.#pressure.loopPatience, request.stamped)) {
      this.#reject(request, request.stamped === undefined ? 'loop' : 'proxy-queue')
      return
    }
    this.#evict(now)
    if (this.#started.size < this.#gradient.limit && this.#room.size === 0) {
      this.#start(request, now)
      return
    }
    this.#gradient.waited()
    const bound = Math.max(this.#gradient.limit, LEAST_ROOM, this.#pressure.roomPatience * this.#gradient.throughput)
    if (this.#room.size >= bound) this.#rejectOldest()
    this.#room.set(request, now)
    if (this.#room.size === 1) this.#stack.length = 0
    this.#stack.push(request)
    this.#arm(now)
  }

  /** A started request is answered, or its client has left. */
  release(request: Request): void {
    const startedAt = this.#started.get(request)
    if (startedAt === undefined) return
    const now = this.#clock.now()
    this.#started.delete(request)
    if (request.left) this.#gradient.left(now)
    else this.#gradient.finished(now, startedAt, this.#gate.loopWait(now))
    this.#drain()
  }

  /** The client of a waiting request has left. */
  leave(request: Request): void {
    this.#room.delete(request)
  }

  #start(request: Request, now: number): void {
    this.#started.set(request, now)
    this.#gradient.started(now)
    request.start()
  }

  #reject(request: Request, reason: Refusal): void {
    this.#pressure.shed()
    request.reject(reason)
  }

  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    while (this.#started.size < this.#gradient.limit) {
      const next = this.#pressure.newestFirst ? this.#newest() : this.#room.keys().next().value
      if (next === undefined) break
      this.#room.delete(next)
      this.#start(next, this.#clock.now())
    }
    this.#draining = false
  }

  #newest(): Request | undefined {
    for (;;) {
      const newest = this.#stack.pop()
      if (newest === undefined || this.#room.has(newest)) return newest
    }
  }

  #rejectOldest(): void {
    const oldest = this.#room.keys().next().value
    if (oldest === undefined) return
    this.#room.delete(oldest)
    this.#reject(oldest, 'queue-full')
  }

  #evict(now: number): void {
    for (const [request, since] of this.#room) {
      if (now - since < this.#pressure.roomPatience) break
      this.#room.delete(request)
      this.#reject(request, 'queue-timeout')
    }
  }

  #arm(now: number): void {
    const first = this.#room.values().next().value
    if (this.#timer || first === undefined) return
    this.#timer = true
    this.#clock.setTimeout(() => {
      this.#timer = false
      const later = this.#clock.now()
      this.#evict(later)
      this.#arm(later)
    }, this.#pressure.roomPatience - (now - first))
  }
}
