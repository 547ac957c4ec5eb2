/** The process' own clock and event loop. */
import { performance } from 'node:perf_hooks'
import type { Clock } from './admission.js'

const { nodeTiming } = performance

export const systemClock: Clock = {
  now: () => performance.now(),
  idleTime: () => nodeTiming.idleTime,
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
