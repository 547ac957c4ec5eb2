/**
 * Patches functions that call back from native code: DNS queries, and the end of Workers. An exception of such a
 * callback has left its context when Node calls `process.emit` for it. Node's internals that this relies on, in
 * versions 20 to 26:
 *
 * - `dns.resolve*()` and `dns.reverse()`: a resolver keeps its channel in `_handle`, and each query of it gets a
 *   request whose `oncomplete` is called.
 * - 'exit' of a Worker is emitted by a method of its class whose name is a symbol, `kOnExit`.
 */
import dns from 'node:dns'
import { Worker } from 'node:worker_threads'
import { attempt } from '../shared/safe-call.js'
import type { Patches } from '../shared/patches.js'

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown

/** What a query is called with: native code calls `oncomplete`, which calls the callback. */
interface QueryRequest {
  oncomplete?: unknown
}

type Query = (this: unknown, request: QueryRequest, ...args: unknown[]) => unknown

/**
 * @param guard binds a callback to the current context, in which the query is made
 * @param callRecordingError calls a function, and records the current context of an error that it throws
 */
export function watchNativeCallbacks(
  patches: Patches,
  guard: (callback: AnyFunction) => AnyFunction,
  callRecordingError: (fn: AnyFunction, self: unknown, args: unknown[]) => unknown,
): void {
  watchQueries(patches, guard)
  const onExit = Object.getOwnPropertySymbols(Worker.prototype).find(({ description }) => description === 'kOnExit')
  if (onExit === undefined) return
  patches.replace(Worker.prototype as unknown as Record<symbol, AnyFunction>, onExit, (original) => {
    return function exited(this: unknown, ...args: unknown[]): unknown {
      return callRecordingError(original, this, args)
    }
  })
}

function watchQueries(patches: Patches, guard: (callback: AnyFunction) => AnyFunction): void {
  const channel = channelPrototype()
  if (channel === undefined) return
  for (const name of Object.getOwnPropertyNames(channel).filter((own) => /^query[A-Z]|^getHostByAddr$/.test(own))) {
    patches.replace(channel, name, (original) => {
      return function query(this: unknown, request: QueryRequest, ...args: unknown[]): unknown {
        const { oncomplete } = request
        if (typeof oncomplete === 'function') request.oncomplete = guard(oncomplete as AnyFunction)
        return Reflect.apply(original, this, [request, ...args])
      }
    })
  }
}

/** The prototype that all resolvers share. Patching it also reaches functions that the app has imported before. */
function channelPrototype(): Record<string, Query> | undefined {
  const { _handle: handle } = new dns.Resolver() as { _handle?: unknown }
  if (typeof handle !== 'object' || handle === null) return undefined
  return attempt(() => Object.getPrototypeOf(handle) as Record<string, Query>, undefined)
}
