/** `limit: 'auto'`: the code that the middleware runs, on the simulated clock. */
import { AdaptivePolicy } from '../../../middleware/concurrency/adaptive-policy.js'
import type { ContenderKind, Visit } from '../contender.js'

export const adaptive: ContenderKind = {
  name: 'concurrencyLimit',
  create: (loop) => {
    const controller = new AdaptivePolicy<Visit>(
      {
        now: () => loop.now,
        cpuTime: () => loop.cpuTime,
        idleTime: () => loop.idleTime,
        accepted: () => loop.accepted,
        turns: () => loop.iterations,
        setImmediate: (callback) => {
          loop.setImmediate(callback)
        },
        setTimeout: (callback, milliseconds) => {
          let wanted = true
          loop.setTimeout(() => {
            if (wanted) callback()
          }, milliseconds)
          return () => {
            wanted = false
          }
        },
      },
      { min: 8, max: 10_000, initial: 10_000, queue: { max: undefined, timeout: undefined, order: 'adaptive' } },
    )
    return {
      arrive: (visit) => {
        controller.arrive(visit)
      },
      release: (visit) => {
        controller.release(visit)
        controller.drain()
      },
      leave: (visit) => {
        controller.leave(visit)
      },
      limit: () => controller.limit,
    }
  },
}
