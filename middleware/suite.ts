/** `suite()`: the middlewares of this package as one layer of the app, in the right order. The public face. */
import './shared/node-version.js'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { concurrencyLimit, type ConcurrencyLimit, type ConcurrencyLimitOptions } from './concurrency.js'
import { memoryStats, type MemoryStats, type MemoryStatsOptions } from './memory.js'
import { rateLimit, type RateLimit, type RateLimitOptions } from './rate-limit.js'
import { recovery, type RecoveryErrorMiddleware, type RecoveryMiddleware, type RecoveryOptions } from './recovery.js'
import type { MetricsOptions, MetricsRegistry } from './shared/metrics.js'
import { optionChecks } from './shared/options.js'
import { callNext, stepOf, type Handle, type Next, type Step } from './shared/steps.js'
import { mounted } from './suite/mounted.js'

export { ExpressResponderError } from '../shared/errors.js'
export { OptionError } from './shared/options.js'

/** The options of `memoryStats()`, and where it is mounted. */
export interface MountedMemoryStatsOptions extends MemoryStatsOptions {
  /**
   * The path that it is mounted on.
   * @defaultValue `'/debug/pprof'`
   */
  path?: string | undefined
}

/** Which middlewares, each with its own options. */
export interface SuiteOptions {
  /**
   * Of `recovery()`, and of `recovery.errors()`. `false`: neither.
   * @defaultValue `{}`
   */
  recovery?: RecoveryOptions | false | undefined
  /**
   * Of `concurrencyLimit()`. `false`: none.
   * @defaultValue `{}`
   */
  concurrency?: ConcurrencyLimitOptions | false | undefined
  /**
   * Of `rateLimit()`. How much a client may ask for is for the site to say, so there is no limit by itself.
   * @defaultValue `false`
   */
  rateLimit?: RateLimitOptions | false | undefined
  /**
   * Of `memoryStats()`, and its path. In production it shows nothing until `authorize` says to whom, so there is none by itself.
   * @defaultValue `false`
   */
  memory?: MountedMemoryStatsOptions | false | undefined
}

/** The middleware, and those that it is made of. */
export interface Suite {
  (request: IncomingMessage, response: ServerResponse, next: Next): void
  /** The last middleware of the app: answers what is thrown, rejected or given to `next`. Passes errors on where `recovery` is `false`. */
  readonly errors: RecoveryErrorMiddleware
  readonly recovery: RecoveryMiddleware | undefined
  readonly concurrency: ConcurrencyLimit | undefined
  readonly rateLimit: RateLimit | undefined
  readonly memory: MemoryStats | undefined
  /**
   * Puts what they count on a registry of prom-client, until they are closed. A second time changes nothing.
   * @throws OptionError, 'ERR_MIDDLEWARE_OPTION', where it is no registry, has metrics of these names, or an option is wrong
   */
  registerMetrics(registry: MetricsRegistry, options?: MetricsOptions): void
  /** Closes all of them. A second time changes nothing. */
  close(): void
}

const checks = optionChecks('suite')
const NAMES = ['recovery', 'concurrency', 'rateLimit', 'memory'] as const satisfies (keyof SuiteOptions)[]
const DEFAULT_MEMORY_PATH = '/debug/pprof'

/**
 * The middlewares of this package as one layer, in the right order: `recovery()`, `memoryStats()` on its path, `concurrencyLimit()`,
 * `rateLimit()`. It is the first middleware of an app, and its `errors` is the last one. It costs less than the four one by one, and does
 * the same.
 *
 * @param options which, each with its own options; see {@link SuiteOptions}
 * @returns the middleware, with `errors` and the middlewares that it is made of
 * @throws OptionError ERR_MIDDLEWARE_OPTION that names a wrong option
 *
 * @example
 * ```ts
 * import { suite } from 'express-responder/middleware'
 *
 * const guard = suite({ rateLimit: { windowMs: 60_000, limit: 600 } })
 * app.use(guard)
 * app.get('/', (req, res) => res.send('Hello World!'))
 * app.use(guard.errors)
 * ```
 */
export function suite(options?: SuiteOptions): Suite {
  const given = checkedOptions(options)
  const parts = createParts(given)
  const { memory, concurrency, rateLimit: limit, recovery: recoverer } = parts
  const steps: Step[] = [
    ...recoverer === undefined ? [] : [stepOf(recoverer)],
    ...memory === undefined ? [] : [mounted(given.path, memory)],
    ...concurrency === undefined ? [] : [stepOf(concurrency)],
    ...limit === undefined ? [] : [stepOf(limit)],
  ]
  const handle = steps.reduceRight<Handle>((then, step) => (request, response, next) => { step(request, response, next, then) }, callNext)
  function suiteMiddleware(request: IncomingMessage, response: ServerResponse, next: Next): void {
    handle(request, response, next)
  }
  const all = [recoverer, concurrency, limit, memory].filter((part) => part !== undefined)
  return Object.assign(suiteMiddleware, parts, {
    errors: given.recovery === false ? passErrors : recovery.errors(given.recovery),
    registerMetrics(registry: MetricsRegistry, metrics?: MetricsOptions): void {
      for (const part of all) part.registerMetrics(registry, metrics)
    },
    close(): void {
      for (const part of all) part.close()
    },
  })
}

// Express asks for four parameters.
const passErrors: RecoveryErrorMiddleware = (error, _request, _response, next) => { next(error) }

interface Given {
  readonly recovery: RecoveryOptions | false
  readonly concurrency: ConcurrencyLimitOptions | false
  readonly rateLimit: RateLimitOptions | false
  readonly memory: MemoryStatsOptions | false
  readonly path: string
}

function checkedOptions(options: SuiteOptions | undefined): Given {
  const checked = checks.object<SuiteOptions>('options', options, NAMES)
  for (const name of NAMES) {
    const value: unknown = checked[name]
    if (value !== undefined && value !== false && (typeof value !== 'object' || value === null)) throw checks.wrong(name, value, 'give an object of options, or false')
  }
  const { recovery: recoveryOptions = {}, concurrency = {}, rateLimit: limit = false, memory = false } = checked
  const { path = DEFAULT_MEMORY_PATH, ...memoryOptions } = memory === false ? {} : memory
  if (typeof path !== 'string' || !/^(?:\/[\w.~-]+)+$/.test(path)) {
    throw checks.wrong('memory.path', path, "give a path such as '/debug/pprof', without a slash at its end and without patterns")
  }
  return { recovery: recoveryOptions, concurrency, rateLimit: limit, memory: memory === false ? false : memoryOptions, path }
}

/** What has been made is closed again where a later one's options are wrong. */
function createParts({ recovery: recoveryOptions, concurrency, rateLimit: limit, memory }: Given): Pick<Suite, 'recovery' | 'concurrency' | 'rateLimit' | 'memory'> {
  const made: { close(): void }[] = []
  const make = <Part extends { close(): void }, Options>(create: (options: Options) => Part, options: Options | false): Part | undefined => {
    if (options === false) return undefined
    const part = create(options)
    made.push(part)
    return part
  }
  try {
    return {
      recovery: make(recovery, recoveryOptions),
      concurrency: make(concurrencyLimit, concurrency),
      rateLimit: make(rateLimit, limit),
      memory: make(memoryStats, memory),
    }
  } catch (error) {
    for (const part of made) part.close()
    throw error
  }
}
