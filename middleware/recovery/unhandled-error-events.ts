/**
 * 'error' events of streams that nobody listens to. Node throws such an error out of `emit()`, and what was to be done
 * after it is left out: an http.Agent keeps the broken connection for one that is in use, a stream never tells that it
 * has closed. So within a request the error is taken where it is emitted, as `node:domain` does, and Node goes on.
 *
 * Only streams, which Node's sockets, requests and files are: other emitters are the app's, whose own code may count on
 * the exception.
 */
import { errorMonitor } from 'node:events'
import { Stream } from 'node:stream'
import type { Patches } from '../shared/patches.js'
import { contexts } from './context.js'

type Emit = (this: Stream, name: string | symbol, ...args: unknown[]) => boolean

/** Begins to watch; `patches` put it back. */
export function watchUnhandledErrorEvents(patches: Patches): void {
  patches.replace(Stream.prototype, 'emit', (original: Emit) =>
    function emit(this: Stream, name: string | symbol, ...args: unknown[]): boolean {
      if (name !== 'error' || this.listenerCount('error') > 0) return original.call(this, name, ...args)
      const context = contexts.getStore()
      if (context === undefined) return original.call(this, name, ...args)
      if (!context.fail(args[0], 'emitter')) return original.call(this, name, ...args)
      original.call(this, errorMonitor, ...args)
      return false
    },
  )
}
