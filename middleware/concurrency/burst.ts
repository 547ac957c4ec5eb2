/**
 * A burst: what waits for the event loop since there was last nothing to do. It ends, where an overload does not; which of
 * the two it is nothing tells but time. Five seconds are allowed, of this process' own: where other programs have the
 * processor meanwhile, it takes longer, and that is no reason to refuse.
 */

export interface BurstClock {
  /** Milliseconds, monotonic. */
  now(): number
  /** Milliseconds of processor time that the process has had so far. */
  cpuTime(): number
}

/** Of the process' own time, in milliseconds. */
const AT_MOST = 5000
/** Whatever the process' share of the processor was. */
const AT_MOST_BY_THE_CLOCK = 20_000
/** The share is measured from here on: nearly every stretch of work is shorter, and asks for no processor time. */
const MEASURED_FROM = 500

export class Burst {
  readonly #clock: BurstClock
  #milliseconds = 0
  #measuredSince = NaN
  #cpuThen = 0

  constructor(clock: BurstClock) {
    this.#clock = clock
  }

  /** So many milliseconds in which requests were there and others were worked on. */
  add(milliseconds: number): void {
    this.#milliseconds += milliseconds
    if (this.#milliseconds < MEASURED_FROM || !Number.isNaN(this.#measuredSince)) return
    this.#measuredSince = this.#clock.now()
    this.#cpuThen = this.#clock.cpuTime()
  }

  /** There is nothing to do. */
  end(): void {
    this.#milliseconds = 0
    this.#measuredSince = NaN
  }

  /** Whether it lasts for longer than a burst may. */
  get isTooLong(): boolean {
    if (this.#milliseconds <= AT_MOST) return false
    if (this.#milliseconds > AT_MOST_BY_THE_CLOCK) return true
    const share = (this.#clock.cpuTime() - this.#cpuThen) / (this.#clock.now() - this.#measuredSince)
    return this.#milliseconds * Math.min(1, share) > AT_MOST
  }
}
