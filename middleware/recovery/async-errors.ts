/**
 * Attribution: finds the request of each failure that no caller can catch. `attributeAsyncErrors()` patches methods of
 * Node's for it, and `stopAttributing()` puts them back. Patched here are:
 *
 * - `process.emit`, which Node calls for 'uncaughtException' and 'unhandledRejection'. A failure of no request goes on
 *   to their listeners, or to Node's default. A listener of our own would switch that default off.
 * - `on`, `addListener` and `prependListener` of requests, responses and their connections: Node calls listeners
 *   outside of the request's context. So `emit` of requests and responses that have listeners is wrapped, and listeners
 *   of connections are bound to the request that adds them.
 * - `write` and `end` of a pipelined response: it has no socket until its turn comes.
 * - `AsyncResource.prototype.runInAsyncScope`, `AsyncLocalStorage.bind` and `snapshot`, `queueMicrotask`: they have
 *   left the context when Node calls `process.emit`, so the context of an error is recorded as the error passes them.
 * - `emit` of servers, where an error boundary stands without a recovery() that would give requests a context.
 *
 * Patched elsewhere: sockets (`client-sockets.ts`), `http.Agent` (`agent-queue.ts`), DNS queries and Workers
 * (`native-callbacks.ts`), `emit` of streams (`unhandled-error-events.ts`), HTTP/2 streams (`http2-streams.ts`), `writeHead`
 * (`shared/request-lifetime.ts`).
 */
