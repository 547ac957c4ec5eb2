/**
 * Watches HTTP/2 streams, of servers and of clients: callbacks of their writes, 'drain' and 'wantTrailers'. Node calls these while it sends what all
 * streams of a session have written. An exception that leaves them has left its context when Node calls `process.emit` for it,
 * and of several Node tells one only. Or it is thrown into the code that closes another stream
 * (`findings/http2-write-callbacks-lost.sh`). So it is taken where it is thrown.
 */
import type { FailureKind } from './failure.js'
import type { Patches } from '../shared/patches.js'

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown

/** The patched methods. They have several signatures, all of which are replaced. */
interface Replaceable {
  write: AnyFunction
  end: AnyFunction
  emit: AnyFunction
}

type Guard = (fn: AnyFunction, kind: FailureKind) => AnyFunction

/** The class of the last stream that was looked at. */
let latestClass: unknown

/**
 * Looks whether something is the first HTTP/2 stream, and patches the class of all. It is found by a stream, so that node:http2 need not
 * load.
 *
 * @param guard binds a function to the current context
 */
export function watchHttp2Streams(patches: Patches, stream: object, guard: Guard): void {
  if (stream.constructor === latestClass) return
  latestClass = stream.constructor
  const target = classOf(stream)
  if (target === undefined || patches.has(target, 'write')) return
  const guarded = (value: unknown): unknown => (typeof value === 'function' ? guard(value as AnyFunction, 'callback') : value)
  // The callback may be any argument, but the first of `write`: that is never a function.
  const guardCallback = (original: AnyFunction): AnyFunction => {
    return function write(this: unknown, chunk: unknown, encoding: unknown, callback: unknown): unknown {
      return original.call(this, guarded(chunk), guarded(encoding), guarded(callback))
    }
  }
  patches.replace(target, 'write', guardCallback)
  patches.replace(target, 'end', guardCallback)
  patches.replace(target, 'emit', (original) => {
    return function emit(this: unknown, ...args: unknown[]): unknown {
      return Reflect.apply(args[0] === 'drain' || args[0] === 'wantTrailers' ? guard(original, 'emitter') : original, this, args)
    }
  })
}

/** Forgets which class was looked at. */
export function unwatchHttp2Streams(): void {
  latestClass = undefined
}

/** What streams of servers and of clients inherit from. */
function classOf(stream: object): Replaceable | undefined {
  for (let target: object | null = stream; target !== null; target = Object.getPrototypeOf(target) as object | null) {
    if (Object.hasOwn(target, 'constructor') && target.constructor.name === 'Http2Stream') return target as Replaceable
  }
  return undefined
}
