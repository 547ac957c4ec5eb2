/**
 * Gives failures that no caller can catch to the request they belong to. The only place that changes anything of
 * Node's: from `attribute()` on, until `detach()`.
 *
 * - `process.emit` is asked before 'uncaughtException' and 'unhandledRejection' reach anybody. What belongs to no
 *   request goes on as if nothing were here: to listeners, or to Node's default. A listener would switch that off.
 * - `on`, `addListener` and `prependListener` of requests and responses: Node calls their listeners outside of the
 *   request's context, so the events of those that have any are watched.
 * - `AsyncResource.prototype.runInAsyncScope`, `AsyncLocalStorage.bind` and `snapshot`, `queueMicrotask`: they have left
 *   the context by the time an exception is heard of, so the error is noted on its way out.
 */
import { AsyncLocalStorage, AsyncResource, executionAsyncResource } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { IncomingMessage, ServerResponse } from 'node:http'
import { contextOf, contexts, RequestContext, type FailureHandler } from './context.js'
import { kindOf, phaseOf, toError, type FailureKind } from './failure.js'
import { Patches } from '../shared/patches.js'
import { hasBody } from './request-body.js'

/** Published by Node's HTTP server, and by what does its work, before the app has the request. */
const REQUEST_START = 'http.server.request.start'

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
  listenerCount(name: string | symbol): number
}

/** Their `emit` is typed event by event, and is to be replaced for all of them. */
function asEmitter(value: object): Emitter {
  return value as Emitter
}

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown

const patches = new Patches()
let attached = false
let fallback: FailureHandler | undefined

/** What is on its way out of the context that it was thrown in; an exception is heard of before the next microtask. */
let leaving: { readonly error: unknown; readonly context: RequestContext } | undefined

const nextMicrotask = queueMicrotask

/**
 * Begins to attribute failures.
 *
 * @param bound whether AsyncResources, bound functions and microtasks are watched too
 */
export function attribute(bound: boolean): void {
  if (!attached) {
    attached = true
    patches.replace(asEmitter(process), 'emit', watchProcess)
    watchEmitter(asEmitter(IncomingMessage.prototype))
    watchEmitter(asEmitter(ServerResponse.prototype))
  }
  if (bound && !patches.has(AsyncResource.prototype, 'runInAsyncScope')) watchBound()
}

/** Gives requests a context that no middleware gives one: for an error boundary that stands alone. */
export function attributeToAll(handler: FailureHandler): void {
  if (fallback === undefined) subscribe(REQUEST_START, onRequestStart)
  fallback = handler
}

/** From now on a middleware does so. */
export function attributeToNobody(): void {
  if (fallback !== undefined) unsubscribe(REQUEST_START, onRequestStart)
  fallback = undefined
}

/** Puts everything back. */
export function detach(): void {
  patches.restore()
  attached = false
  leaving = undefined
  attributeToNobody()
}

/** The compatibility classes of HTTP/2 are found where they are used: node:http2 is not loaded for them. */
export function watchCompatibility(bearer: object): void {
  for (let target: object | null = bearer; target !== null; target = Object.getPrototypeOf(target) as object | null) {
    if (!/^Http2Server(Request|Response)$/.test(target.constructor.name) || !Object.hasOwn(target, 'constructor')) continue
    if (attached && !patches.has(target, 'on')) watchEmitter(asEmitter(target))
    return
  }
}

/** Runs a function as a part of a request: what it throws is that request's failure, and does not reach the caller. */
export function runGuarded(context: RequestContext, kind: FailureKind, fn: AnyFunction, self: unknown, args: unknown[]): unknown {
  try {
    return contexts.run(context, call, fn, self, args)
  } catch (error) {
    fail(context, error, kind)
    return undefined
  }
}

function call(fn: AnyFunction, self: unknown, args: unknown[]): unknown {
  return Reflect.apply(fn, self, args)
}

/** As `call`, and an error that leaves is remembered to be of this context. */
function callNoting(fn: AnyFunction, self: unknown, args: unknown[]): unknown {
  try {
    return Reflect.apply(fn, self, args)
  } catch (error) {
    const context = contexts.getStore()
    // It may leave several; the first is where it was thrown.
    if (context !== undefined && (leaving === undefined || !Object.is(leaving.error, error))) {
      leaving = { error, context }
      nextMicrotask(forget)
    }
    throw error
  }
}

/** An exception in a tick of an HTTP parser that reads a body has broken it: nothing more can come on this connection. */
function distrust({ request, response }: RequestContext): void {
  if (hasBody(request) && request.httpVersionMajor === 1 && !response.headersSent) response.setHeader('Connection', 'close')
}

function forget(): void {
  leaving = undefined
}

function fail(context: RequestContext, error: unknown, kind: FailureKind): void {
  context.handler.onLateFailure(context, { error: toError(error), kind, phase: phaseOf(context.response) })
}

function onRequestStart(message: unknown): void {
  const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
  if (fallback === undefined) return
  const context = new RequestContext(request, response, (error) => {
    // Express keeps there where it is in its stack.
    const { next } = request as { next?: unknown }
    if (typeof next === 'function') (next as (error: unknown) => void)(error)
    else throw error
  }, fallback)
  contexts.enterWith(context)
}

