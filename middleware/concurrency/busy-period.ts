/**
 * A burst: what waits for the event loop since there was last nothing to do. It ends, where an overload does not; which of
 * the two it is nothing tells but time. Five seconds are allowed, of this process' own: where other programs have the
 * processor meanwhile, it takes longer, and that is no reason to refuse.
 */
import type { CpuClock } from './clock.js'

/** Of the process' own time, in milliseconds. */
const MAX_CPU_MS = 5000
/** Whatever the process' share of the processor was. */
const MAX_WALL_CLOCK_MS = 20_000
/** The share is measured from here on: nearly every stretch of work is shorter, and asks for no processor time. */
const MEASURED_FROM_MS = 500

/** Measures how long the event loop has had something to do, in ms of the process' own time. */
export class BusyPeriod {
  readonly #clock: CpuClock
  #milliseconds = 0
  #measuredSince = NaN
  #cpuThen = 0

  constructor(clock: CpuClock) {
    this.#clock = clock
  }

  /** How much there has been of it. */
  get milliseconds(): number {
    return this.#milliseconds
  }

  /** So many milliseconds in which requests were there and others were worked on. */
  add(milliseconds: number): void {
    this.#milliseconds += milliseconds
    if (this.#milliseconds < MEASURED_FROM_MS || !Number.isNaN(this.#measuredSince)) return
    this.#measuredSince = this.#clock.now()
    this.#cpuThen = this.#clock.cpuTime()
  }

  /** There is nothing to do. */
  end(): void {
    this.#milliseconds = 0
    this.#measuredSince = NaN
  }

  /** Whether it lasts for longer than a burst may. */
  get isOverload(): boolean {
    if (this.#milliseconds <= MAX_CPU_MS) return false
    if (this.#milliseconds > MAX_WALL_CLOCK_MS) return true
    const share = (this.#clock.cpuTime() - this.#cpuThen) / (this.#clock.now() - this.#measuredSince)
    return this.#milliseconds * Math.min(1, share) > MAX_CPU_MS
  }
}
