/**
 * Moves kept connections from workers that have too much work to those that have time. A web server uses the connections that it
 * keeps for an hour, so a worker that joins later would get nothing. A worker that has clearly more to do than the mean lets some go;
 * the web server connects anew, and the worker that has time accepts. Pure.
 */

/** What is known of a worker, once a second. */
export interface WorkerLoad {
  readonly connections: number
  /** The share of the last second in which its event loop was busy, 0 to 1. */
  readonly utilization: number
}

/** How much the newest second counts in the mean of the last ones. */
const WEIGHT = 0.4
/** Moving begins where a worker is busier than the mean by this share of a processor, and by this factor. */
const BEGIN_DIFFERENCE = 0.12
const BEGIN_FACTOR = 1.3
/** It goes on until the worker is within these. */
const END_DIFFERENCE = 0.06
const END_FACTOR = 1.12
/** The most connections that a worker lets go in a second. */
const MOST = 4

/** Decides how many connections each worker lets go. It remembers each worker by a key for as long as it is asked about it. */
export class Balancer<Key> {
  #means = new Map<Key, number>()
  #moving = new Set<Key>()

  /** Once a second. @returns how many connections each worker is to let go; those that keep theirs are not in it. */
  decide(loads: ReadonlyMap<Key, WorkerLoad>): ReadonlyMap<Key, number> {
    this.#means = new Map([...loads].map(([key, { utilization }]) => {
      const before = this.#means.get(key) ?? utilization
      return [key, before + WEIGHT * (utilization - before)]
    }))
    this.#moving = new Set([...this.#moving].filter((key) => loads.has(key)))
    const mean = [...this.#means.values()].reduce((sum, value) => sum + value, 0) / loads.size
    const moves = new Map<Key, number>()
    for (const [key, { connections }] of loads) {
      const own = this.#means.get(key) ?? 0
      if (this.#isOver(key, own, mean) && connections > 1) moves.set(key, share(connections, own, mean))
    }
    return moves
  }

  #isOver(key: Key, own: number, mean: number): boolean {
    const [difference, factor] = this.#moving.has(key) ? [END_DIFFERENCE, END_FACTOR] : [BEGIN_DIFFERENCE, BEGIN_FACTOR]
    const over = own - mean > difference && own > mean * factor
    if (over) this.#moving.add(key)
    else this.#moving.delete(key)
    return over
  }
}

/** Half of what is too much: the other half may come back to this worker. */
function share(connections: number, own: number, mean: number): number {
  return Math.max(1, Math.min(MOST, Math.floor(connections * (own - mean) / own / 2)))
}
