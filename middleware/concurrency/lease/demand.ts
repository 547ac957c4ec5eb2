/** The demand of a process for leased slots: what it needs, and spares, so that not every request asks Redis. Pure. */

/** Milliseconds for which a peak is remembered, at least; at most twice as long. */
const PEAK_KEPT_MS = 1000
/** Spare slots, as a share of the peak; at least one. */
const HEADROOM = 0.25

/** How many slots a process has needed lately. */
export class Demand {
  #sinceAsked = 0
  #peak = 0
  #previousPeak = 0
  #peakSince = 0

  /** @param need requests that run or wait now */
  note(need: number): void {
    if (need > this.#sinceAsked) this.#sinceAsked = need
  }

  /**
   * What to ask for. `need`: the most requests that have run or waited since the last call. `want`: the recent peak,
   * and spare slots.
   *
   * @param current requests that run or wait now
   */
  ask(current: number, now: number): { need: number; want: number } {
    const need = Math.max(current, this.#sinceAsked)
    this.#sinceAsked = current
    if (now - this.#peakSince >= PEAK_KEPT_MS) {
      this.#previousPeak = now - this.#peakSince < 2 * PEAK_KEPT_MS ? this.#peak : 0
      this.#peak = 0
      this.#peakSince = now
    }
    this.#peak = Math.max(this.#peak, need)
    const recentPeak = Math.max(this.#peak, this.#previousPeak)
    return { need, want: recentPeak + Math.max(1, Math.ceil(recentPeak * HEADROOM)) }
  }
}
