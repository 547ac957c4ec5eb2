/** A limit that is given: the slots, and a queue in front of them. */
import type { Clock } from './clock.js'
import type { Candidate, QueueSettings, AdmissionPolicy } from './policy.js'
import { QueueTimeouts } from './queue.js'
import type { Semaphore } from './semaphore.js'
import { RequestQueue } from './queue.js'

/** A queue that has not been empty for so many milliseconds is congested: the newest goes first, for the oldest ones' clients leave soonest. */
const CONGESTED_AFTER = 100
/** Milliseconds to wait for a slot, unless the option says otherwise. */
const DEFAULT_TIMEOUT = 1000

export class FixedPolicy<Request extends Candidate> implements AdmissionPolicy<Request> {
  readonly #clock: Clock
  readonly #semaphore: Semaphore
  readonly #queueSettings: QueueSettings
  readonly #observing: boolean
  readonly #queue = new RequestQueue<Request>()
  readonly #queueTimeouts: QueueTimeouts<Request>
  #limit: number
  #congestedSince = 0
  #drainScheduled = false

  /** `semaphore` is this policy's own. Where it observes, it must have no end. */
  constructor(clock: Clock, semaphore: Semaphore, options: { limit: number; queue: QueueSettings; observing: boolean }) {
    this.#clock = clock
    this.#semaphore = semaphore
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
    this.#semaphore.capacity = limit
    this.drain()
  }

  get waiting(): number {
    return this.#queue.size
  }

  arrive(request: Request): void {
    if (this.#observing) {
      this.#observe(request)
      return
    }
    if (this.#semaphore.hasFree && this.#queue.size === 0) {
      request.start()
      return
    }
    const now = this.#clock.now()
    this.#queueTimeouts.expire(now)
    if (this.#queue.size >= this.#maxWaiting && !this.#evictFor(request)) return
    if (this.#queue.size === 0) this.#congestedSince = now
    this.#queue.add(request, now)
    this.#queueTimeouts.arm(now)
  }

  release(): void {
    // The slot is free some microtasks later: `drain` is called then.
  }

  leave(request: Request): void {
    this.#queue.remove(request)
  }

  close(): void {
    this.#semaphore.capacity = Infinity
    this.#queueTimeouts.close()
    for (let next = this.#queue.take(false); next !== undefined; next = this.#queue.take(false)) next.start()
  }

  /** Starts the next one where a slot is free, and any others a turn of the event loop later each. */
  readonly drain = (): void => {
    if (!this.#canStart()) return
    const now = this.#clock.now()
    this.#queueTimeouts.expire(now)
    this.#queue.take(this.#newestFirst(now))?.start()
    if (this.#drainScheduled || !this.#canStart()) return
    this.#drainScheduled = true
    this.#clock.setImmediate(this.#drainFurther)
  }

  readonly #drainFurther = (): void => {
    this.#drainScheduled = false
    this.drain()
  }

  #canStart(): boolean {
    return this.#semaphore.hasFree && this.#queue.size > 0
  }

  get #maxWaiting(): number {
    return this.#queueSettings.max ?? this.#limit
  }

  #observe(request: Request): void {
    const over = this.#semaphore.active - this.#limit
    if (over >= this.#maxWaiting) request.reject(this.#maxWaiting === 0 ? 'limit' : 'queue-full')
    request.start()
  }

  /** Whether the newcomer can wait now. */
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
