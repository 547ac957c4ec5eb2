/** `limit: 'auto'`: the code that the middleware runs, on the simulated clock. */
import { Adaptive } from '../../../middleware/concurrency/adaptive.js'
import type { ContenderKind, Visit } from '../contender.js'

export const adaptive: ContenderKind = {
  name: 'concurrencyLimit',
  create: (loop) => {
    const controller = new Adaptive<Visit>(
      {
        now: () => loop.now,
        idleTime: () => loop.idleTime,
        setImmediate: (callback) => {
          loop.setImmediate(callback)
        },
        setTimeout: (callback, milliseconds) => {
          loop.setTimeout(callback, milliseconds)
        },
      },
      { min: 8, max: 1000, initial: 20 },
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
