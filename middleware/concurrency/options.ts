/** The options of `concurrencyLimit()`, checked and completed with their defaults, once and here alone. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { types } from 'node:util'
import { optionChecks } from '../shared/options.js'
import { ORDERS, type Order, type QueueSettings } from './policy.js'
import type { GradientOptions } from './gradient-limit.js'
import { RedisLease } from './lease/redis-lease.js'
import type { Rejection } from './rejection.js'
import { resolveSplit, shareOf, type Split } from './worker-share.js'
import { PRIORITIES, type Priority } from './queue.js'

const checks = optionChecks('concurrencyLimit')

/** The option `queue`. */
export interface QueueOptions {
  /**
   * How many requests may wait. Where the limit tunes itself: what can be answered in time.
   * @defaultValue as many as the limit
   */
  max?: number | undefined
  /**
   * Milliseconds that a request may wait. Where the limit tunes itself: 500, longer while fewer are let in as a
   * trial, and down to 40 under overload.
   * @defaultValue `1000`
   */
  timeout?: number | undefined
  /**
   * `'adaptive'`: first in first out until congested for 100 ms, then last in first out. `'fifo'`, `'lifo'`: always
   * that order.
   * @defaultValue `'adaptive'`
   */
  order?: Order | undefined
}

/** The bounds of a limit that tunes itself, and the limit that it starts with. */
export interface LimitBounds {
  readonly min?: number | undefined
  readonly max?: number | undefined
  readonly initial?: number | undefined
}

/** Answers a request that is turned away, in the place of the built-in answer. */
export type RejectionHandler = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void, rejection: Rejection) => void

/** The options of `concurrencyLimit()`. */
export interface ConcurrencyLimitOptions {
  /**
   * How many requests are answered at a time. `'auto'` tunes itself; `{ min, max, initial }` does so within bounds:
   * never more than `max` (10,000), and where something is scarce never less than `min` (8). It starts with `initial`
   * (`max`). A number: so many. `redisLease()`: a share of a number that many processes have in common. With `key` also
   * a function of the request that gives its key's number; undefined: no cap.
   * @defaultValue `'auto'`
   */
  limit?: number | 'auto' | LimitBounds | RedisLease | ((request: IncomingMessage) => number | undefined) | undefined
  /**
   * This process holds only its part of a number: `{ workers: 4, worker: 0 }`, with `worker` from 0. `'environment'`
   * reads EXPRESS_RESPONDER_WORKERS and EXPRESS_RESPONDER_WORKER, or NODE_APP_INSTANCE.
   * @defaultValue none: the whole
   */
  split?: Split | 'environment' | undefined
  /**
   * How many requests may wait, and for how long: `{ max, timeout, order }`. `false`: none waits.
   * @defaultValue `{}`
   */
  queue?: QueueOptions | false | undefined
  /**
   * `(request) => string`: a cap for each key, such as a client, a tenant or a route. undefined: this request is not
   * capped.
   * @defaultValue none: one cap for all
   */
  key?: ((request: IncomingMessage) => string | undefined) | undefined
  /**
   * Which requests go first, and are refused last: `'high'`, `'normal'`, `'low'`, or a function of the request.
   * @defaultValue `'normal'`
   */
  priority?: Priority | ((request: IncomingMessage) => Priority) | undefined
  /**
   * `(request) => boolean`: requests that the cap does not see. The default leaves out GET and HEAD of /health,
   * /healthz, /livez, /readyz and /ping.
   * @defaultValue health checks
   */
  skip?: ((request: IncomingMessage) => boolean) | undefined
  /**
   * Milliseconds after which a slot is taken back from a handler that has not answered. It is counted in `leaked`, and
   * 'leak' names the route. `false`: never.
   * @defaultValue `300000`
   */
  maxHold?: number | false | undefined
  /**
   * When a slot is free again. `'finish'`: once everything has been sent. `'end'`: at `res.end()`, though a slow client
   * has not read everything yet.
   * @defaultValue `'finish'`
   */
  releaseAt?: 'finish' | 'end' | undefined
  /**
   * Whether the proxy's `X-Request-Start` is believed, with a limit that tunes itself. Without a proxy that sets it
   * anybody could send one.
   * @defaultValue `false`
   */
  trustRequestStart?: boolean | undefined
  /**
   * Seconds for Retry-After, spread up to twice as many.
   * @defaultValue `1`
   */
  retryAfter?: number | undefined
  /**
   * `(request, response, next, rejection)` answers instead of the built-in problem. `'next'`: a `ConcurrencyLimitError`
   * goes to the app's error handlers.
   * @defaultValue none
   */
  handler?: RejectionHandler | 'next' | undefined
  /**
   * `'observe'` decides and counts, and lets all requests in.
   * @defaultValue `'enforce'`
   */
  mode?: 'enforce' | 'observe' | undefined
}

