/** What a cap has counted. Counters only rise. */
import type { Reason } from './admission.js'

/** Upper bounds of the wait-time histogram's buckets, seconds; the last bucket has none. */
export const WAIT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const

export interface WaitTimes {
  /** Upper bounds, seconds. */
  readonly buckets: readonly number[]
  /** Requests that waited for no longer than the bound of the same index, and longer than the one before; one more for the rest. */
  readonly counts: readonly number[]
  /** Seconds. */
  readonly sum: number
  readonly count: number
}

export class Counts {
  accepted = 0
  /** Counted, and let in, where the cap only observes. */
  readonly rejected: Record<Reason, number> = { 'limit': 0, 'queue-full': 0, 'queue-timeout': 0, 'loop': 0, 'proxy-queue': 0, 'key': 0 }
  /** Held longer than `maxHold`. */
  leaked = 0
  /** Clients that left while they waited. */
  abandoned = 0
  readonly #waits: number[] = new Array<number>(WAIT_BUCKETS.length + 1).fill(0)
  #waited = 0
  #waitedSum = 0

  /** A request had to wait, and starts. What starts at once is in `accepted` alone. */
  waited(milliseconds: number): void {
    const seconds = milliseconds / 1000
    const found = WAIT_BUCKETS.findIndex((bound) => seconds <= bound)
    const bucket = found === -1 ? WAIT_BUCKETS.length : found
    this.#waits[bucket] = (this.#waits[bucket] ?? 0) + 1
    this.#waited += 1
    this.#waitedSum += seconds
  }

  /** Of all that were accepted: those that did not have to wait are in the first bucket. */
  get waitTime(): WaitTimes {
    const counts = [...this.#waits]
    counts[0] = (counts[0] ?? 0) + this.accepted - this.#waited
    return { buckets: WAIT_BUCKETS, counts, sum: this.#waitedSum, count: this.accepted }
  }

  get rejections(): number {
    return Object.values(this.rejected).reduce((sum, count) => sum + count, 0)
  }
}
