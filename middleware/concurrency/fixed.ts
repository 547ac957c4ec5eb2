/** A limit that is given: the slots, and a waiting room in front of them. */
import type { Admission, Clock, QueueRules, Rule } from './admission.js'
import { Eviction } from './eviction.js'
import type { Slots } from './slots.js'
import { WaitingRoom } from './waiting-room.js'

/** A queue that has not been empty for so many milliseconds is congested: the newest goes first, for the oldest ones' clients leave soonest. */
const CONGESTED_AFTER = 100
/** Milliseconds to wait for a slot, unless the option says otherwise. */
const DEFAULT_TIMEOUT = 1000

export class Fixed<Request extends Admission> implements Rule<Request> {
  readonly #clock: Clock
  readonly #slots: Slots
  readonly #queue: QueueRules
  readonly #observing: boolean
  readonly #room = new WaitingRoom<Request>()
  readonly #eviction: Eviction<Request>
  #limit: number
  #waitingSince = 0
  #yielding = false

  /** `slots` are this rule's own. Where it observes, they must have no end. */
  constructor(clock: Clock, slots: Slots, options: { limit: number; queue: QueueRules; observing: boolean }) {
    this.#clock = clock
    this.#slots = slots
    this.#limit = options.limit
    this.#queue = options.queue
    const timeout = options.queue.timeout ?? DEFAULT_TIMEOUT
    this.#eviction = new Eviction(clock, this.#room, () => timeout, (late) => { late.reject('queue-timeout') })
    this.#observing = options.observing
  }

  get limit(): number {
    return this.#limit
  }

  set limit(limit: number) {
    this.#limit = limit
    if (this.#observing) return
    this.#slots.most = limit
    this.drain()
  }

  get waiting(): number {
    return this.#room.size
  }

  arrive(request: Request): void {
    if (this.#observing) {
      this.#observe(request)
      return
    }
    if (this.#slots.free && this.#room.size === 0) {
      request.start()
      return
    }
    const now = this.#clock.now()
    this.#eviction.evict(now)
    if (this.#room.size >= this.#most && !this.#makeRoomFor(request)) return
    if (this.#room.size === 0) this.#waitingSince = now
    this.#room.enter(request, now)
    this.#eviction.arm(now)
  }

  release(): void {
    // The slot is free some microtasks later: `drain` is called then.
  }

  leave(request: Request): void {
    this.#room.leave(request)
  }

  close(): void {
    this.#slots.most = Infinity
    this.#eviction.close()
    for (let next = this.#room.take(false); next !== undefined; next = this.#room.take(false)) next.start()
  }

  /** Starts the next one where a slot is free, and any others a turn of the event loop later each. */
  readonly drain = (): void => {
    if (!this.#canStart()) return
    const now = this.#clock.now()
    this.#eviction.evict(now)
    this.#room.take(this.#newestFirst(now))?.start()
    if (this.#yielding || !this.#canStart()) return
    this.#yielding = true
    this.#clock.setImmediate(this.#drainFurther)
  }

  readonly #drainFurther = (): void => {
    this.#yielding = false
    this.drain()
  }

  #canStart(): boolean {
    return this.#slots.free && this.#room.size > 0
  }

  get #most(): number {
    return this.#queue.max ?? this.#limit
  }

  #observe(request: Request): void {
    const over = this.#slots.active - this.#limit
    if (over >= this.#most) request.reject(this.#most === 0 ? 'limit' : 'queue-full')
    request.start()
  }

  /** Whether there is a place for the newcomer now. */
  #makeRoomFor(newcomer: Request): boolean {
    if (this.#most === 0) {
      newcomer.reject('limit')
      return false
    }
    const loser = this.#room.takeFor(newcomer) ?? newcomer
    loser.reject('queue-full')
    return loser !== newcomer
  }

  #newestFirst(now: number): boolean {
    const { order } = this.#queue
    return order === 'adaptive' ? now - this.#waitingSince > CONGESTED_AFTER : order === 'lifo'
  }
}
