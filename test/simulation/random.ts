/** Random numbers that are the same in every run of one seed. */

const INCREMENT = 0x6d2b79f5
const RANGE = 2 ** 32

/** A small generator (mulberry32): 32 bits of state, which is plenty for a queue. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to 1, without 1. */
  next(): number {
    this.#state = (this.#state + INCREMENT) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / RANGE
  }

  /** Exponentially distributed: times between arrivals, times of service. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next())
  }

  /** Another generator whose numbers do not depend on how many are taken from this one. */
  fork(): Random {
    return new Random(Math.floor(this.next() * RANGE))
  }
}
