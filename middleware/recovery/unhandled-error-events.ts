/**
 * Handles 'error' events of streams that have no listener. Node throws such an error out of `emit()`, and skips what it
 * was to do afterwards: an http.Agent goes on to count the broken connection as in use, and a stream never emits
 * 'close'. So within a request the error is handled where it is emitted, as by `node:domain`, and `emit()` returns.
 *
 * Only streams are patched: sockets, requests and files of Node's are streams. Other emitters are the app's, whose code
 * may rely on the exception.
 */
import { errorMonitor } from 'node:events'
import { Stream } from 'node:stream'
import type { Patches } from '../shared/patches.js'
import { contexts } from './context.js'

type Emit = (this: Stream, name: string | symbol, ...args: unknown[]) => boolean

/**
 * Begins to watch; `patches` put it back.
 *
 * @param listened called with streams that listen for 'newListener', as HTTP/2 streams do from their beginning
 */
export function watchUnhandledErrorEvents(patches: Patches, listened: (stream: Stream) => void): void {
  patches.replace(Stream.prototype, 'emit', (original: Emit) =>
    function emit(this: Stream, name: string | symbol, ...args: unknown[]): boolean {
      if (name === 'newListener') listened(this)
      if (name !== 'error' || this.listenerCount('error') > 0) return original.call(this, name, ...args)
      const context = contexts.getStore()
      if (context === undefined) return original.call(this, name, ...args)
      if (!context.fail(args[0], 'emitter')) return original.call(this, name, ...args)
      original.call(this, errorMonitor, ...args)
      return false
    },
  )
}