/** The option `limit`, checked and completed. */
export type ResolvedLimit =
  | { readonly kind: 'fixed'; readonly limit: number; readonly split: Split | undefined }
  | { readonly kind: 'auto'; readonly bounds: Readonly<Pick<GradientOptions, 'min' | 'max' | 'initial'>> }
  | { readonly kind: 'lease'; readonly lease: RedisLease }
  | { readonly kind: 'function'; readonly limitOf: (request: IncomingMessage) => number | undefined }

/** The options, checked and completed. */
export interface ResolvedConcurrencyLimit {
  readonly limit: ResolvedLimit
  readonly queue: QueueSettings
  readonly key: ((request: IncomingMessage) => string | undefined) | undefined
  readonly priorityOf: (request: IncomingMessage) => Priority
  readonly skip: (request: IncomingMessage) => boolean
  readonly maxHold: number | false
  readonly releaseAtEnd: boolean
  readonly trustRequestStart: boolean
  readonly retryAfter: number
  readonly handler: RejectionHandler | 'next' | undefined
  readonly observing: boolean
}

const DEFAULT_MAX_HOLD = 300_000
const DEFAULT_BOUNDS = { min: 8, max: 10_000 } as const
const HEALTH_CHECKS: ReadonlySet<string> = new Set(['/health', '/healthz', '/livez', '/readyz', '/ping'])
const OPTIONS = ['limit', 'split', 'queue', 'key', 'priority', 'skip', 'maxHold', 'releaseAt', 'trustRequestStart', 'retryAfter', 'handler', 'mode'] as const

/** Checks the options and completes them. */
export function resolveOptions(given?: ConcurrencyLimitOptions): ResolvedConcurrencyLimit {
  const options = checks.object('options', given, OPTIONS)
  const key = checks.optionalFunction('key', options.key)
  const { queue = {}, priority = 'normal', maxHold = DEFAULT_MAX_HOLD, releaseAt = 'finish', retryAfter = 1, mode = 'enforce', trustRequestStart: stampTrusted = false, limit: givenLimit = 'auto' } = options
  const limit = resolveLimit(givenLimit, key !== undefined, options.split)
  const trustRequestStart = checks.flag('trustRequestStart', stampTrusted)
  if (trustRequestStart && limit.kind !== 'auto') {
    throw checks.wrong('trustRequestStart', true, 'only a limit that tunes itself looks at the time stamp: limit: \'auto\' or { min, max, initial }')
  }
  return {
    limit,
    queue: resolveQueue(queue),
    key: key === undefined ? undefined : (request) => checkedKey(key(request)),
    priorityOf: resolvePriority(priority),
    skip: resolveSkip(checks.optionalFunction('skip', options.skip)),
    maxHold: maxHold === false ? false : checks.wholeNumber('maxHold', maxHold, 1, 2 ** 31 - 1),
    releaseAtEnd: checks.oneOf('releaseAt', releaseAt, ['finish', 'end']) === 'end',
    trustRequestStart,
    retryAfter: checks.number('retryAfter', retryAfter, 0, 86_400),
    handler: resolveHandler(options.handler),
    observing: checks.oneOf('mode', mode, ['enforce', 'observe']) === 'observe',
  }
}

/** Checks a limit that the app sets later. */
export function checkedChange(value: unknown, limit: ResolvedLimit): number {
  if (limit.kind === 'auto') return checks.wholeNumber('limit', value, limit.bounds.min, limit.bounds.max)
  return checkedLimit(value, limit.kind === 'fixed' ? limit.split : undefined)
}

/** Checks a number. Where it is split, gives this process' part of it. */
export function checkedLimit(value: unknown, split?: Split): number {
  const whole = checks.wholeNumber('limit', value, 1)
  return split === undefined ? whole : shareOf(whole, split)
}

