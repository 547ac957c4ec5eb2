/** How late the event loop comes, at worst, between one look and the next. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** ms between two of the timer's ticks: a delay is seen that is longer, for 50 ticks a second. */
const RESOLUTION = 20

export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION })

  constructor() {
    this.#histogram.enable()
  }

  /** The longest delay since the last call, ms, to the tenth. */
  take(): number {
    const { count, max } = this.#histogram
    this.#histogram.reset()
    // The time between ticks is recorded, not what it is too long by.
    return count === 0 ? 0 : Math.max(0, Math.round(max / 1e5 - RESOLUTION * 10) / 10)
  }

  close(): void {
    this.#histogram.disable()
  }
}
