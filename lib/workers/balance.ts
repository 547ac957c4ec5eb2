/**
 * Moves kept connections from workers that have too much work to those that have time. A web server uses the connections that it
 * keeps for an hour, so a worker that joins later would get nothing. A worker that has clearly more to do than the mean lets some go;
 * the web server connects anew, and the worker that has time accepts. Pure.
 *
 * What a worker has to do is the share of the time in which its event loop is busy, and how many requests wait for it: where all are
 * busy all the time, only those who wait tell that one has twice as many connections.
 */

/** What is known of a worker, once a second. */
export interface WorkerLoad {
  readonly connections: number
  /** The share of the last second in which its event loop was busy, 0 to 1. */
  readonly utilization: number
  /** How many requests waited for its event loop in the mean of that second. */
  readonly waiting: number
}

/** How much the newest second counts in the mean of the last ones. */
const WEIGHT = 0.4
/** How much more than the mean a worker has, at least: by difference, and by factor. */
interface Margin {
  readonly difference: number
  readonly factor: number
}
/** Moving begins beyond one of these: a share of a processor, or requests that wait, of which the mean is less random. */
const BEGIN: readonly Margin[] = [{ difference: 0.12, factor: 1.3 }, { difference: 0.75, factor: 1.08 }]
/** It goes on until the worker is within these. */
const END: readonly Margin[] = [{ difference: 0.06, factor: 1.12 }, { difference: 0.7, factor: 1.05 }]
/** The most connections that a worker lets go at once. */
const MOST = 8
/** After so many seconds in which none has moved, one connection too many is told from chance. */
const SECONDS_FOR_ONE = 2

/** Decides how many connections each worker lets go. It remembers each worker by a key for as long as it is asked about it. */
export class Balancer<Key> {
  #means = new Map<Key, number>()
  #moving = new Set<Key>()
  #hasMoved = false
  /** How many seconds are in the means. */
  #seconds = 0

  /** Once a second. @returns how many connections each worker is to let go; those that keep theirs are not in it. */
  decide(loads: ReadonlyMap<Key, WorkerLoad>): ReadonlyMap<Key, number> {
    if (this.#hasMoved) return this.#afterMove()
    this.#seconds++
    this.#means = new Map([...loads].map(([key, { utilization, waiting }]) => {
      const work = utilization + waiting
      const before = this.#means.get(key) ?? work
      return [key, before + WEIGHT * (work - before)]
    }))
    this.#moving = new Set([...this.#moving].filter((key) => loads.has(key)))
    const mean = [...this.#means.values()].reduce((sum, value) => sum + value, 0) / loads.size
    const moves = new Map<Key, number>()
    for (const [key, { connections }] of loads) {
      const own = this.#means.get(key) ?? 0
      if (!this.#isOver(key, own, mean) || connections < 2) continue
      const count = share(connections, own, mean)
      if (count > 1 || this.#seconds >= SECONDS_FOR_ONE) moves.set(key, count)
    }
    this.#hasMoved = moves.size > 0
    return moves
  }

  /** The second in which connections move tells little, and what was before it nothing: else too many would follow. */
  #afterMove(): ReadonlyMap<Key, number> {
    this.#hasMoved = false
    this.#seconds = 0
    this.#means.clear()
    return new Map()
  }

  #isOver(key: Key, own: number, mean: number): boolean {
    const over = (this.#moving.has(key) ? END : BEGIN).some(({ difference, factor }) => own - mean > difference && own > mean * factor)
    if (over) this.#moving.add(key)
    else this.#moving.delete(key)
    return over
  }
}

/** What is too much: with so many fewer it would be at the mean, even if none of them came back to it. */
function share(connections: number, own: number, mean: number): number {
  return Math.max(1, Math.min(MOST, Math.round(connections * (own - mean) / own)))
}