import { AsyncLocalStorage, AsyncResource, executionAsyncResource } from 'node:async_hooks'
import { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import { Server, Socket } from 'node:net'
import { unwatchClientSockets, watchClientSockets } from './client-sockets.js'
import { contextOf, contexts, requestContextOf, type FailureContext, type FailureHandler, type RequestContext } from './context.js'
import { kindOf, toError, type FailureKind } from './failure.js'
import { unwatchHttp2Streams, watchHttp2Streams } from './http2-streams.js'
import { watchNativeCallbacks } from './native-callbacks.js'
import { addOpenRequest } from './open-requests.js'
import { creatorOf, unwatchPromises, watchPromises } from './promise-creators.js'
import { watchAgentQueues } from './agent-queue.js'
import { setRunningRequestSource } from '../../shared/running-request.js'
import { Patches } from '../shared/patches.js'
import { attempt } from '../shared/safe-call.js'
import { runInContext } from './run-in-context.js'
import { warnIfUnsupported } from './runtime-support.js'
import { hasBody } from './error-response.js'
import { watchUnhandledErrorEvents } from './unhandled-error-events.js'

type Listener = (...args: never[]) => unknown
type Add = (this: Emitter, name: string | symbol, listener: Listener) => Emitter
type EmitArguments = [name: string | symbol, ...args: unknown[]]
type Emit = (this: Emitter, ...args: EmitArguments) => boolean

/** What emits. */
interface Emitter {
  emit: Emit
  on: Add
  addListener: Add
  prependListener: Add
  removeListener(name: string | symbol, listener: Listener): unknown
  listenerCount(name: string | symbol): number
}

/** Node's types of `emit` differ from event to event; here it is replaced for all events. */
function asEmitter(value: object): Emitter {
  return value as Emitter
}

/** The class of the last request's connection. The next request nearly always has the same. */
let latestClass: unknown

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown

const patches = new Patches()
let isAttributing = false

/** An error that is leaving its context, until Node calls `process.emit` for it: that is before the next microtask. */
let escaping: { readonly error: unknown; readonly context: FailureContext } | undefined

const nextMicrotask = queueMicrotask
/** Node's own, too. What it returns runs functions with the stores that are current now: the app's, and an error tracker's. */
// eslint-disable-next-line @typescript-eslint/unbound-method -- a static method that needs no class
const { snapshot } = AsyncLocalStorage

/**
 * Begins to attribute failures.
 *
 * @param options `bound`: whether AsyncResources, bound functions and microtasks are patched, too; `trackPromises`:
 * whether the creators of promises are recorded, where Node does not tell them
 */
export function attributeAsyncErrors({ bound, trackPromises }: { bound: boolean; trackPromises: boolean }): void {
  if (!isAttributing) {
    isAttributing = true
    warnIfUnsupported()
    patches.replace(asEmitter(process), 'emit', watchProcess)
    watchEmitter(asEmitter(IncomingMessage.prototype))
    watchEmitter(asEmitter(ServerResponse.prototype))
    // Before the first request: a socket that is upgraded, and all over TLS, keep the methods that this class has then.
    watchListeners(asEmitter(Socket.prototype))
    watchNativeCallbacks(patches, guarded, callRecordingError)
    watchUnhandledErrorEvents(patches, (stream) => { watchHttp2Streams(patches, stream, guarded) })
    watchClientSockets(patches, guarded)
    watchAgentQueues(patches)
    setRunningRequestSource(() => requestContextOf(contexts.getStore())?.request)
  }
  if (bound && !patches.has(AsyncResource.prototype, 'runInAsyncScope')) watchBound()
  if (trackPromises && outlivesException) watchPromises()
}

/** Gives each request a context when its server emits it: for error boundaries without a recovery() before them. */
export function attributeFromStart(make: MakeContext): void {
  if (patches.has(Server.prototype, 'emit')) return
  // A monitoring agent may have replaced `emit` of the first by one that does not call that of the second.
  for (const target of [HttpServer.prototype, Server.prototype]) {
    patches.replace(asEmitter(target), 'emit', (original) => watchServer(original, make))
  }
}

/** Puts all that is patched back. */
export function stopAttributing(): void {
  patches.restore()
  setRunningRequestSource(undefined)
  unwatchClientSockets()
  unwatchHttp2Streams()
  unwatchPromises()
  latestClass = undefined
  isAttributing = false
  escaping = undefined
}

/** Watches listeners on what carries a request, and over HTTP/2 on the request and its response, whose classes are others there. */
export function watchCarrier(request: IncomingMessage, response: ServerResponse): void {
  if (request.httpVersionMajor === 2) {
    watchHttp2Compatibility(request)
    watchHttp2Compatibility(response)
  }
  watchConnection(request)
  if (response.socket === null) guardQueued(response)
}

/** Watches listeners on a request's socket, or its stream over HTTP/2, where its class is none that is watched. */
function watchConnection(request: IncomingMessage): void {
  // Over HTTP/2 the socket is a proxy, whose listeners are the stream's. Only then there is a stream to look up.
  const connection: object | undefined = request.httpVersionMajor === 2 ? (request as { stream?: object }).stream : request.socket
  if (connection === undefined || connection.constructor === latestClass) return
  latestClass = connection.constructor
  watchListeners(Object.getPrototypeOf(connection) as Emitter)
}

/** Does nothing where that inherits from what is watched: a listener that is bound twice would be taken for one of once(). */
function watchListeners(emitter: Emitter): void {
  for (let target: object | null = emitter; target !== null; target = Object.getPrototypeOf(target) as object | null) {
    if (patches.has(target, 'on')) return
  }
  for (const name of ADDING) patches.replace(emitter, name, bindConnectionListeners)
}

/** Watches the compatibility classes of HTTP/2. They are found by an object of theirs, so that node:http2 need not load. */
function watchHttp2Compatibility(bearer: object): void {
  for (let target: object | null = bearer; target !== null; target = Object.getPrototypeOf(target) as object | null) {
    if (!/^Http2Server(Request|Response)$/.test(target.constructor.name) || !Object.hasOwn(target, 'constructor')) continue
    if (isAttributing && !patches.has(target, 'on')) watchEmitter(asEmitter(target))
    return
  }
}

/** Runs a function as a part of a request: what it throws is that request's failure, and does not reach the caller. */
export function runGuarded(context: FailureContext, kind: FailureKind, fn: AnyFunction, self: unknown, args: unknown[]): unknown {
  try {
    return runInContext(context, call, fn, self, args)
  } catch (error) {
    if (!context.fail(error, kind)) throw error
    return undefined
  }
}

/** Binds a function to the context that is current now. */
function guarded(fn: AnyFunction, kind: FailureKind = 'callback'): AnyFunction {
  const context = isAttributing ? contexts.getStore() : undefined
  if (context === undefined) return fn
  return function callback(this: unknown, ...args: unknown[]): unknown {
    return runGuarded(context, kind, fn, this, args)
  }
}

function call(fn: AnyFunction, self: unknown, args: unknown[]): unknown {
  return Reflect.apply(fn, self, args)
}

/** As `call`; records the context of an error that the function throws. */
function callRecordingError(fn: AnyFunction, self: unknown, args: unknown[]): unknown {
  try {
    return Reflect.apply(fn, self, args)
  } catch (error) {
    const context = contexts.getStore()
    // The error may leave several contexts. The first is the one it was thrown in.
    if (context !== undefined && (escaping === undefined || !Object.is(escaping.error, error))) {
      escaping = { error, context }
      nextMicrotask(forgetEscaping)
    }
    throw error
  }
}

/**
 * An exception that is thrown while Node's HTTP parser reads a body breaks the parser: no more requests can be read
 * from this connection. So the answer closes it.
 */
function closeAfterParserError(context: FailureContext): void {
  const { request, response } = context
  // The request is only thought to use a client's connection: see FailureContext.
  if (request === undefined || response === undefined || context.actual !== undefined) return
  if (hasBody(request) && request.httpVersionMajor === 1 && !response.headersSent) response.setHeader('Connection', 'close')
}

/** What a pipelined response writes before its turn, Node writes in the context of the one before it. */
function guardQueued(response: ServerResponse): void {
  for (const name of ['write', 'end'] as const) {
    const original = Reflect.get(response, name) as AnyFunction
    Object.assign(response, { [name]: (...args: unknown[]): unknown => {
      const given = response.socket === null ? args.map((value) => (typeof value === 'function' ? guardedWithStores(value as AnyFunction) : value)) : args
      return original.apply(response, given)
    } })
  }
}

function guardedWithStores(fn: AnyFunction): AnyFunction {
  const run = snapshot()
  const bound = guarded(fn)
  return function callback(this: unknown, ...args: unknown[]): unknown {
    return run(call, bound, this, args)
  }
}

/** A socket carries many requests, so each listener is bound to the request that adds it. */
function bindConnectionListeners(original: Add): Add {
  return function add(this: Emitter, name: string | symbol, listener: Listener): Emitter {
    const context = isAttributing && typeof listener === 'function' ? requestContextOf(contexts.getStore()) : undefined
    return original.call(this, name, context !== undefined && isConnectionOf(this, context) ? boundTo(context, this, name, listener) : listener)
  }
}

function isConnectionOf(emitter: Emitter, { request }: RequestContext): boolean {
  return request.httpVersionMajor === 2 ? (request as { stream?: unknown }).stream === emitter : (request.socket as unknown) === emitter
}

/**
 * The property `listener` is what Node compares when a listener is removed. once() has wrapped its listener already.
 */
function boundTo(context: RequestContext, emitter: Emitter, name: string | symbol, listener: Listener & { listener?: Listener }): Listener {
  const isOnce = typeof listener.listener === 'function'
  const run = snapshot()
  const bound = function bound(this: unknown, ...args: unknown[]): unknown {
    if (isOnce) emitter.removeListener(name, bound)
    return run(runGuarded, context, 'emitter', listener as AnyFunction, this, args)
  }
  return Object.assign(bound, { listener: isOnce ? listener.listener : listener })
}

function forgetEscaping(): void {
  escaping = undefined
}

type EmitStart = (original: Emit, server: Emitter, context: RequestContext) => boolean

/** How a server gives a request to its app, by the event's name. */
const EMIT_START: ReadonlyMap<string | symbol, EmitStart> = new Map(['request', 'checkContinue', 'checkExpectation'].map((name) =>
  [name, (original, server, { request, response }) => original.call(server, name, request, response)]))

type MakeContext = (request: IncomingMessage, response: ServerResponse) => RequestContext

function watchServer(original: Emit, make: MakeContext): Emit {
  return function emit(this: Emitter, ...args: EmitArguments): boolean {
    // By index, and nothing else: then no array is made of the arguments.
    const name = args[0]
    const request = args[1] as IncomingMessage
    const response = args[2] as ServerResponse
    const emitStart = isAttributing ? EMIT_START.get(name) : undefined
    if (emitStart === undefined || contextOf(request) !== undefined) return Reflect.apply(original, this, args)
    watchCarrier(request, response)
    const context = make(request, response)
    addOpenRequest(context)
    try {
      return runInContext(context, emitStart, original, this, context)
    } catch (error) {
      if (!context.fail(error, 'throw')) throw error
      return true
    }
  }
}

function watchProcess(original: Emit): Emit {
  return function emit(this: Emitter, name: string | symbol, ...args: unknown[]): boolean {
    if (isAttributing && (name === 'uncaughtException' || name === 'unhandledRejection') && isRecovered(name, args[0], args[1])) return true
    return original.call(this, name, ...args)
  }
}

/** Whether the failure belonged to a request and was handled. */
function isRecovered(name: 'uncaughtException' | 'unhandledRejection', error: unknown, origin: unknown): boolean {
  const creator = name === 'unhandledRejection' ? creatorOf(origin) : undefined
  if (creator !== undefined && creator.context === undefined) return failUnattributed(creator.handler, error)
  // The recorded context comes first: a bound function may have been called in that of another request.
  const context = creator?.context ?? (escaping !== undefined && Object.is(escaping.error, error) ? escaping.context : contexts.getStore())
  if (context === undefined) return false
  const isRejection = name === 'unhandledRejection' || origin === 'unhandledRejection'
  if (isRejection && isReportedTwice(name, error)) return true
  const kind = isRejection ? 'rejection' : kindOf(error, executionAsyncResource())
  if (name === 'uncaughtException') attempt(() => { closeAfterParserError(context) }, undefined)
  if (!contexts.run(context, () => context.fail(error, kind))) return false
  if (outlivesException) contexts.enterWith(undefined)
  return true
}

/** The request of the promise was over so long ago that its context has been collected. */
function failUnattributed(handler: FailureHandler, error: unknown): boolean {
  return handler.onUnattributed(undefined, { error: toError(error), kind: 'rejection', phase: 'after-response' })
}

/** The last exception. With `--unhandled-rejections=strict` Node reports a rejection as one first, then as itself. */
let reportedException: { readonly error: unknown } | undefined

function isReportedTwice(name: 'uncaughtException' | 'unhandledRejection', error: unknown): boolean {
  if (name === 'unhandledRejection') return reportedException !== undefined && Object.is(reportedException.error, error)
  reportedException = { error }
  nextMicrotask(() => { reportedException = undefined })
  return false
}

/**
 * Whether the context stays current after an uncaught exception, for code of any request that runs next. Then it must
 * be left. So it is by default from Node 24 on, which keeps the stores of AsyncLocalStorage in a current frame
 * (AsyncContextFrame). Node 20 and 22 keep them on the async resource. There they must stay: a timer, a socket or a
 * child process may fail again.
 */
const outlivesException = ((): boolean => {
  const probe = new AsyncLocalStorage<object>()
  const marker = {}
  const isOnResource = probe.run(marker, () => {
    const resource = executionAsyncResource() as Record<symbol, unknown>
    return Object.getOwnPropertySymbols(resource).some((symbol) => resource[symbol] === marker)
  })
  probe.disable()
  return !isOnResource
})()

/**
 * Events that Node emits itself, mostly where an exception of a listener would break something, such as an HTTP parser.
 */
const NODE_EVENTS: ReadonlySet<string | symbol> = new Set([
  'aborted', 'close', 'data', 'drain', 'end', 'error', 'finish', 'prefinish', 'readable', 'timeout',
])

/** Methods that add listeners; `once` and `prependOnceListener` call these. */
const ADDING = ['on', 'addListener', 'prependListener'] as const

function watchEmitter(target: Emitter): void {
  for (const name of ADDING) patches.replace(target, name, watchAdding)
}

/** Wraps `emit` when the app adds the first listener: most requests have none. */
function watchAdding(original: Add): Add {
  return function add(this: Emitter, name: string | symbol, listener: Listener): Emitter {
    const context = isAttributing ? contextOf(this) : undefined
    // After the response Node itself listens for 'end', if the app has not read the request: with most requests. Its listener has had
    // this name from Node 20 to 26. With another one it would be watched in vain. The app's own must be watched also then.
    const isOwn = name === 'end' && context?.response.writableFinished === true && typeof listener === 'function' && listener.name === 'clearIncoming'
    if (context !== undefined && !isOwn && !Object.hasOwn(this, 'emit')) watchEvents(this, context)
    return original.call(this, name, listener)
  }
}

/** Listeners run in the context of their request, and what they throw is a failure of that request. */
function watchEvents(emitter: Emitter, context: RequestContext): void {
  const original = emitter.emit
  const emit = function emit(this: Emitter, ...args: EmitArguments): boolean {
    const [name] = args
    // Without a listener there is nothing to do, except for 'error': then emit() throws.
    const isWatched = isAttributing && (name === 'error' || this.listenerCount(name) > 0)
    return isWatched ? emitGuarded(original, this, name, context, args) : Reflect.apply(original, this, args)
  }
  Object.defineProperty(emitter, 'emit', { value: emit, writable: true, configurable: true })
}

function emitGuarded(original: Emit, emitter: Emitter, name: string | symbol, context: RequestContext, args: EmitArguments): boolean {
  const isInside = contexts.getStore() === context
  if (isInside && !NODE_EVENTS.has(name)) return Reflect.apply(original, emitter, args)
  try {
    return isInside ? Reflect.apply(original, emitter, args) : runInContext(context, applyEmit, original, emitter, args)
  } catch (error) {
    if (!context.fail(error, 'emitter')) throw error
    return true
  }
}

function applyEmit(original: Emit, emitter: Emitter, args: EmitArguments): boolean {
  return Reflect.apply(original, emitter, args)
}

function watchBound(): void {
  patches.replace(AsyncResource.prototype, 'runInAsyncScope', (original) => {
    const runInAsyncScope = function runInAsyncScope(this: AsyncResource, fn: AnyFunction, self?: unknown, ...args: unknown[]): unknown {
      return isAttributing ? original.call(this, callRecordingError, undefined, fn, self, args) : original.call(this, fn, self, ...args)
    }
    return runInAsyncScope as typeof original
  })
  patches.replace(AsyncLocalStorage, 'bind', (original) => {
    const bind = (fn: AnyFunction): AnyFunction =>
      original(function bound(this: unknown, ...args: unknown[]) {
        return isAttributing ? callRecordingError(fn, this, args) : Reflect.apply(fn, this, args)
      })
    return bind as typeof original
  })
  patches.replace(AsyncLocalStorage, 'snapshot', (original) => {
    const snapshot = (): unknown => {
      const run = original() as (fn: AnyFunction, ...args: unknown[]) => unknown
      return (fn: AnyFunction, ...args: unknown[]) => (isAttributing ? run(callRecordingError as AnyFunction, fn, undefined, args) : run(fn, ...args))
    }
    return snapshot as typeof original
  })
  patches.replace(globalThis, 'queueMicrotask', (original) => {
    return function queueMicrotask(callback: () => void): void {
      const context = isAttributing && typeof callback === 'function' ? contexts.getStore() : undefined
      if (context === undefined) original(callback)
      else original(() => runGuarded(context, 'microtask', callback, undefined, []))
    }
  })
}
