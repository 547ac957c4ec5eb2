/** The policy of a given number: that many slots, and a queue of requests in front of them. */
import type { Clock } from './clock.js'
import type { Candidate, QueueSettings, AdmissionPolicy, Slots } from './policy.js'
import { QueueTimeouts } from './queue.js'
import { RequestQueue } from './queue.js'

/**
 * Milliseconds. A queue that has not been empty for longer is congested, and its newest request goes first: the clients
 * of the oldest requests are the first to give up. CoDel's interval is as long (RFC 8289).
 */
const CONGESTED_AFTER = 100
/** Milliseconds that a request may wait for a slot where `queue.timeout` is not given. */
const DEFAULT_TIMEOUT = 1000

/** The limit, the queue, and what to call. */
export interface FixedPolicyOptions {
  readonly limit: number
  readonly queue: QueueSettings
  readonly observing: boolean
  /** Called when a slot has been released, before the next request of the queue takes it. */
  readonly onSlotFree?: () => void
  /** Called when no request holds a slot, and none waits for one. */
  readonly onIdle?: () => void
}

/** The policy of a limit that is a number. */
export class FixedPolicy<Request extends Candidate> implements AdmissionPolicy<Request> {
  readonly #clock: Clock
  readonly #slots: Slots
  readonly #queueSettings: QueueSettings
  readonly #observing: boolean
  readonly #queue = new RequestQueue<Request>()
  readonly #queueTimeouts: QueueTimeouts<Request>
  readonly #onSlotFree: (() => void) | undefined
  readonly #onIdle: (() => void) | undefined
  /** Whether somebody is told of free slots, though no request waits for one. */
  readonly #isTold: boolean
  #limit: number
  #congestedSince = 0
  #drainScheduled = false

  /** @param slots of this policy alone: as many as the limit; without a bound where it only observes */
  constructor(clock: Clock, slots: Slots, options: FixedPolicyOptions) {
    this.#clock = clock
    this.#slots = slots
    this.#onSlotFree = options.onSlotFree
    this.#onIdle = options.onIdle
    this.#isTold = options.onSlotFree !== undefined || options.onIdle !== undefined
    this.#limit = options.limit
    this.#queueSettings = options.queue
    const timeout = options.queue.timeout ?? DEFAULT_TIMEOUT
    this.#queueTimeouts = new QueueTimeouts(clock, this.#queue, () => timeout, (late) => { late.reject('queue-timeout') })
    this.#observing = options.observing
  }

  get limit(): number {
    return this.#limit
  }

  set limit(limit: number) {
    this.#limit = limit
    if (this.#observing) return
    this.#slots.capacity = limit
    this.#drain()
  }

  get active(): number {
    return this.#slots.active
  }

  get waiting(): number {
    return this.#queue.size
  }

  get isFull(): boolean {
    return !this.#observing && !this.#slots.hasFree && this.#queue.size >= this.#maxWaiting
  }

  arrive(request: Request): void {
    if (this.#observing) {
      this.#observe(request)
      return
    }
    if (this.#slots.hasFree && this.#queue.size === 0) {
      this.#start(request)
      return
    }
    const now = this.#clock.now()
    this.#queueTimeouts.expire(now)
    if (this.#queue.size >= this.#maxWaiting && !this.#evictFor(request)) return
    if (this.#queue.size === 0) this.#congestedSince = now
    this.#queue.add(request, now)
    this.#queueTimeouts.arm(now)
  }

  release(request: Request): void {
    if (!request.holdsSlot) return
    request.holdsSlot = false
    this.#slots.release()
    if (this.#queue.size > 0 || this.#isTold) this.#clock.queueMicrotask(this.#onFree)
  }

  leave(request: Request): void {
    this.#queue.remove(request)
    this.#checkIdle()
  }

  close(): void {
    this.#slots.capacity = Infinity
    this.#queueTimeouts.close()
    for (let next = this.#queue.take(false); next !== undefined; next = this.#queue.take(false)) this.#start(next)
  }

  #start(request: Request): void {
    request.holdsSlot = true
    this.#slots.take()
    request.start(this.#clock.now())
  }

  readonly #onFree = (): void => {
    this.#onSlotFree?.()
    this.#drain()
    this.#checkIdle()
  }

  #checkIdle(): void {
    if (this.#onIdle !== undefined && this.#slots.active === 0 && this.#queue.size === 0) this.#onIdle()
  }

  /** Starts the next request if a slot is free, and each further one a turn of the loop later: not all in one turn. */
  readonly #drain = (): void => {
    if (!this.#canStart()) return
    const now = this.#clock.now()
    this.#queueTimeouts.expire(now)
    const next = this.#queue.take(this.#newestFirst(now))
    if (next !== undefined) this.#start(next)
    if (this.#drainScheduled || !this.#canStart()) return
    this.#drainScheduled = true
    this.#clock.setImmediate(this.#drainFurther)
  }

  readonly #drainFurther = (): void => {
    this.#drainScheduled = false
    this.#drain()
  }

  #canStart(): boolean {
    return this.#slots.hasFree && this.#queue.size > 0
  }

  get #maxWaiting(): number {
    return this.#queueSettings.max ?? this.#limit
  }

  #observe(request: Request): void {
    const over = this.#slots.active - this.#limit
    if (over >= this.#maxWaiting) request.reject(this.#maxWaiting === 0 ? 'limit' : 'queue-full')
    this.#start(request)
  }

  /** Makes room in a full queue: rejects the request that gives way. False where that is the newcomer. */
  #evictFor(newcomer: Request): boolean {
    if (this.#maxWaiting === 0) {
      newcomer.reject('limit')
      return false
    }
    const evicted = this.#queue.evictFor(newcomer) ?? newcomer
    evicted.reject('queue-full')
    return evicted !== newcomer
  }

  #newestFirst(now: number): boolean {
    const { order } = this.#queueSettings
    return order === 'adaptive' ? now - this.#congestedSince > CONGESTED_AFTER : order === 'lifo'
  }
}
