/** `recovery()`: one request's failure never ends the process. The public face. */
import './shared/node-version.js'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { EventEmitter } from 'node:events'
import { addStatusSource } from '../shared/status-sources.js'
import { attributeAsyncErrors, attributeFromStart, stopAttributing, watchCarrier } from './recovery/async-errors.js'
import { ErrorBoundaries } from './recovery/error-boundaries.js'
import { contextOf, contexts, RequestContext } from './recovery/context.js'
import type { RecoveryCount } from './recovery/report.js'
import { ABORT } from './recovery/failure.js'
import { addOpenRequest } from './recovery/open-requests.js'
import { resolveOptions, type RecoveryOptions } from './recovery/options.js'
import { ErrorHandler, type RecoveryEvents } from './recovery/error-handler.js'
import { runInContext } from './recovery/run-in-context.js'
import { bindCallbacks } from './recovery/bind.js'
import { bind, emitter } from './recovery/bind.js'
import { Instances } from './shared/instances.js'
import { callNext, setStep, type Handle, type Next } from './shared/steps.js'
import { MetricsRegistrations, type MetricsOptions, type MetricsRegistry } from './shared/metrics.js'

export { ExpressResponderError } from '../shared/errors.js'
export { OptionError } from './shared/options.js'
export { recoveryInfo, ThrownValueError, type FailureKind, type FailurePhase, type RecoveryNote } from './recovery/failure.js'
export type { Intensity, RecoveryOptions } from './recovery/options.js'
export type { RecoveryOutcome, RecoveryReport } from './recovery/report.js'
export type { RecoveryCount } from './recovery/report.js'
export type { MetricsOptions, MetricsRegistry } from './shared/metrics.js'
export type { RecoveryEvents } from './recovery/error-handler.js'

/** The middleware, and what it has seen. */
export interface RecoveryMiddleware {
  (request: IncomingMessage, response: ServerResponse, next: Next): void
  /** 'recover' and 'give-up', for loggers. */
  readonly events: EventEmitter<RecoveryEvents>
  /** Recoveries so far. */
  readonly total: number
  /** Recoveries by route and kind. */
  counts(): RecoveryCount[]
  /**
   * Puts what it counts on a registry of prom-client, until it is closed. A second time changes nothing.
   * @throws OptionError, 'ERR_MIDDLEWARE_OPTION', where it is no registry, has metrics of these names, or an option is wrong
   */
  registerMetrics(registry: MetricsRegistry, options?: MetricsOptions): void
  /**
   * Ends it: later requests pass, metrics are taken off their registries. With the last one, where no `recovery.errors()` was made, all
   * that was changed of Node's is put back. A second time changes nothing.
   */
  close(): void
}

/** Error middleware: Express knows it by its four parameters. */
export type RecoveryErrorMiddleware = (error: unknown, request: IncomingMessage, response: ServerResponse, next: Next) => void

/** The type of `recovery`: the function itself, and what belongs to it. */
export interface RecoveryFactory {
  /**
   * The first middleware of an app: gives late failures of its requests (timers, callbacks, emitters, rejections nobody
   * awaits) to the app's own error middleware, and answers where that does not.
   *
   * @throws OptionError
   */
  (options?: RecoveryOptions): RecoveryMiddleware
  /**
   * The last middleware of an app: answers what is thrown, rejected or given to `next`. Useful alone, too.
   *
   * @throws OptionError
   */
  errors(options?: RecoveryOptions): RecoveryErrorMiddleware
  /** Binds a function that is called elsewhere to the request that runs now. */
  bind: typeof bind
  /** Makes an emitter that requests share bind each listener to the request that adds it. */
  emitter: typeof emitter
  /**
   * Makes the methods of a client or a pool bind their callbacks to the request that calls them. Takes an instance, or a
   * prototype for all instances.
   *
   * @param methods their names; default: all but those of emitters, those that begin with `_` and classes. What they return is bound, too
   * @throws OptionError where a name is no method
   * @example recovery.callbacks(pg.Pool.prototype); recovery.callbacks(pg.Client.prototype)
   */
  callbacks: typeof bindCallbacks
  /** Throw it to end a request without an answer and without a report. */
  readonly ABORT: typeof ABORT
  /**
   * Closes all of the process, and puts back all that was changed of Node's. What `errors()` has made goes on answering what it is
   * given.
   */
  uninstall(): void
}

const instances = new Instances('recovery', (handler: ErrorHandler) => handler.status())
/** Whether an error boundary needs what is changed of Node's. */
let hasBoundaries = false
const boundaries = new ErrorBoundaries()
/** What `recovery.errors()` tells of failures that no `recovery()` has met first. It cannot be closed alone. */
const boundarySources = new Set<() => void>()

