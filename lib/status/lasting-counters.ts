/**
 * Counters of all workers together that never fall: what a worker has counted stays when it ends, when it does not answer in time,
 * and when what counted in it is closed.
 */

/** What one worker has counted, by keys. */
export type Counts = ReadonlyMap<string, number>

/** Counters with more keys than this count what is new in none of them: an app may make up routes without end. */
const MOST_KEYS = 5000

/** The counters of workers that live, by their last words, and the sum of those that have ended. */
export class LastingCounters {
  readonly #ended = new Map<string, number>()
  readonly #living = new Map<number, Counts>()

  /** What a worker tells now. */
  tell(pid: number, counts: Counts): void {
    const before = this.#living.get(pid)
    // What has fallen, or is gone, began anew: a cap was closed, and another one made.
    for (const [key, value] of before ?? []) if (value > (counts.get(key) ?? 0)) this.#addEnded(key, value)
    this.#living.set(pid, counts)
  }

  /** All workers that still live; what others have told last is theirs for good. */
  keepOnly(pids: ReadonlySet<number>): void {
    for (const [pid, counts] of this.#living) {
      if (pids.has(pid)) continue
      for (const [key, value] of counts) this.#addEnded(key, value)
      this.#living.delete(pid)
    }
  }

  /** The sums by key, in the order in which keys came. */
  totals(): Map<string, number> {
    const totals = new Map(this.#ended)
    for (const counts of this.#living.values()) for (const [key, value] of counts) totals.set(key, (totals.get(key) ?? 0) + value)
    return totals
  }

  #addEnded(key: string, value: number): void {
    const known = this.#ended.get(key)
    if (known === undefined && this.#ended.size >= MOST_KEYS) return
    this.#ended.set(key, (known ?? 0) + value)
  }
}
