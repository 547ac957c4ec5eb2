/** The process' own clock and event loop. */
import { AsyncResource } from 'node:async_hooks'
import { performance } from 'node:perf_hooks'
import { acceptedConnections } from './accepts.js'
import type { Clock } from './admission.js'

const { nodeTiming } = performance
/** By `hasRef`, jest's detectOpenHandles sees that it keeps no process alive. */
class LoadContext extends AsyncResource {
  hasRef(): boolean {
    return false
  }
}

/** A timer would run in the context of the request that started it, and keep that as long as it is started anew. */
const nobody = new LoadContext('concurrencyLimit', { requireManualDestroy: true })

export const systemClock: Clock = {
  now: () => performance.now(),
  cpuTime: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  idleTime: () => nodeTiming.idleTime,
  accepted: acceptedConnections,
  turns: 'uvMetricsInfo' in nodeTiming ? () => nodeTiming.uvMetricsInfo.loopCount : () => NaN,
  setImmediate: (callback) => {
    setImmediate(callback)
  },
  setTimeout: (callback, milliseconds) => {
    const timer = nobody.runInAsyncScope(() => setTimeout(callback, milliseconds).unref())
    return () => {
      clearTimeout(timer)
    }
  },
}