function createRecovery(options?: RecoveryOptions): RecoveryMiddleware {
  const configuration = resolveOptions('recovery', options)
  const recoverer = new ErrorHandler(configuration)
  let lastServer: Server | undefined
  let isClosed = false
  attributeAsyncErrors(configuration)

  function recover(request: IncomingMessage, response: ServerResponse, next: Next, then: Handle): void {
    if (isClosed) {
      then(request, response, next)
      return
    }
    if (recoverer.hasGivenUp) {
      recoverer.refuse(request, response)
      return
    }
    const known = contextOf(request)
    if (known !== undefined && known.handler !== boundaries) {
      then(request, response, next)
      return
    }
    const { server } = request.socket as { server?: Server }
    if (server !== undefined && server !== lastServer) {
      lastServer = server
      recoverer.trackServer(server)
    }
    watchCarrier(request, response)
    const context = known ?? new RequestContext(request, response, next, recoverer)
    if (known === undefined) addOpenRequest(context)
    try {
      if (known === undefined) runInContext(context, then, request, response, next)
      else {
        known.next = next
        known.handler = recoverer
        then(request, response, next)
      }
    } catch (error) {
      // Express would have caught it earlier. In a plain handler no other code catches it.
      contexts.run(context, () => context.fail(error, 'throw'))
    }
  }

  function recovery(request: IncomingMessage, response: ServerResponse, next: Next): void {
    recover(request, response, next, callNext)
  }
  setStep(recovery, recover)
  return withMembers(recovery, recoverer, () => { isClosed = true })
}

function withMembers(recovery: (request: IncomingMessage, response: ServerResponse, next: Next) => void, recoverer: ErrorHandler, end: () => void): RecoveryMiddleware {
  const metrics = new MetricsRegistrations()
  let isClosed = false
  const middleware = Object.defineProperties(recovery, {
    events: { value: recoverer.events, enumerable: true },
    total: { get: () => recoverer.counts.total, enumerable: true },
    counts: { value: () => recoverer.counts.list(), enumerable: true },
    registerMetrics: { value: (registry: MetricsRegistry, given?: MetricsOptions) => { metrics.add(recoverer.figures(), registry, given) }, enumerable: true },
    close: {
      value: () => {
        if (isClosed) return
        isClosed = true
        end()
        metrics.close()
        forget()
        if (instances.size === 0 && !hasBoundaries) stopAttributing()
      },
      enumerable: true,
    },
  }) as RecoveryMiddleware
  const forget = instances.add(middleware, recoverer, recoverer)
  return middleware
}

function errors(options?: RecoveryOptions): RecoveryErrorMiddleware {
  const configuration = resolveOptions('recovery.errors', options)
  const recoverer = new ErrorHandler(configuration)
  hasBoundaries = true
  attributeAsyncErrors(configuration)
  attributeFromStart((request, response) => new RequestContext(request, response, undefined, boundaries))

  // Express asks for four parameters.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  function recoveryErrors(error: unknown, request: IncomingMessage, response: ServerResponse, _next: Next): void {
    const context = contextOf(request)
    const owner = context?.handler instanceof ErrorHandler ? context.handler : recoverer
    owner.onError(request, response, error, recoverer)
  }
  boundaries.add(recoveryErrors, recoverer)
  boundarySources.add(addStatusSource('recovery', () => recoverer.status()))
  return recoveryErrors
}

function uninstall(): void {
  instances.closeAll()
  hasBoundaries = false
  for (const forget of boundarySources) forget()
  boundarySources.clear()
  stopAttributing()
}

/**
 * The first middleware of an app: one request's failure ends that request and nothing else. `recovery.errors()` is the last one.
 * The others are `recovery.bind()`, `.emitter()`, `.callbacks()`, `.ABORT` and `.uninstall()`; see {@link RecoveryFactory}.
 *
 * @param options when the process gives up, what is fatal, and whom to tell; see {@link RecoveryOptions}
 * @returns the middleware, with its counts and events
 * @throws OptionError ERR_MIDDLEWARE_OPTION that names a wrong option
 *
 * @example
 * ```ts
 * import { recovery } from 'express-responder/middleware'
 *
 * app.use(recovery())
 * app.get('/later', () => {
 *   setTimeout(() => { throw new Error('answered with 500, and nothing else happens') }, 10)
 * })
 * app.use(recovery.errors())
 * ```
 */
export const recovery: RecoveryFactory = Object.assign(createRecovery, { errors, bind, emitter, callbacks: bindCallbacks, ABORT, uninstall })
