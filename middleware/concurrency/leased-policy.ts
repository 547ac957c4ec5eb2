/** The policy of a leased limit: a fixed policy whose number the lease client sets. */
import { emitProcessWarning } from '../../shared/process-warning.js'
import type { Clock } from './clock.js'
import type { Candidate, QueueSettings, AdmissionPolicy } from './policy.js'
import { FixedPolicy } from './fixed-policy.js'
import { LeaseClient, type LeaseStatus } from './lease/lease-client.js'
import type { RedisLease } from './lease/redis-lease.js'
import { Semaphore } from './semaphore.js'

/** The lease, the queue, and what to call. */
export interface LeasedPolicyOptions {
  readonly lease: RedisLease
  readonly queue: QueueSettings
  readonly observing: boolean
  readonly onLimit: (limit: number) => void
  readonly onLease: (status: LeaseStatus) => void
}

/** Slots that are free only while the lease is valid. */
class LeasedSemaphore extends Semaphore {
  readonly #isValid: () => boolean

  constructor(capacity: number, isValid: () => boolean) {
    super(capacity)
    this.#isValid = isValid
  }

  override get hasFree(): boolean {
    return super.hasFree && this.#isValid()
  }
}

/** The policy of a limit that is leased. */
export class LeasedPolicy<Request extends Candidate> implements AdmissionPolicy<Request> {
  readonly #fixedPolicy: FixedPolicy<Request>
  readonly #leaseClient: LeaseClient
  #warned = false

  constructor(clock: Clock, { lease, queue, observing, onLimit, onLease }: LeasedPolicyOptions) {
    const semaphore = new LeasedSemaphore(observing ? Infinity : 0, () => this.#leaseClient.valid)
    // A process may get all slots of the lease, so as many requests may wait.
    const fixed = new FixedPolicy<Request>(clock, semaphore, {
      limit: 0, queue: { ...queue, max: queue.max ?? lease.limit }, observing, onSlotFree: () => { this.#leaseClient.onSlotFree() },
    })
    this.#fixedPolicy = fixed
    this.#leaseClient = new LeaseClient(clock, lease, lease.connect(), {
      get active() { return fixed.active },
      get waiting() { return fixed.waiting },
      onCap: (cap) => {
        fixed.limit = cap
        onLimit(cap)
      },
      onStatus: (status, error) => {
        if (status.state === 'away') this.#warn(lease, error)
        onLease(status)
      },
    })
  }

  /** Requests that this process may run now. What is set is the limit of all processes together. */
  get limit(): number {
    return this.#fixedPolicy.limit
  }

  set limit(limit: number) {
    this.#leaseClient.total = limit
  }

  get status(): LeaseStatus {
    return this.#leaseClient.status
  }

  get active(): number {
    return this.#fixedPolicy.active
  }

  get waiting(): number {
    return this.#fixedPolicy.waiting
  }

  get isFull(): boolean {
    return this.#fixedPolicy.isFull
  }

  arrive(request: Request): void {
    this.#fixedPolicy.arrive(request)
    this.#leaseClient.onArrival()
  }

  release(request: Request): void {
    this.#fixedPolicy.release(request)
  }

  leave(request: Request): void {
    this.#fixedPolicy.leave(request)
  }

  close(): void {
    this.#fixedPolicy.close()
    this.#leaseClient.close()
  }

  #warn({ key, fallback }: RedisLease, error: unknown): void {
    if (this.#warned) return
    this.#warned = true
    const then = fallback === undefined ? 'an equal part of the limit' : `a fallback of ${String(fallback)}`
    emitProcessWarning(
      'CONCURRENCY_LIMIT_LEASE_AWAY',
      `concurrencyLimit: Redis, which the limit of '${key}' is leased from, is away (${error instanceof Error ? error.message : String(error)}): until it is back this process goes by its own cap, ${then}`,
      'ConcurrencyLimitWarning',
    )
  }
}
