/**
 * The shed rate, and how long requests may wait because of it. It is the share of requests that were turned away in the
 * last seconds. While it is low, queues bridge the moments in which many requests come at once, and long waits harm
 * none. When it is high, there is an overload: the queue is always full, and a long wait only makes every answer late.
 * The length of a queue at one moment cannot tell the two apart.
 */

/** Milliseconds of a period: once in each, the share is brought up to date. */
const PERIOD_MS = 1000
/** Weight of the last period in the share. */
const SMOOTHING = 0.3
/** Up to this share, it counts as none: single requests are turned away without an overload. */
const NOT_SHEDDING_UP_TO = 0.01
/**
 * Factor of the share for a period in which none was turned away: the end of an overload shows sooner than by
 * SMOOTHING.
 */
const DECAY = 0.5
/** Up to this share, requests may wait as long as LENIENT says. Between the two, the waits shrink in proportion. */
const LENIENT_UP_TO = 0.03
/** From this share on, requests may wait as long as STRICT says. */
const STRICT_FROM = 0.25
/** From this share on, the newest waiting request goes first: the clients of the oldest are the first to give up. */
const NEWEST_FIRST_FROM = 0.05

/** How long a request may wait, in milliseconds. */
export interface WaitLimits {
  /** For the event loop. */
  loop: number
  /** In the queue. */
  queue: number
}

/** How long requests may wait while next to none are shed. */
export const LENIENT: Readonly<WaitLimits> = { loop: 250, queue: 500 }
/**
 * The same while many are shed. What waits for the loop has come in the turn before, some of it at that turn's beginning:
 * it has waited up to half a turn longer than the gate counts, so p99 is about half as much again.
 */
export const STRICT: Readonly<WaitLimits> = { loop: 18, queue: 40 }

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

  /** The share of requests that were turned away lately, 0 to 1. */
  get share(): number {
    return this.#share
  }

  /** Whether no request was turned away lately, or next to none. */
  get isNotShedding(): boolean {
    return this.#share <= NOT_SHEDDING_UP_TO
  }

  /** How long a request may wait for the event loop, in milliseconds. */
  get maxLoopDelay(): number {
    return this.#maxLoopDelay
  }

  /** How long a request may wait in the queue, in milliseconds. */
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
    // Periods in which no request came have ended unnoticed: none was turned away in them.
    this.#share *= DECAY ** (Math.floor((now - this.#periodStart) / PERIOD_MS) - 1)
    this.#arrived = 0
    this.#shed = 0
    this.#periodStart = now
    const strictness = Math.max(0, Math.min(1, (this.#share - LENIENT_UP_TO) / (STRICT_FROM - LENIENT_UP_TO)))
    this.#maxLoopDelay = LENIENT.loop + strictness * (STRICT.loop - LENIENT.loop)
    this.#maxQueueTime = LENIENT.queue + strictness * (STRICT.queue - LENIENT.queue)
  }
}
