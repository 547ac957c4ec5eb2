/**
 * The policy of `limit: 'auto'`: puts the loop-delay gate, the adaptive limit and the queue together. Pure: it is given
 * its clock and its requests, so the middleware, the simulation and the benchmark run the same code.
 *
 * The constants of the adaptive policy and its parts were tuned in the simulation (test/simulation), with other seeds
 * than those that its tests are judged by.
 */
import type { Clock } from './clock.js'
import type { Candidate, QueueSettings, Reason, AdmissionPolicy, Slots } from './policy.js'
import { QueueTimeouts } from './queue.js'
import { LoopDelayGate } from './loop-delay-gate.js'
import type { GradientOptions } from './gradient-limit.js'
import { AdaptiveLimit } from './adaptive-limit.js'
import { ShedRate } from './shed-rate.js'
import { RequestQueue, type Priority } from './queue.js'

/** The bounds of the limit, the queue, and a listener for a changed limit. */
export interface AdaptivePolicyOptions extends GradientOptions {
  readonly queue: QueueSettings
  /** Called with the new limit when it has changed. */
  readonly onLimit?: (limit: number) => void
}

/** Requests. A shorter queue would be full, and reject requests, when a few of them come at the same moment. */
const MIN_QUEUE_SIZE = 20
/**
 * By priority: how many times the usual loop delay is allowed. So low priority is shed first, and high priority last.
 */
const DELAY_FACTORS: Readonly<Record<Priority, number>> = { high: 2, normal: 1, low: 0.5 }

/** The policy of `limit: 'auto'`. */
export class AdaptivePolicy<Request extends Candidate> implements AdmissionPolicy<Request> {
  readonly #clock: Clock
  readonly #slots: Slots
  readonly #queueSettings: QueueSettings
  readonly #observing: boolean
  readonly #onLimit: ((limit: number) => void) | undefined
  readonly #loopDelayGate: LoopDelayGate
  readonly #limit: AdaptiveLimit<Request>
  readonly #shedRate = new ShedRate()
  readonly #queue = new RequestQueue<Request>()
  readonly #queueTimeouts: QueueTimeouts<Request>
  #reportedLimit: number
  #draining = false

  /** @param slots of this policy alone: as many as `max`; without a bound where it only observes */
  constructor(clock: Clock, slots: Slots, options: AdaptivePolicyOptions) {
    this.#clock = clock
    this.#slots = slots
    this.#queueSettings = options.queue
    this.#observing = options.observing ?? false
    this.#onLimit = options.onLimit
    this.#loopDelayGate = new LoopDelayGate(clock)
    this.#limit = new AdaptiveLimit<Request>(clock, slots, { ...options, experimenting: !this.#observing && options.queue.max !== 0, onEnd: this.#drain })
    this.#queueTimeouts = new QueueTimeouts(clock, this.#queue, () => (this.#queueSettings.timeout ?? this.#shedRate.maxQueueTime) + this.#trialDelay, (late) => { this.#reject(late, 'queue-timeout') })
    this.#reportedLimit = this.limit
  }

  get limit(): number {
    return this.#limit.settled
  }

  /** A limit that is set is where tuning goes on from. */
  set limit(limit: number) {
    this.#limit.settled = limit
    this.#drain()
    this.#reportLimit()
  }

  get active(): number {
    return this.#slots.active
  }

  get waiting(): number {
    return this.#queue.size
  }

  get isFull(): boolean {
    return !this.#observing && this.#slots.active >= this.#limit.current && this.#queue.size >= this.#maxWaiting()
  }

