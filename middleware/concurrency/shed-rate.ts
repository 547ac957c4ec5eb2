/**
 * How long requests may wait, by the share that is shed. Below saturation a queue is there to bridge the moments when too many come at once, and long
 * waits lose nobody; above it each place in a queue is taken by a request that could have been refused at once. What
 * tells the two apart is the share that is turned away over some seconds, not the length of a queue at a moment.
 */

/** The share is blended once in so many milliseconds. */
const PERIOD_MS = 1000
/** Weight of the last period. */
const SMOOTHING = 0.3
/** Up to this share nobody is being refused, to speak of. */
const NOT_SHEDDING_UP_TO = 0.01
/** Of the share, so much is left after a period in which nobody was turned away. */
const DECAY = 0.5
/** Up to this share waits may be long … */
const LENIENT_UP_TO = 0.03
/** … and from this share on it is short. */
const STRICT_FROM = 0.25
/** From this share on the newest waiting request goes first: the oldest ones' clients leave soonest. */
const NEWEST_FIRST_FROM = 0.05

/** What a request may wait, in milliseconds. */
export interface WaitLimits {
  /** In the backlog of the event loop. */
  loop: number
  /** In the queue. */
  queue: number
}

/** How long requests may wait while nearly none are shed, in ms. */
export const LENIENT: Readonly<WaitLimits> = { loop: 250, queue: 500 }
/** The same while many are, in ms. */
export const STRICT: Readonly<WaitLimits> = { loop: 25, queue: 40 }

/** The share of requests that is shed, and how long the others may wait by it. */
export class ShedRate {
  #periodStart = 0
  #arrived = 0
  #shed = 0
  #share = 0
  #maxLoopDelay = LENIENT.loop
  #maxQueueTime = LENIENT.queue

  /** A request has come, at `now` milliseconds. */
  arrived(now: number): void {
    if (now - this.#periodStart >= PERIOD_MS) this.#endPeriod(now)
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
  get isNotShedding(): boolean {
    return this.#share <= NOT_SHEDDING_UP_TO
  }

  /** What a request may wait in the event loop's backlog, in milliseconds. */
  get maxLoopDelay(): number {
    return this.#maxLoopDelay
  }

  /** What a request may wait in the queue, in milliseconds. */
  get maxQueueTime(): number {
    return this.#maxQueueTime
  }

  /** Whether the newest waiting request goes first. */
  get newestFirst(): boolean {
    return this.#share > NEWEST_FIRST_FROM
  }

  #endPeriod(now: number): void {
    const share = this.#arrived === 0 ? 0 : Math.min(1, this.#shed / this.#arrived)
    this.#share = share === 0 ? this.#share * DECAY : this.#share + SMOOTHING * (share - this.#share)
    // Periods in which nobody came at all have gone by unnoticed.
    this.#share *= DECAY ** (Math.floor((now - this.#periodStart) / PERIOD_MS) - 1)
    this.#arrived = 0
    this.#shed = 0
    this.#periodStart = now
    const strictness = Math.max(0, Math.min(1, (this.#share - LENIENT_UP_TO) / (STRICT_FROM - LENIENT_UP_TO)))
    this.#maxLoopDelay = LENIENT.loop + strictness * (STRICT.loop - LENIENT.loop)
    this.#maxQueueTime = LENIENT.queue + strictness * (STRICT.queue - LENIENT.queue)
  }
}
