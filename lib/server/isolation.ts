/**
 * Keeps the AsyncLocalStorage context of one request out of the next that arrives in the same read: what
 * `enterWith()` sets lasts until the read's callback returns.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

/** Runs a function in the context in which the process loaded this module. */
const inCleanContext = AsyncLocalStorage.snapshot()

/**
 * Whether what `enterWith()` sets in there is gone afterwards: so from Node 24 on. Before, contexts belong to resources,
 * and a connection's requests share one, over HTTP as over FastCGI.
 */
const staysClean = ((): boolean => {
  const probe = new AsyncLocalStorage<boolean>()
  inCleanContext(() => {
    probe.enterWith(true)
  })
  const isClean = inCleanContext(() => probe.getStore() === undefined)
  probe.disable()
  return isClean
})()

/** Runs `dispatch` apart from what has run before in the same callback. */
export function isolate(dispatch: () => void): void {
  if (staysClean) inCleanContext(dispatch)
  else dispatch()
}
