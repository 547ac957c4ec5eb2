/** One width of buckets, and what is said of each quantity in them. What a closed bucket means is found in small steps. */
import { Buckets, type BucketSample, type Quantity } from './buckets.js'
import { pointsOf } from './points.js'
import type { Stepwise } from './regression.js'
import { TendencyWatch, type Thresholds } from './tendency.js'

export const QUANTITIES: readonly Quantity[] = ['heap', 'external', 'remainder']

export interface ScaleOptions {
  /** Of a bucket, ms. */
  width: number
  /** Buckets that are held. */
  capacity: number
  thresholds: Readonly<Record<Quantity, Thresholds>>
  /** Whether memory may also follow the load of the last buckets together. */
  followsLately: boolean
}

export class Scale {
  readonly buckets: Buckets
  readonly watches: Readonly<Record<Quantity, TendencyWatch>>
  readonly #followsLately: boolean
  #work: Stepwise<void> | undefined

  constructor({ width, capacity, thresholds, followsLately }: ScaleOptions) {
    this.buckets = new Buckets(width, capacity)
    this.watches = {
      heap: new TendencyWatch(thresholds.heap),
      external: new TendencyWatch(thresholds.external),
      remainder: new TendencyWatch(thresholds.remainder),
    }
    this.#followsLately = followsLately
  }

  /** Closes the bucket whose time is over. What is left of the work on the one before is done first. Whether it closed one. */
  advance(time: number): boolean {
    if (!this.buckets.advance(time)) return false
    while (this.busy) this.step()
    this.#work = this.#update()
    return true
  }

  collection(live: number, external: number): void {
    this.buckets.collection(live, external)
  }

  sample(sample: BucketSample): void {
    this.buckets.sample(sample)
  }

  /** Whether work is left. */
  get busy(): boolean {
    return this.#work !== undefined
  }

  /** A small step of the work; how much it was. */
  step(): number {
    const step = this.#work?.next()
    if (step?.done !== true) return step?.value ?? 0
    this.#work = undefined
    return 0
  }

  * #update(): Stepwise<void> {
    for (const quantity of QUANTITIES) {
      yield* this.watches[quantity].updating(pointsOf(this.buckets.closed, quantity, this.#followsLately))
    }
  }
}
