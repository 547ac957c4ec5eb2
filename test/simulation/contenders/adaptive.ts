/** `limit: 'auto'`: the code that the middleware runs, on the simulated clock. */
import { AdaptivePolicy } from '../../../middleware/concurrency/adaptive-policy.js'
import { CountedSlots } from '../counted-slots.js'
import type { ContenderKind, Visit } from '../contender.js'

const MAX = 10_000

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
        // The simulation has no microtasks.
        queueMicrotask: (callback) => {
          callback()
        },
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
      new CountedSlots(MAX),
      { min: 8, max: MAX, initial: MAX, queue: { max: undefined, timeout: undefined, order: 'adaptive' } },
    )
    return {
      arrive: (visit) => {
        controller.arrive(visit)
      },
      release: (visit) => {
        controller.release(visit)
      },
      leave: (visit) => {
        controller.leave(visit)
      },
      limit: () => controller.limit,
    }
  },
}
