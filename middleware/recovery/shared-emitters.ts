/** For what is made outside of any request, and called there: functions and emitters that many requests share. */
import type { EventEmitter } from 'node:events'
import { runGuarded } from './attribution.js'
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
  /** What EventEmitter looks at where a wrapped listener is to be removed. */
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
  // once() adds a wrapper of its own around what has been bound already.
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

/** What stands in the emitter's list for a listener. */
function added(shared: EventEmitter, event: string | symbol, listener: Listener): Listener {
  const isWrapped = (candidate: Listener | undefined): boolean =>
    candidate !== undefined && (candidate === listener || isWrapped(candidate.listener))
  return (shared.rawListeners(event) as Listener[]).findLast(isWrapped) ?? listener
}
