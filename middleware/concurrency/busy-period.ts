/**
 * The busy period of the event loop: the time since it last had nothing to do. A burst of requests ends, and an
 * overload does not: only the length of the busy period tells them apart. Five seconds of CPU time are allowed. They
 * take longer by the clock while other programs use the processor, which is no overload of this process.
 */
import type { CpuClock } from './clock.js'

/**
 * Milliseconds of CPU time of this process. A longer busy period is an overload. The longest burst that has to be
 * answered whole is 350 requests of 10 ms, 3.5 s (bench/overload/situations).
 */
const MAX_CPU_MS = 5000
/** Milliseconds by the clock. A longer busy period is an overload, however little of the processor the process had. */
const MAX_WALL_CLOCK_MS = 20_000
/** Milliseconds after which CPU time is measured: nearly all busy periods are shorter, and save the system call. */
const MEASURED_FROM_MS = 500

/** Measures one busy period, by the clock and in CPU time. */
export class BusyPeriod {
  readonly #clock: CpuClock
  #milliseconds = 0
  #measuredSince = NaN
  #cpuThen = 0

  constructor(clock: CpuClock) {
    this.#clock = clock
  }

  /** Its length so far. */
  get milliseconds(): number {
    return this.#milliseconds
  }

  /** Adds milliseconds in which requests waited while others were being processed. */
  add(milliseconds: number): void {
    this.#milliseconds += milliseconds
    if (this.#milliseconds < MEASURED_FROM_MS || !Number.isNaN(this.#measuredSince)) return
    this.#measuredSince = this.#clock.now()
    this.#cpuThen = this.#clock.cpuTime()
  }

  /** The event loop has nothing to do: the busy period is over. */
  end(): void {
    this.#milliseconds = 0
    this.#measuredSince = NaN
  }

  /** Whether it has lasted longer than a burst may. */
  get isOverload(): boolean {
    if (this.#milliseconds <= MAX_CPU_MS) return false
    if (this.#milliseconds > MAX_WALL_CLOCK_MS) return true
    const share = (this.#clock.cpuTime() - this.#cpuThen) / (this.#clock.now() - this.#measuredSince)
    return this.#milliseconds * Math.min(1, share) > MAX_CPU_MS
  }
}
