/** How many slots a process needs, and how many it had better have so that not each request is a round trip. Pure. */

/** For so many milliseconds at least, and twice as many at most, a peak is remembered. */
const REMEMBERED = 1000
/** Spare slots, as a share of the peak; at least one. */
const HEADROOM = 0.25

export class Demand {
  #sinceAsked = 0
  #lately = 0
  #before = 0
  #turnedAt = 0

  /** So many run or wait. */
  note(need: number): void {
    if (need > this.#sinceAsked) this.#sinceAsked = need
  }

  /** What to ask for: `need` is the most since the last time, `want` the most of late and some more. `current` run or wait now. */
  ask(current: number, now: number): { need: number; want: number } {
    const need = Math.max(current, this.#sinceAsked)
    this.#sinceAsked = current
    if (now - this.#turnedAt >= REMEMBERED) {
      this.#before = now - this.#turnedAt < 2 * REMEMBERED ? this.#lately : 0
      this.#lately = 0
      this.#turnedAt = now
    }
    this.#lately = Math.max(this.#lately, need)
    const peak = Math.max(this.#lately, this.#before)
    return { need, want: peak + Math.max(1, Math.ceil(peak * HEADROOM)) }
  }
}