function resolveLimit(limit: NonNullable<ConcurrencyLimitOptions['limit']>, keyed: boolean, split: ConcurrencyLimitOptions['split']): ResolvedLimit {
  if (split !== undefined && typeof limit !== 'number') throw checks.wrong('split', split, unsplittable(limit))
  if (typeof limit === 'function') {
    if (!keyed) throw checks.wrong('limit', limit, 'a function needs the option key, which tells whose number it gives')
    return { kind: 'function', limitOf: limit }
  }
  if (limit instanceof RedisLease) {
    if (keyed) throw checks.wrong('limit', undefined, 'a lease is one limit for all: leave out key, or give a number or a function')
    return { kind: 'lease', lease: limit }
  }
  if (limit === 'auto' || typeof limit === 'object') {
    if (keyed) throw checks.wrong('limit', limit, 'with the option key give a number or a function: what tunes itself measures the whole process')
    return { kind: 'auto', bounds: resolveBounds(limit === 'auto' ? {} : limit) }
  }
  if (typeof limit !== 'number') throw checks.wrong('limit', limit, 'give a whole number of at least 1, \'auto\', { min, max, initial } or, with the option key, a function')
  const resolved = split === undefined ? undefined : resolveSplit(split)
  return { kind: 'fixed', limit: checkedLimit(limit, resolved), split: resolved }
}

function unsplittable(limit: NonNullable<ConcurrencyLimitOptions['limit']>): string {
  if (typeof limit === 'function') return 'only a number is split: leave it out, and let the function give each worker its part'
  if (limit instanceof RedisLease) return 'only a number is split: leave it out, for all processes share a lease as it is'
  return 'only a number is split: leave it out, for a limit that tunes itself does so in each worker, or give a number as limit'
}

function resolveBounds(given: LimitBounds): Pick<GradientOptions, 'min' | 'max' | 'initial'> {
  const bounds = checks.object<LimitBounds>('limit', given, ['min', 'max', 'initial'])
  const { min = Math.min(DEFAULT_BOUNDS.min, bounds.max ?? Infinity) } = bounds
  const { max = Math.max(DEFAULT_BOUNDS.max, min) } = bounds
  const { initial = max } = bounds
  return {
    min: checks.wholeNumber('limit.min', min, 1),
    max: checks.wholeNumber('limit.max', max, min),
    initial: checks.wholeNumber('limit.initial', initial, min, max),
  }
}

function resolveQueue(given: QueueOptions | false): QueueSettings {
  if (given === false) return { max: 0, timeout: undefined, order: 'adaptive' }
  const { max, timeout, order = 'adaptive' } = checks.object('queue', given, ['max', 'timeout', 'order'])
  return {
    max: max === undefined ? undefined : checks.wholeNumber('queue.max', max, 0),
    timeout: timeout === undefined ? undefined : checks.wholeNumber('queue.timeout', timeout, 1, 2 ** 31 - 1),
    order: checks.oneOf('queue.order', order, ORDERS),
  }
}

function resolvePriority(priority: NonNullable<ConcurrencyLimitOptions['priority']>): (request: IncomingMessage) => Priority {
  if (typeof priority === 'function') return (request) => checks.oneOf('priority', priority(request), PRIORITIES)
  const fixed = checks.oneOf('priority', priority, PRIORITIES)
  return () => fixed
}

/** Only strings are equal by value. With new objects as keys, each request would have a limit of its own. */
function checkedKey(key: unknown): string | undefined {
  if (typeof key === 'string' || key === undefined) return key
  throw checks.wrongAnswer('key', key, 'give a string, or undefined where the request is not to be capped')
}

/** A promise is truthy: an async `skip` would skip every request. */
function resolveSkip(skip: ((request: IncomingMessage) => boolean) | undefined): (request: IncomingMessage) => boolean {
  if (skip === undefined) return isHealthCheck
  return (request) => {
    const answer: unknown = skip(request)
    if (types.isPromise(answer)) throw checks.wrongAnswer('skip', answer, 'give true or false at once')
    return Boolean(answer)
  }
}

function resolveHandler(handler: ConcurrencyLimitOptions['handler']): RejectionHandler | 'next' | undefined {
  if (handler === undefined || handler === 'next' || typeof handler === 'function') return handler
  throw checks.wrong('handler', handler, 'give a function (request, response, next, rejection), or \'next\'')
}

function isHealthCheck({ method, url = '' }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  const end = url.indexOf('?')
  return HEALTH_CHECKS.has(end === -1 ? url : url.slice(0, end))
}
