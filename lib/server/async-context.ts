/**
 * Keeps the AsyncLocalStorage context of one request out of the next that arrives in the same read: what
 * `enterWith()` sets lasts until the read's callback returns.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'

/** By `hasRef`, jest's detectOpenHandles sees that it keeps no process alive. */
class DispatchContext extends AsyncResource {
  hasRef(): boolean {
    return false
  }
}

const loadContext = new DispatchContext('FastCgiServer', { requireManualDestroy: true })

/** Runs a function in the context in which the process loaded this module. Taken before anything replaces the method. */
const inCleanContext: (callback: () => void) => void = loadContext.runInAsyncScope.bind(loadContext)

/**
 * Whether what `enterWith()` sets in there is gone afterwards: so from Node 24 on. Before, contexts belong to resources,
 * and a connection's requests share one, over HTTP as over FastCGI.
 */
const staysClean = ((): boolean => {
  const probe = new AsyncLocalStorage<boolean>()
  inCleanContext(() => {
    probe.enterWith(true)
  })
  let isClean = false
  inCleanContext(() => {
    isClean = probe.getStore() === undefined
  })
  probe.disable()
  return isClean
})()

/**
 * Runs `read` in a resource of its own, as Node runs each callback of a connection in the connection's. What is read as a
 * connection is accepted would else run in the resource of the listening socket, and what a request enters there on Node 20
 * and 22 every later connection would find.
 */
export function runInOwnResource(read: () => void): void {
  let resource: DispatchContext | undefined
  inCleanContext(() => {
    resource = new DispatchContext('FastCgiConnection')
  })
  resource?.runInAsyncScope(read)
}

/** Runs `dispatch` apart from what has run before in the same callback. */
export function runIsolated(dispatch: () => void): void {
  if (staysClean) inCleanContext(dispatch)
  else dispatch()
}
