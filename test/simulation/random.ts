/** Random numbers that are the same in every run of one seed. */
import { seeded } from '../support/seeded.js'

const RANGE = 2 ** 32

/** A small generator: 32 bits of state, which is plenty for a queue. */
export class Random {
  /** From 0 up to 1, without 1. */
  readonly next: () => number

  constructor(seed: number) {
    this.next = seeded(seed)
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
