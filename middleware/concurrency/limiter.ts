/** The limiter, which `concurrencyLimit()` makes: gives each request to its policy, counts, and emits events. */
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ConcurrencyLimitStatus } from '../../shared/status-sources.js'
import { OptionError } from '../shared/options.js'
import { notifyListeners } from '../shared/safe-call.js'
import { routePatternOf } from '../shared/express.js'
import { countAccepts } from './clock.js'
import { AdaptivePolicy } from './adaptive-policy.js'
import type { AdmissionPolicy, Reason } from './policy.js'
import { LimiterCounters } from './metrics.js'
import { RequestLifetime, hasLeft, isAnswered, subscribeToFinish } from '../shared/request-lifetime.js'
import { FixedPolicy } from './fixed-policy.js'
import { SlotTimeouts } from './slot-timeout.js'
import type { LeaseStatus } from './lease/lease-client.js'
import { LeasedPolicy } from './leased-policy.js'
import { checkedChange, checkedLimit, type ResolvedConcurrencyLimit } from './options.js'
import { answerRejection, ConcurrencyLimitError, createRejection, type Rejection } from './rejection.js'
import { sinceRequestStart } from './request-start.js'
import { Semaphore } from './semaphore.js'
import { systemClock } from './clock.js'
import { LimitedRequest, type Limiter } from './limited-request.js'
import { callNext, type Handle, type Next } from '../shared/steps.js'

/** A handler that held its slot for longer than `maxHold`. */
export interface Leak {
  readonly method: string
  /** Express's route, such as `/users/:id`; the path where no route is known. */
  readonly route: string
  /** Milliseconds. */
  readonly heldFor: number
}

/** What listeners on `events` get. */
export interface ConcurrencyLimitEvents {
  reject: [rejection: Rejection, request: IncomingMessage]
  leak: [leak: Leak, request: IncomingMessage]
  limit: [limit: number]
  lease: [lease: LeaseStatus]
}

type Policy = AdmissionPolicy<LimitedRequest>

/** What one `concurrencyLimit()` does with requests. */
export class ConcurrencyLimiter implements Limiter {
  readonly releaseAtEnd: boolean
  readonly counts = new LimiterCounters()
  readonly events = new EventEmitter<ConcurrencyLimitEvents>()
  readonly #options: ResolvedConcurrencyLimit
  readonly #shared: Policy | undefined
  readonly #byKey = new Map<string, Policy>()
  readonly #slotTimeouts: SlotTimeouts<LimitedRequest> | undefined
  #keyLimit: number | undefined
  #closed = false

  constructor(options: ResolvedConcurrencyLimit) {
    subscribeToFinish()
    this.#options = options
    this.releaseAtEnd = options.releaseAtEnd
    this.#keyLimit = options.limit.kind === 'fixed' ? options.limit.limit : undefined
    this.#shared = options.key === undefined ? this.#createShared() : undefined
    this.#slotTimeouts = options.maxHold === false ? undefined : new SlotTimeouts(systemClock, options.maxHold, (request, heldFor) => { this.#onSlotTimeout(request, heldFor) })
  }

  get active(): number {
    return this.#sum(({ active }) => active)
  }

  get waiting(): number {
    return this.#sum(({ waiting }) => waiting)
  }

  /** How many keys have requests that hold a slot or wait for one. */
  get keys(): number {
    return this.#byKey.size
  }

  /** undefined where the option `limit` is a function of the request. */
  get limit(): number | undefined {
    return this.#shared === undefined ? this.#keyLimit : this.#shared.limit
  }

