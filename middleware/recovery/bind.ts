/**
 * `recovery.bind()`, `emitter()` and `callbacks()` bind functions that run outside of a request to the request they
 * serve.
 */
import { EventEmitter } from 'node:events'
import { Stream } from 'node:stream'
import { optionChecks } from '../shared/options.js'
import { attempt, propertyOf } from '../shared/safe-call.js'
import { runGuarded } from './async-errors.js'
import { contexts } from './context.js'

type AnyFunction = (this: unknown, ...args: never[]) => unknown

/**
 * Binds a function to the request that runs now: it runs as a part of it, and what it throws is that request's
 * failure, whoever calls it. Outside of a request it is the function itself.
 */
export function bind<Fn extends AnyFunction>(fn: Fn): Fn {
  const context = contexts.getStore()
  if (context === undefined) return fn
  const bound = function bound(this: unknown, ...args: unknown[]): unknown {
    return runGuarded(context, 'callback', fn as unknown as (this: unknown, ...args: unknown[]) => unknown, this, args)
  }
  return bound as unknown as Fn
}

interface Listener {
  (this: unknown, ...args: never[]): unknown
  /** By this property EventEmitter finds a wrapped listener that is to be removed. */
  listener?: Listener
}

const ADDING = ['on', 'addListener', 'prependListener', 'once', 'prependOnceListener'] as const
const REMOVING = ['off', 'removeListener'] as const

const known = new WeakSet<EventEmitter>()
const bound = new WeakSet<Listener>()

/** Makes an emitter bind each listener to the request that adds it. Returns the emitter. */
export function emitter<Emitter extends EventEmitter>(shared: Emitter): Emitter {
  if (known.has(shared)) return shared
  known.add(shared)
  for (const name of ADDING) {
    const add = shared[name].bind(shared) as (event: string | symbol, listener: Listener) => Emitter
    define(shared, name, (event: string | symbol, listener: Listener) => add(event, bindListener(listener)))
  }
  for (const name of REMOVING) {
    const remove = shared[name].bind(shared) as (event: string | symbol, listener: Listener) => Emitter
    define(shared, name, (event: string | symbol, listener: Listener) => remove(event, added(shared, event, listener)))
  }
  return shared
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, configurable: true })
}

function bindListener(listener: Listener): Listener {
  // once() calls on() with a wrapper around a listener that has been bound already.
  if (typeof listener !== 'function' || isBound(listener)) return listener
  const guarded = bind(listener)
  if (guarded === listener) return listener
  guarded.listener = listener
  bound.add(guarded)
  return guarded
}

function isBound(listener: Listener): boolean {
  return bound.has(listener) || (listener.listener !== undefined && bound.has(listener.listener))
}

/** The function by which a listener is in the emitter's list: itself, or a wrapper around it. */
function added(shared: EventEmitter, event: string | symbol, listener: Listener): Listener {
  const isWrapped = (candidate: Listener | undefined): boolean =>
    candidate !== undefined && (candidate === listener || isWrapped(candidate.listener))
  return (shared.rawListeners(event) as Listener[]).findLast(isWrapped) ?? listener
}

/*
 * `callbacks()`: for clients and pools that call a callback with the answer. They call it in an event of a connection,
 * which another request may have made. So each callback is bound to its request when it is passed to the client.
 */

type Method = (this: unknown, ...args: unknown[]) => unknown

const boundMethods = new WeakSet<Method>()
const checks = optionChecks('recovery.callbacks')

/**
 * Makes the methods of a client or a pool bind the functions they are given to the request that calls them. So do the
 * methods of what they return, such as a batch or a cursor; where that is an emitter, it binds its listeners. Outside
 * of a request they do what they did.
 *
 * @param client an instance, or a prototype for all instances
 * @param methods names; default: all but those of emitters, those that begin with `_`, classes and accessors
 * @throws OptionError where a name is no method of it
 */
