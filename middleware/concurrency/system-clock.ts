/** The process' own clock and event loop. */
import { performance } from 'node:perf_hooks'
import { acceptedConnections } from './accepts.js'
import type { Clock } from './admission.js'

const { nodeTiming } = performance

export const systemClock: Clock = {
  now: () => performance.now(),
  idleTime: () => nodeTiming.idleTime,
  accepted: acceptedConnections,
  setImmediate: (callback) => {
    setImmediate(callback)
  },
  setTimeout: (callback, milliseconds) => {
    const timer = setTimeout(callback, milliseconds).unref()
    return () => {
      clearTimeout(timer)
    }
  },
}