function watchProcess(original: Emit): Emit {
  return function emit(this: Emitter, name: string | symbol, ...args: unknown[]): boolean {
    if (attached && (name === 'uncaughtException' || name === 'unhandledRejection') && isRecovered(name, args[0], args[1])) return true
    return original.call(this, name, ...args)
  }
}

/** Whether the failure belonged to a request. */
function isRecovered(name: 'uncaughtException' | 'unhandledRejection', error: unknown, origin: unknown): boolean {
  // A bound function may have been called by another request.
  const context = leaving !== undefined && Object.is(leaving.error, error) ? leaving.context : contexts.getStore()
  if (context === undefined) return false
  const isRejection = name === 'unhandledRejection' || origin === 'unhandledRejection'
  const kind = isRejection ? 'rejection' : kindOf(error, executionAsyncResource())
  if (name === 'uncaughtException') distrust(context)
  contexts.run(context, fail, context, error, kind)
  if (outlivesException) contexts.enterWith(undefined)
  return true
}

/**
 * Whether the store is left to what happens next, whatever request that belongs to: where Node keeps it in a frame that
 * is current, as by default from Node 24 on. Where it stands on the resource that has failed, the resource must keep
 * it: a timer, a socket or a child process may fail again.
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

/** Events that Node emits, most often from where an exception breaks something: an HTTP parser stops for good. */
const NODE_EVENTS: ReadonlySet<string | symbol> = new Set([
  'aborted', 'close', 'data', 'drain', 'end', 'error', 'finish', 'prefinish', 'readable', 'timeout',
])

/** What adds listeners; the others call these. */
const ADDING = ['on', 'addListener', 'prependListener'] as const

function watchEmitter(target: Emitter): void {
  for (const name of ADDING) patches.replace(target, name, watchAdding)
}

/** Most requests have no listener of their app's, so their events are only watched from the first one on. */
function watchAdding(original: Add): Add {
  return function add(this: Emitter, name: string | symbol, listener: Listener): Emitter {
    const context = attached ? contextOf(this) : undefined
    // With 'end' after the response Node itself waits for a request that nobody has read, which is most of them.
    const isOwn = name === 'end' && context?.response.writableFinished === true
    if (context !== undefined && !isOwn && !Object.hasOwn(this, 'emit')) watchEvents(this, context)
    return original.call(this, name, listener)
  }
}

/** Listeners run in the context of their request, and what they throw gets no further. */
function watchEvents(emitter: Emitter, context: RequestContext): void {
  const original = emitter.emit
  const emit = function emit(this: Emitter, ...args: EmitArguments): boolean {
    const [name] = args
    // Without a listener there is nothing to watch, but that 'error' is thrown then.
    const isWatched = attached && (name === 'error' || this.listenerCount(name) > 0)
    return isWatched ? emitGuarded(original, this, name, context, args) : Reflect.apply(original, this, args)
  }
  Object.defineProperty(emitter, 'emit', { value: emit, writable: true, configurable: true })
}

function emitGuarded(original: Emit, emitter: Emitter, name: string | symbol, context: RequestContext, args: EmitArguments): boolean {
  const isInside = contexts.getStore() === context
  if (isInside && !NODE_EVENTS.has(name)) return Reflect.apply(original, emitter, args)
  try {
    return isInside ? Reflect.apply(original, emitter, args) : contexts.run(context, applyEmit, original, emitter, args)
  } catch (error) {
    fail(context, error, 'emitter')
    return true
  }
}

function applyEmit(original: Emit, emitter: Emitter, args: EmitArguments): boolean {
  return Reflect.apply(original, emitter, args)
}

function watchBound(): void {
  patches.replace(AsyncResource.prototype, 'runInAsyncScope', (original) => {
    const runInAsyncScope = function runInAsyncScope(this: AsyncResource, fn: AnyFunction, self?: unknown, ...args: unknown[]): unknown {
      return attached ? original.call(this, callNoting, undefined, fn, self, args) : original.call(this, fn, self, ...args)
    }
    return runInAsyncScope as typeof original
  })
  patches.replace(AsyncLocalStorage, 'bind', (original) => {
    const bind = (fn: AnyFunction): AnyFunction =>
      original(function bound(this: unknown, ...args: unknown[]) {
        return attached ? callNoting(fn, this, args) : Reflect.apply(fn, this, args)
      })
    return bind as typeof original
  })
  patches.replace(AsyncLocalStorage, 'snapshot', (original) => {
    const snapshot = (): unknown => {
      const run = original() as (fn: AnyFunction, ...args: unknown[]) => unknown
      return (fn: AnyFunction, ...args: unknown[]) => (attached ? run(callNoting as AnyFunction, fn, undefined, args) : run(fn, ...args))
    }
    return snapshot as typeof original
  })
  patches.replace(globalThis, 'queueMicrotask', (original) => {
    return function queueMicrotask(callback: () => void): void {
      const context = attached && typeof callback === 'function' ? contexts.getStore() : undefined
      if (context === undefined) original(callback)
      else original(() => runGuarded(context, 'microtask', callback, undefined, []))
    }
  })
}