export function bindCallbacks<Client extends object>(client: Client, ...methods: string[]): Client {
  if ((typeof client !== 'object' && typeof client !== 'function') || (client as unknown) === null) {
    throw checks.wrong('client', client, 'give a client, a pool, or the prototype of either')
  }
  for (const name of methods.length === 0 ? methodsOf(client) : methods) {
    const method = (client as Record<string, unknown>)[name]
    if (typeof method !== 'function') throw checks.wrong(`methods: ${name}`, method, 'name a method of the client')
    if (!boundMethods.has(method as Method)) replace(client, name, method as Method)
  }
  return client
}

function methodsOf(client: object): string[] {
  const names = new Set<string>()
  for (let target: object | null = client; target !== null && !isOfNode(target); target = Object.getPrototypeOf(target) as object | null) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(target))) {
      const isMethod = typeof value === 'function' && name !== 'constructor' && !isNameOfOther(name) && !isClass(value as object)
      if (isMethod) names.add(name)
    }
  }
  return [...names]
}

/** The name of a method of emitters, of something internal or of a class. Redis clients have methods all in capitals. */
function isNameOfOther(name: string): boolean {
  return name in EventEmitter.prototype || /^(_|[A-Z]([a-z]|$))/.test(name)
}

function isClass(fn: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(fn))
}

function isOfNode(target: object): boolean {
  return target === Object.prototype || target === Function.prototype || target === EventEmitter.prototype
}

function replace(client: object, name: string, method: Method): void {
  const replacement: Method = function (...args) {
    if (contexts.getStore() === undefined) return Reflect.apply(method, this, args)
    const result = Reflect.apply(method, this, args.map((arg) => (typeof arg === 'function' ? bind(arg as Method) : arg)))
    return result === this ? result : bindReturned(result)
  }
  Object.defineProperty(replacement, 'name', { value: name, configurable: true })
  boundMethods.add(replacement)
  const enumerable = Object.getOwnPropertyDescriptor(client, name)?.enumerable ?? false
  Object.defineProperty(client, name, { value: replacement, writable: true, configurable: true, enumerable })
}

interface BoundPrototype {
  /** Has the methods of the prototype, bound. */
  readonly bound: object
  /** The methods themselves. */
  readonly methods: ReadonlySet<unknown>
}

/** What takes the place of a prototype; undefined where there is nothing to bind. */
const boundPrototypes = new WeakMap<object, BoundPrototype | undefined>()

/**
 * Binds what a method has returned, such as a batch of commands. Its prototype is replaced, for itself alone: others of
 * its class may be used elsewhere. Promises need nothing. Streams have no callbacks of a client's.
 */
function bindReturned(result: unknown): unknown {
  if (typeof result !== 'object' || result === null) return result
  if (result instanceof EventEmitter) emitter(result)
  if (result instanceof Stream || typeof propertyOf(result, 'then') === 'function') return result
  attempt(() => { bindMethods(result) }, undefined)
  return result
}

function bindMethods(object: object): void {
  const prototype = Object.getPrototypeOf(object) as object | null
  const replacement = prototype === null ? undefined : boundPrototypeOf(prototype)
  if (replacement === undefined || !Object.isExtensible(object)) return
  Object.setPrototypeOf(object, replacement.bound)
  // The `exec` of a transaction of redis 3 is its own property: another method of its prototype.
  for (const [name, value] of Object.entries(object)) {
    if (replacement.methods.has(value)) replace(object, name, value as Method)
  }
}

/** Whether a class is the language's, such as Map. Those of addons are in native code, too. */
function isBuiltIn(constructor: object): boolean {
  return Function.prototype.toString.call(constructor).includes('[native code]') && (constructor as { name: string }).name in globalThis
}

function boundPrototypeOf(prototype: object): BoundPrototype | undefined {
  if (boundPrototypes.has(prototype)) return boundPrototypes.get(prototype)
  const methods = new Set(isOfNode(prototype) || isBuiltIn(prototype.constructor) ? [] : methodsOf(prototype).map((name) => (prototype as Record<string, unknown>)[name]))
  const replacement = methods.size === 0 ? undefined : { bound: bindCallbacks(Object.create(prototype) as object), methods }
  boundPrototypes.set(prototype, replacement)
  // Where its object is returned once more, that is bound already.
  if (replacement !== undefined) boundPrototypes.set(replacement.bound, undefined)
  return replacement
}