  /** A request has come: starts it, lets it wait, or rejects it. */
  arrive(request: Request): void {
    const now = this.#clock.now()
    this.#shedRate.arrived(now)
    if (this.#loopDelayGate.refuses(now, this.#shedRate.maxLoopDelay * DELAY_FACTORS[request.priority], this.#shedRate.isNotShedding, request.receivedByProxyAt)) {
      this.#reject(request, request.receivedByProxyAt === undefined ? 'loop' : 'proxy-queue')
      if (this.#observing) this.#start(request, now)
      return
    }
    if (this.#queue.size > 0) {
      // A running request that has become an outlier no longer counts: a waiting one may start now, though none has
      // ended.
      this.#drain()
      this.#queueTimeouts.expire(now)
    }
    if ((this.#queue.size === 0 && this.#limit.admits(now)) || this.#limit.bypasses(request)) {
      this.#start(request, now)
      return
    }
    this.#limit.waited(now)
    if (this.#observing) this.#observe(request, now)
    else this.#enqueue(request, now)
  }

  /** A started request is over, or no longer counts. */
  release(request: Request): void {
    const { startedAt } = request
    if (startedAt === undefined) return
    const now = this.#clock.now()
    request.startedAt = undefined
    this.#loopDelayGate.requestOver(request.clientLeft)
    this.#limit.released(request, now, startedAt, this.#loopDelayGate.loopDelay(now))
    this.#reportLimit()
    request.holdsSlot = false
    this.#slots.release()
    if (this.#queue.size > 0) this.#clock.queueMicrotask(this.#drain)
  }

  /** The client of a waiting request has left. */
  leave(request: Request): void {
    this.#queue.remove(request)
  }

  close(): void {
    this.#queueTimeouts.close()
    this.#limit.close()
    const now = this.#clock.now()
    for (let next = this.#queue.take(false); next !== undefined; next = this.#queue.take(false)) this.#start(next, now)
  }

  /** Starts waiting requests, as many as the limit admits. */
  readonly #drain = (): void => {
    if (this.#draining || this.#queue.size === 0) return
    this.#draining = true
    const { order } = this.#queueSettings
    const newestFirst = order === 'adaptive' ? this.#shedRate.newestFirst : order === 'lifo'
    for (let now = this.#clock.now(); this.#queue.size > 0 && this.#limit.admits(now); now = this.#clock.now()) {
      const next = this.#queue.take(newestFirst)
      if (next !== undefined) this.#start(next, now)
    }
    this.#draining = false
  }

  /**
   * Milliseconds that a request may wait longer during an experiment or a probe: these make requests wait, which is no
   * reason to reject them. 0 where requests are being shed anyway.
   */
  get #trialDelay(): number {
    return this.#shedRate.isNotShedding ? this.#limit.trialDelay : 0
  }

  #start(request: Request, now: number): void {
    request.startedAt = now
    request.holdsSlot = true
    this.#slots.take()
    this.#limit.started(request, now)
    request.start(now)
  }

  #reject(request: Request, reason: Reason): void {
    this.#shedRate.shed()
    request.reject(reason)
  }

  /** How many requests may wait: without a bound during an experiment or a probe; else what can be answered in time. */
  #maxWaiting(): number {
    const { max } = this.#queueSettings
    if (max !== undefined) return max
    return this.#trialDelay > 0 ? Infinity : Math.max(this.#limit.current, MIN_QUEUE_SIZE, this.#shedRate.maxQueueTime * this.#limit.throughput)
  }

  #enqueue(request: Request, now: number): void {
    const max = this.#maxWaiting()
    if (this.#queue.size >= max) {
      const evicted = max === 0 ? request : this.#queue.evictFor(request) ?? request
      this.#reject(evicted, max === 0 ? 'limit' : 'queue-full')
      if (evicted === request) return
    }
    this.#queue.add(request, now)
    this.#queueTimeouts.arm(now)
  }

  #observe(request: Request, now: number): void {
    const max = this.#maxWaiting()
    if (this.#slots.active - this.#limit.current >= max) this.#reject(request, max === 0 ? 'limit' : 'queue-full')
    this.#start(request, now)
  }

  #reportLimit(): void {
    const { limit } = this
    if (limit === this.#reportedLimit) return
    this.#reportedLimit = limit
    this.#onLimit?.(limit)
  }
}
