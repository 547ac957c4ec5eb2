/**
 * How patient the cap is. Below saturation a queue is there to bridge the moments when too many come at once, and long
 * patience loses nobody; above it each place in a queue is taken by somebody who could have been told at once. What
 * tells the two apart is the share that is turned away over some seconds, not the length of a queue at a moment.
 */

/** The share is blended once in so many milliseconds. */
const PERIOD = 1000
/** Weight of the last period. */
const BLEND = 0.3
/** Up to this share nobody is being refused, to speak of. */
const PEACE_UNTIL = 0.01
/** Of the share, so much is left after a period in which nobody was turned away. */
const FORGIVEN = 0.5
/** Up to this share patience is long … */
const LONG_UNTIL = 0.03
/** … and from this share on it is short. */
const SHORT_FROM = 0.25
/** From this share on the newest waiting request goes first: the oldest ones' clients leave soonest. */
const NEWEST_FIRST_FROM = 0.05

/** What a request may wait, in milliseconds. */
export interface Patience {
  /** In the backlog of the event loop. */
  loop: number
  /** In the waiting room. */
  room: number
}

export const LONG: Readonly<Patience> = { loop: 250, room: 500 }
export const SHORT: Readonly<Patience> = { loop: 25, room: 40 }

export class Pressure {
  #periodStart = 0
  #arrived = 0
  #shed = 0
  #share = 0
  #loop = LONG.loop
  #room = LONG.room

  /** A request has come, at `now` milliseconds. */
  arrived(now: number): void {
    if (now - this.#periodStart >= PERIOD) this.#endPeriod(now)
    this.#arrived += 1
  }

  /** A request that has come was turned away. */
  shed(): void {
    this.#shed += 1
  }

  /** The share that is turned away, of late: 0 to 1. */
  get share(): number {
    return this.#share
  }

  /** Nobody has been turned away of late, or next to nobody. */
  get peace(): boolean {
    return this.#share <= PEACE_UNTIL
  }

  /** What a request may wait in the event loop's backlog, in milliseconds. */
  get loopPatience(): number {
    return this.#loop
  }

  /** What a request may wait in the waiting room, in milliseconds. */
  get roomPatience(): number {
    return this.#room
  }

  /** Whether the newest waiting request goes first. */
  get newestFirst(): boolean {
    return this.#share > NEWEST_FIRST_FROM
  }

  #endPeriod(now: number): void {
    const share = this.#arrived === 0 ? 0 : Math.min(1, this.#shed / this.#arrived)
    this.#share = share === 0 ? this.#share * FORGIVEN : this.#share + BLEND * (share - this.#share)
    // Periods in which nobody came at all have gone by unnoticed.
    this.#share *= FORGIVEN ** (Math.floor((now - this.#periodStart) / PERIOD) - 1)
    this.#arrived = 0
    this.#shed = 0
    this.#periodStart = now
    const short = Math.max(0, Math.min(1, (this.#share - LONG_UNTIL) / (SHORT_FROM - LONG_UNTIL)))
    this.#loop = LONG.loop + short * (SHORT.loop - LONG.loop)
    this.#room = LONG.room + short * (SHORT.room - LONG.room)
  }
}
