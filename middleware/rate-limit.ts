/** The public face of the rate limit: express-rate-limit, with a key, answers and a store that are right here. */
import './shared/node-version.js'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ClientRateLimitInfo } from 'express-rate-limit'
import { createLimiter, type RateLimitEvents } from './rate-limit/limiter.js'
import { resolveOptions, type RateLimitOptions } from './rate-limit/options.js'
import { ClientLeft } from './rate-limit/client-key.js'
import { figuresOf, statusOf } from './rate-limit/counts.js'
import { Instances } from './shared/instances.js'
import { callNext, setStep, type Handle, type Next } from './shared/steps.js'
import { MetricsRegistrations, type MetricsOptions, type MetricsRegistry } from './shared/metrics.js'

export { ExpressResponderError } from '../shared/errors.js'
export { OptionError } from './shared/options.js'
export { ipKeyGenerator, MemoryStore, type ClientRateLimitInfo, type RateLimitInfo, type Store } from 'express-rate-limit'
export { RateLimitKeyError, RateLimitStoreError } from './rate-limit/errors.js'
export type { MetricsOptions, MetricsRegistry } from './shared/metrics.js'
export type { RateLimitEvents } from './rate-limit/limiter.js'
export type { RateLimitOptions, StoreFailure } from './rate-limit/options.js'

/** The middleware, with what express-rate-limit has on it. */
export interface RateLimit {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void
  /** Forgets the hits of a key; that of an address is `ipKeyGenerator(address)`. */
  resetKey(key: string): Promise<void>
  /** The hits of a key. Throws with a store that cannot tell. */
  getKey(key: string): Promise<ClientRateLimitInfo | undefined>
  /** 'store-failure' and 'store-recovery'. */
  readonly events: EventEmitter<RateLimitEvents>
  /**
   * Puts what it counts on a registry of prom-client, until it is closed. A second time changes nothing.
   * @throws OptionError, 'ERR_MIDDLEWARE_OPTION', where it is no registry, has metrics of these names, or an option is wrong
   */
  registerMetrics(registry: MetricsRegistry, options?: MetricsOptions): void
  /**
   * Ends it: who comes passes and is not counted, timers are stopped, metrics are taken off their registries. The store is the app's
   * to close, and may be given to another one. A second time changes nothing.
   */
  close(): void
}

const instances = new Instances('rateLimit', statusOf)

/**
 * Limits how many requests a client may send in a time, with the options of express-rate-limit. Who is over it gets 429 with
 * Retry-After, as `application/problem+json` (RFC 9457). A request of which nobody can tell whose it is gives an error to
 * `next()`, a RateLimitKeyError: it would share its count with others.
 *
 * @param options those of express-rate-limit, and some more; see {@link RateLimitOptions}
 * @returns the middleware, with `resetKey()`, `getKey()` and its events
 * @throws OptionError ERR_MIDDLEWARE_OPTION that names a wrong option
 *
 * @example
 * ```ts
 * import { rateLimit } from 'express-responder/middleware'
 *
 * app.use(rateLimit({ windowMs: 60_000, limit: 600 }))
 * ```
 */
export function rateLimit(options?: RateLimitOptions): RateLimit {
  const { limiter, direct, store, events, counts, appends, close } = createLimiter(resolveOptions(options))
  const metrics = new MetricsRegistrations()
  let isClosed = false
  function limitRate(request: IncomingMessage, response: ServerResponse, next: Next, then: Handle): void {
    if (isClosed) {
      then(request, response, next)
      return
    }
    if (appends && !('append' in response)) Object.defineProperty(response, 'append', { value: append, configurable: true })
    // What it asks of Express's is there now, or replaced.
    const asked = request as Parameters<typeof limiter>[0]
    const answered = response as Parameters<typeof limiter>[1]
    if (direct?.passes(asked, answered) === true) {
      counts.passed += 1
      then(request, response, next)
      return
    }
    ask(asked, answered, next, then)
  }
  /** Of its own: a function for each request, and what that holds, would be made for those that pass directly, too. */
  function ask(asked: Parameters<typeof limiter>[0], answered: Parameters<typeof limiter>[1], next: Next, then: Handle): void {
    void limiter(asked, answered, (error?: unknown) => {
      if (error instanceof ClientLeft) answered.destroy()
      else {
        counts.proceeds(error)
        if (error === undefined) direct?.learn(asked, answered)
        proceed(asked, answered, next, then, error)
      }
    })
  }
  function rateLimitMiddleware(request: IncomingMessage, response: ServerResponse, next: Next): void {
    limitRate(request, response, next, callNext)
  }
  setStep(rateLimitMiddleware, limitRate)
  const limit = Object.defineProperties(rateLimitMiddleware as RateLimit, {
    resetKey: { value: async (key: string): Promise<void> => { await store.resetKey(key) } },
    getKey: { value: async (key: string) => limiter.getKey(key) },
    events: { value: events },
    registerMetrics: { value: (registry: MetricsRegistry, given?: MetricsOptions) => { metrics.add(figuresOf(counts), registry, given) } },
    close: {
      value: () => {
        if (isClosed) return
        isClosed = true
        close()
        metrics.close()
        forget()
      },
    },
  })
  const forget = instances.add(limit, store, counts)
  return limit
}

/** Closes all rate limits of the process, and puts back what they have changed of Node's. */
rateLimit.uninstall = (): void => { instances.closeAll() }

/** As Express's, for the headers of draft 8. */
function append(this: ServerResponse, name: string, value: string): ServerResponse {
  return this.appendHeader(name, value)
}

/** What a handler throws on plain `node:http` is thrown as it would be without a limit, and not given to it again. */
function proceed(request: IncomingMessage, response: ServerResponse, next: Next, then: Handle, error: unknown): void {
  try {
    if (error === undefined) then(request, response, next)
    else next(error)
  } catch (thrown) {
    process.nextTick(() => { throw thrown })
  }
}