  set limit(limit: unknown) {
    const checked = checkedChange(limit, this.#options.limit)
    if (this.#options.limit.kind === 'function') throw new OptionError('concurrencyLimit: limit cannot be set where a function gives it')
    if (this.#shared !== undefined) this.#shared.limit = checked
    this.#keyLimit = checked
    for (const policy of this.#byKey.values()) policy.limit = checked
    if (this.#options.limit.kind === 'fixed') this.#emitLimit(checked)
  }

  /** undefined where the limit is not leased. */
  get lease(): LeaseStatus | undefined {
    const policy = this.#shared
    return policy instanceof LeasedPolicy ? policy.status : undefined
  }

  /** What it tells to those who ask how the process is. */
  status(): ConcurrencyLimitStatus {
    const { accepted, rejected, leaked, abandoned } = this.counts
    return {
      active: this.active, waiting: this.waiting, limit: this.limit ?? null, keyed: this.#shared === undefined,
      observing: this.#options.observing, full: this.#shared?.isFull ?? false, accepted, rejected: { ...rejected }, leaked, abandoned,
    }
  }

  /** @param then what comes after it; most often what calls `next` */
  handle(request: IncomingMessage, response: ServerResponse, next: Next, then: Handle = callNext): void {
    if (this.#closed || isAnswered(response) || this.#options.skip(request) || RequestLifetime.existing(request, response)?.isObservedBy(this) === true) {
      then(request, response, next)
      return
    }
    if (hasLeft(request, response)) {
      this.counts.abandoned += 1
      return
    }
    const priority = this.#options.priorityOf(request)
    const policy = this.#shared ?? this.#policyOf(request)
    if (policy === undefined) {
      then(request, response, next)
      return
    }
    if (this.#options.limit.kind === 'auto') countAccepts(request)
    new LimitedRequest(this, policy, request, response, next, then, priority, this.#receivedByProxyAt(request)).arrive()
  }

  /** Stops limiting: waiting requests start, and later ones pass. Stops all timers. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#slotTimeouts?.close()
    for (const policy of this.#policies()) policy.close()
  }

  now(): number {
    return systemClock.now()
  }

  accepted(request: LimitedRequest, now: number): void {
    this.counts.accepted += 1
    this.#slotTimeouts?.started(request, now)
  }

  waited(milliseconds: number): void {
    this.counts.waited(milliseconds)
  }

  abandoned(): void {
    this.counts.abandoned += 1
  }

  released(request: LimitedRequest): void {
    this.#slotTimeouts?.ended(request)
  }

  rejected(limited: LimitedRequest, reasonOfPolicy: Reason): boolean {
    const reason = this.#shared === undefined ? 'key' : reasonOfPolicy
    const { handler, observing, retryAfter } = this.#options
    this.counts.rejected[reason] += 1
    const rejection = createRejection(reason, retryAfter)
    const { request, response, next } = limited
    if (this.events.listenerCount('reject') > 0) this.#notify(() => { this.events.emit('reject', rejection, request) })
    if (observing) return false
    if (handler === undefined) answerRejection(request, response, rejection)
    else if (handler === 'next') next(new ConcurrencyLimitError(rejection))
    else handler(request, response, next, rejection)
    return true
  }

  #createShared(): Policy {
    const { limit, queue, observing } = this.#options
    const onLimit = (changed: number): void => { this.#emitLimit(changed) }
    if (limit.kind === 'lease') {
      const onLease = (status: LeaseStatus): void => { this.#notify(() => { this.events.emit('lease', status) }) }
      return new LeasedPolicy<LimitedRequest>(systemClock, { lease: limit.lease, queue, observing, onLimit, onLease })
    }
    if (limit.kind !== 'auto') return this.#createFixedPolicy(limit.kind === 'fixed' ? limit.limit : 1)
    const slots = new Semaphore(observing ? Infinity : limit.bounds.max)
    return new AdaptivePolicy<LimitedRequest>(systemClock, slots, { ...limit.bounds, queue, observing, onLimit })
  }

  #createFixedPolicy(limit: number, onIdle?: () => void): Policy {
    const { queue, observing } = this.#options
    const slots = new Semaphore(observing ? Infinity : limit)
    return new FixedPolicy<LimitedRequest>(systemClock, slots, { limit, queue, observing, ...(onIdle === undefined ? {} : { onIdle }) })
  }

  /**
   * The policy of the request's key; undefined where the request is not limited. A policy is kept as long as a request
   * holds one of its slots, or waits for one.
   */
  #policyOf(request: IncomingMessage): Policy | undefined {
    const { key: keyOf, limit } = this.#options
    const key = keyOf?.(request)
    if (key === undefined) return undefined
    const number = limit.kind === 'function' ? limit.limitOf(request) : this.#keyLimit
    if (number === undefined) return undefined
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      if (known.limit !== number) {
        known.limit = checkedLimit(number)
        // A raised limit has started waiting requests. If all their clients had left, that has removed the policy.
        this.#byKey.set(key, known)
      }
      return known
    }
    const policy = this.#createForKey(key, checkedLimit(number))
    this.#byKey.set(key, policy)
    return policy
  }

  #createForKey(key: string, limit: number): Policy {
    const policy = this.#createFixedPolicy(limit, () => {
      // The key may have another policy since.
      if (this.#byKey.get(key) === policy) this.#byKey.delete(key)
    })
    return policy
  }

  #receivedByProxyAt(request: IncomingMessage): number | undefined {
    const since = this.#options.trustRequestStart ? sinceRequestStart(request) : undefined
    return since === undefined ? undefined : systemClock.now() - since
  }

  #onSlotTimeout(limited: LimitedRequest, heldFor: number): void {
    this.counts.leaked += 1
    const { request } = limited
    this.#notify(() => { this.events.emit('leak', { method: request.method ?? '', route: routeOf(request), heldFor }, request) })
    limited.end('failed')
  }

  #emitLimit(limit: number): void {
    this.#notify(() => { this.events.emit('limit', limit) })
  }

  #notify(call: () => void): void {
    notifyListeners('concurrencyLimit', 'ERR_CONCURRENCY_LIMIT_LISTENER', call)
  }

  #policies(): Iterable<Policy> {
    return this.#shared === undefined ? this.#byKey.values() : [this.#shared]
  }

  #sum(figure: (policy: Policy) => number): number {
    let sum = 0
    for (const policy of this.#policies()) sum += figure(policy)
    return sum
  }
}

/** The share of all requests that were rejected, or would have been if the limiter did not only observe: 0 to 1. */
export function rejectedShare(counts: LimiterCounters, observing: boolean): number {
  const { rejections } = counts
  const offered = observing ? counts.accepted : counts.accepted + rejections
  return offered === 0 ? 0 : rejections / offered
}

/** Express's route with what it is mounted on; the path where no route is known. */
function routeOf(request: IncomingMessage & { baseUrl?: unknown; originalUrl?: unknown }): string {
  const { baseUrl, originalUrl, url } = request
  const pattern = routePatternOf(request)
  if (pattern !== '') return `${typeof baseUrl === 'string' ? baseUrl : ''}${pattern}`
  const whole = typeof originalUrl === 'string' ? originalUrl : url ?? ''
  return whole.split('?', 1)[0] ?? ''
}
