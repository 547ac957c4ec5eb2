/** A limit that is leased: the slots and the waiting room of a given limit, which the holder of the lease moves. */
import type { Admission, Clock, QueueRules, Rule } from './admission.js'
import { Fixed } from './fixed.js'
import { Holder, type LeaseStatus } from './lease/holder.js'
import type { RedisLease } from './lease/redis-lease.js'
import { Slots } from './slots.js'

export interface LeasedOptions {
  readonly lease: RedisLease
  readonly queue: QueueRules
  readonly observing: boolean
  readonly onLimit: (limit: number) => void
  readonly onLease: (status: LeaseStatus) => void
}

/** Slots that are there as long as the lease is. */
class LeasedSlots extends Slots {
  readonly #isValid: () => boolean

  constructor(most: number, isValid: () => boolean) {
    super(most)
    this.#isValid = isValid
  }

  override get free(): boolean {
    return super.free && this.#isValid()
  }
}

export class Leased<Request extends Admission> implements Rule<Request> {
  readonly slots: Slots
  readonly #fixed: Fixed<Request>
  readonly #holder: Holder
  #warned = false

  constructor(clock: Clock, { lease, queue, observing, onLimit, onLease }: LeasedOptions) {
    const slots = new LeasedSlots(observing ? Infinity : 0, () => this.#holder.valid)
    // A process may get all slots, and as many may wait as there are.
    const fixed = new Fixed<Request>(clock, slots, { limit: 0, queue: { ...queue, max: queue.max ?? lease.limit }, observing })
    this.slots = slots
    this.#fixed = fixed
    this.#holder = new Holder(clock, lease, lease.connect(), {
      get active() { return slots.active },
      get waiting() { return fixed.waiting },
      capped: (cap) => {
        fixed.limit = cap
        onLimit(cap)
      },
      told: (status, error) => {
        if (status.state === 'away') this.#warn(lease, error)
        onLease(status)
      },
    })
  }

  /** What this process may run now. What is set is the limit of all. */
  get limit(): number {
    return this.#fixed.limit
  }

  set limit(limit: number) {
    this.#holder.total = limit
  }

  get status(): LeaseStatus {
    return this.#holder.status
  }

  get waiting(): number {
    return this.#fixed.waiting
  }

  arrive(request: Request): void {
    this.#fixed.arrive(request)
    this.#holder.came()
  }

  release(): void {
    this.#fixed.release()
  }

  leave(request: Request): void {
    this.#fixed.leave(request)
  }

  readonly drain = (): void => {
    this.#holder.freed()
    this.#fixed.drain()
  }

  close(): void {
    this.#fixed.close()
    this.#holder.close()
  }

  #warn({ key, fallback }: RedisLease, error: unknown): void {
    if (this.#warned) return
    this.#warned = true
    const then = fallback === undefined ? 'an equal part of the limit' : `a fallback of ${String(fallback)}`
    process.emitWarning(
      `concurrencyLimit: Redis, which the limit of '${key}' is leased from, is away (${error instanceof Error ? error.message : String(error)}): until it is back this process goes by its own cap, ${then}`,
      { type: 'ConcurrencyLimitWarning', code: 'CONCURRENCY_LIMIT_LEASE_AWAY' },
    )
  }
}
