/** The public face of the concurrency cap. */
import './shared/node-version.js'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Reason } from './concurrency/policy.js'
import { ConcurrencyLimiter, rejectedShare, type ConcurrencyLimitEvents } from './concurrency/limiter.js'
import type { WaitTimes } from './concurrency/metrics.js'
import type { LeaseStatus } from './concurrency/lease/lease-client.js'
import { resolveOptions, type ConcurrencyLimitOptions } from './concurrency/options.js'
import { figuresOf } from './concurrency/metrics.js'
import { Instances } from './shared/instances.js'
import { setStep } from './shared/steps.js'
import { MetricsRegistrations, type MetricsOptions, type MetricsRegistry } from './shared/metrics.js'

export { ExpressResponderError } from '../shared/errors.js'
export { OptionError } from './shared/options.js'
export type { ConcurrencyLimitEvents, Leak } from './concurrency/limiter.js'
export type { ConcurrencyLimitOptions, LimitBounds, QueueOptions, RejectionHandler } from './concurrency/options.js'
export type { MetricsOptions, MetricsRegistry } from './shared/metrics.js'
export { ConcurrencyLimitError, type Rejection } from './concurrency/rejection.js'
export type { Reason, Order } from './concurrency/policy.js'
export { redisLease, type RedisLease, type RedisLeaseOptions } from './concurrency/lease/redis-lease.js'
export type { SendCommand } from './concurrency/lease/script.js'
export type { LeaseState, LeaseStatus } from './concurrency/lease/lease-client.js'
export type { Split } from './concurrency/worker-share.js'
export type { Priority } from './concurrency/queue.js'
export type { WaitTimes } from './concurrency/metrics.js'

/** The middleware, with its gauges and counters. */
export interface ConcurrencyLimit {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void
  /** Requests that hold a slot. */
  readonly active: number
  /** Requests that wait for a slot. */
  readonly waiting: number
  /**
   * The limit, or what it tuned itself to; undefined where a function gives it. May be set: a whole number of at least 1,
   * and within the bounds of a limit that tunes itself.
   * Where it is split or leased, it is this process' part; what is set is the whole.
   */
  limit: number | undefined
  /** How the lease stands; undefined where nothing is leased. */
  readonly lease: LeaseStatus | undefined
  /** Requests that got a slot. */
  readonly accepted: number
  /** Requests that were turned away, by reason; with `mode: 'observe'` those that would have been. */
  readonly rejected: Readonly<Record<Reason, number>>
  /** The same as a share of all, 0 to 1. */
  readonly rejectedShare: number
  /** Slots that were taken back after `maxHold`. */
  readonly leaked: number
  /** Requests whose clients left while they waited. */
  readonly abandoned: number
  readonly waitTime: WaitTimes
  /** 'reject', 'leak', 'limit' and 'lease' (its state has changed). */
  readonly events: EventEmitter<ConcurrencyLimitEvents>
  /**
   * Puts all of this on a registry of prom-client, until it is closed; in a cluster, its AggregatorRegistry adds the workers up as
   * is right for each. A second time changes nothing.
   * @throws OptionError, 'ERR_MIDDLEWARE_OPTION', where it is no registry, has metrics of these names, or an option is wrong
   */
  registerMetrics(registry: MetricsRegistry, options?: MetricsOptions): void
  /**
   * Ends it: requests that wait start, later ones pass, timers are stopped, metrics are taken off their registries. A lease
   * is given back once no request runs. A second time changes nothing.
   */
  close(): void
}

const instances = new Instances('concurrencyLimit', (cap: ConcurrencyLimiter) => cap.status())

/**
 * Caps how many requests are answered at a time. Mount it before what is expensive; for health checks see `skip`.
 * Turned away: 503 (429 for the cap of a key) with Retry-After, as `application/problem+json` (RFC 9457).
 *
 * @param options a number, or bounds for one that tunes itself, and the queue; see {@link ConcurrencyLimitOptions}
 * @returns the middleware, with its gauges, counters and events
 * @throws OptionError ERR_MIDDLEWARE_OPTION that names a wrong option
 *
 * @example
 * ```ts
 * import { concurrencyLimit } from 'express-responder/middleware'
 *
 * const cap = concurrencyLimit({ limit: 50, queue: { timeout: 2000 } })
 * cap.events.on('reject', (reason) => console.warn(`turned away: ${reason}`))
 * app.use(cap)
 * ```
 */
export function concurrencyLimit(options?: ConcurrencyLimitOptions): ConcurrencyLimit {
  const resolved = resolveOptions(options)
  const cap = new ConcurrencyLimiter(resolved)
  const { counts } = cap
  const metrics = new MetricsRegistrations()
  function concurrencyLimitMiddleware(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void {
    cap.handle(request, response, next)
  }
  setStep(concurrencyLimitMiddleware, (request, response, next, then) => { cap.handle(request, response, next, then) })
  const limit = Object.defineProperties(concurrencyLimitMiddleware as ConcurrencyLimit, {
    active: { get: () => cap.active },
    waiting: { get: () => cap.waiting },
    limit: { get: () => cap.limit, set: (limit: unknown) => { cap.limit = limit } },
    lease: { get: () => cap.lease },
    accepted: { get: () => counts.accepted },
    rejected: { value: counts.rejected },
    rejectedShare: { get: () => rejectedShare(counts, resolved.observing) },
    leaked: { get: () => counts.leaked },
    abandoned: { get: () => counts.abandoned },
    waitTime: { get: () => counts.waitTime },
    events: { value: cap.events },
    registerMetrics: { value: (registry: MetricsRegistry, given?: MetricsOptions) => { metrics.add(figuresOf(cap, counts), registry, given) } },
    close: {
      value: () => {
        cap.close()
        metrics.close()
        forget()
      },
    },
  })
  const forget = instances.add(limit, cap, cap)
  return limit
}

/** Closes all caps of the process, and puts back what they have changed of Node's. */
concurrencyLimit.uninstall = (): void => { instances.closeAll() }
