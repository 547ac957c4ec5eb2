/** One width of buckets, and what is said of each quantity in them. What a closed bucket means is found in small steps. */
import { Buckets, type BucketSample, type Quantity } from './buckets.js'
import { comparedWith, pointsOf } from './buckets.js'
import type { Stepwise } from './regression.js'
import { GrowthTracker, type Thresholds } from './growth-state.js'

/** The quantities that are judged, each on its own. */
export const QUANTITIES: readonly Quantity[] = ['heap', 'external', 'remainder']

/** One time scale of the leak detector. */
export interface TimeScaleOptions {
  /** Of a bucket, ms. */
  width: number
  /** Buckets that are held. */
  capacity: number
  /** ms that count as an hour. */
  hour: number
  thresholds: Readonly<Record<Quantity, Thresholds>>
  /** Whether memory may also follow the load of the last buckets together. */
  followsRecentLoad: boolean
}

/** Buckets of one width, and what the trends in them mean for each quantity. */
export class TimeScale {
  readonly buckets: Buckets
  readonly growth: Readonly<Record<Quantity, GrowthTracker>>
  readonly #followsRecentLoad: boolean
  #steps: Stepwise<void> | undefined

  constructor({ width, capacity, hour, thresholds, followsRecentLoad }: TimeScaleOptions) {
    this.buckets = new Buckets(width, capacity)
    this.growth = {
      heap: new GrowthTracker(thresholds.heap, hour),
      external: new GrowthTracker(thresholds.external, hour),
      remainder: new GrowthTracker(thresholds.remainder, hour),
    }
    this.#followsRecentLoad = followsRecentLoad
  }

  /** Closes the bucket whose time is over. What is left of the work on the one before is done first. Whether it closed one. */
  advance(time: number): boolean {
    if (!this.buckets.advance(time)) return false
    while (this.hasWork) this.step()
    this.#steps = this.#update()
    return true
  }

  collection(live: number, external: number): void {
    this.buckets.collection(live, external)
  }

  sample(sample: BucketSample): void {
    this.buckets.sample(sample)
  }

  /** Whether work is left. */
  get hasWork(): boolean {
    return this.#steps !== undefined
  }

  /** A small step of the work; how much it was. */
  step(): number {
    const step = this.#steps?.next()
    if (step?.done !== true) return step?.value ?? 0
    this.#steps = undefined
    return 0
  }

  * #update(): Stepwise<void> {
    const { closed } = this.buckets
    for (const quantity of QUANTITIES) {
      yield* this.growth[quantity].updating(pointsOf(closed, quantity, this.#followsRecentLoad), comparedWith(closed, quantity))
    }
  }
}
