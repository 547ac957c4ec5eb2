/**
 * One request at one limiter, from its arrival to its end. Whatever happens, it takes at most one slot and releases it
 * once.
 */
import { AsyncResource } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Candidate, Reason, AdmissionPolicy } from './policy.js'
import { RequestLifetime, isAnswered, isOver, type Ending, type LifetimeObserver } from '../shared/request-lifetime.js'
import type { HeldSlot } from './slot-timeout.js'
import type { InFlightNode } from './in-flight-list.js'
import type { Priority } from './queue.js'
import type { Handle, Next } from '../shared/steps.js'

/** What a request tells its limiter. */
export interface Limiter {
  readonly releaseAtEnd: boolean
  now(): number
  accepted(request: LimitedRequest, now: number): void
  waited(milliseconds: number): void
  abandoned(): void
  released(request: LimitedRequest): void
  /** Counts a rejection, and answers the request unless the limiter only observes. Whether it was answered. */
  rejected(request: LimitedRequest, reason: Reason): boolean
}

type State = 'arriving' | 'waiting' | 'held' | 'over'

/** One request at one limiter. */
export class LimitedRequest implements Candidate, LifetimeObserver, HeldSlot {
  unanswered = false
  clientLeft = false
  startedAt: number | undefined
  holdsSlot = false
  inFlight = false
  older: InFlightNode | undefined
  newer: InFlightNode | undefined
  slotIndex = -1
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly next: Next
  readonly #then: Handle
  readonly priority: Priority
  readonly receivedByProxyAt: number | undefined
  readonly owner: Limiter
  readonly #policy: AdmissionPolicy<LimitedRequest>
  #state: State = 'arriving'
  /** Of a request that waits: since when, and the async context in which it goes on. */
  #waitingSince = 0
  #context: AsyncResource | undefined

  constructor(
    limiter: Limiter, policy: AdmissionPolicy<LimitedRequest>, request: IncomingMessage, response: ServerResponse, next: Next, then: Handle,
    priority: Priority, receivedByProxyAt: number | undefined,
  ) {
    this.owner = limiter
    this.#policy = policy
    this.request = request
    this.response = response
    this.next = next
    this.#then = then
    this.priority = priority
    this.receivedByProxyAt = receivedByProxyAt
  }

  get target(): string {
    const { url = '', originalUrl } = this.request as IncomingMessage & { originalUrl?: unknown }
    return typeof originalUrl === 'string' ? originalUrl : url
  }

  /** Asked only while the limit is reached, for it costs some time. */
  get waitsForClient(): boolean {
    return isAnswered(this.response) || !this.request.complete
  }

  // A field would be written for each request.
  // eslint-disable-next-line @typescript-eslint/class-literal-property-style
  get releaseAtStream(): boolean {
    return true
  }

  get releaseAtEnd(): boolean {
    return this.owner.releaseAtEnd
  }

  arrive(): void {
    this.#policy.arrive(this)
    if (this.#state !== 'arriving') return
    this.#state = 'waiting'
    this.#waitingSince = this.owner.now()
    this.#context = new AsyncResource('concurrencyLimit', { requireManualDestroy: true })
    RequestLifetime.of(this.request, this.response).add(this)
  }

  start(now: number): void {
    const context = this.#context
    if (context !== undefined && isOver(this.request, this.response)) {
      this.#abandon()
      return
    }
    this.#state = 'held'
    this.owner.accepted(this, now)
    if (context === undefined) {
      RequestLifetime.of(this.request, this.response).add(this)
      this.#callNext()
      return
    }
    this.owner.waited(now - this.#waitingSince)
    context.runInAsyncScope(this.#runFromQueue, this)
  }

  reject(reason: Reason): void {
    const context = this.#context
    const before = this.#state
    this.#state = 'over'
    const answered = context === undefined ? this.owner.rejected(this, reason) : context.runInAsyncScope(this.#rejectFromQueue, this, reason)
    if (!answered) this.#state = before
  }

  end(ending: Ending): void {
    const state = this.#state
    if (state === 'over') return
    this.#state = 'over'
    if (state !== 'held') {
      this.#policy.leave(this)
      this.owner.abandoned()
      return
    }
    this.unanswered = ending !== 'answered'
    this.clientLeft = ending === 'left'
    this.#policy.release(this)
    this.owner.released(this)
  }

  /**
   * The policy has started a request that waited, but its client has left unnoticed, or it has been answered meanwhile.
   * So its slot is given back at once.
   */
  #abandon(): void {
    this.#state = 'over'
    this.unanswered = this.clientLeft = true
    this.#policy.release(this)
    this.owner.abandoned()
  }

  /**
   * Called by the queue. What the app throws must not keep the queue from starting other requests, so it is thrown
   * later.
   */
  #runFromQueue(): void {
    try {
      this.#callNext()
    } catch (error) {
      throwOnNextTick(error)
    }
  }

  #rejectFromQueue(reason: Reason): boolean {
    try {
      return this.owner.rejected(this, reason)
    } catch (error) {
      throwOnNextTick(error)
      return true
    }
  }

  #callNext(): void {
    try {
      this.#then(this.request, this.response, this.next)
    } catch (error) {
      this.end('failed')
      throw error
    }
    // From here on an upgraded connection speaks another protocol, for as long as it likes: its slot is released.
    if ('upgrade' in this.request && this.request.upgrade === true) this.end('streams')
  }
}

/** Throws in the context of the request, where no caller catches it: as if a callback of the request had thrown. */
function throwOnNextTick(error: unknown): void {
  process.nextTick(() => { throw error })
}
