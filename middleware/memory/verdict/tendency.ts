/** What the trend of one quantity means: nothing, growth, or growth that has lasted too long to be anything but a leak. */
import { trendOf, type Point, type Trend } from './trend.js'

export interface Thresholds {
  /** By how much better growth must explain the floors than load alone, a step, or a cache that fills: see Trend. */
  readonly overLoad: number
  readonly overStep: number
  readonly overFilling: number
  /** Least slope of the recent half, as a share of the whole's: caches that fill slow down. */
  readonly recent: number
  /** Least growth, as a share of the level. */
  readonly share: number
  /** In how many more buckets all of this must hold than it does not. */
  readonly hold: number
}

/** warming: not enough to say anything. */
export type Tendency = 'warming' | 'flat' | 'growing' | 'suspected'

/** Buckets with a value that a trend needs. */
export const LEAST_POINTS = 12
/** Growth below this many octets is nothing, whatever the level. */
const LEAST_GROWTH = 524_288
/** Growth of less than this share of what a suspicion takes has stopped. One that slows with the load is still there. */
const STOPPED = 0.5
/** Where load has crept up all the while, growth must be so many times clearer. */
const CREEPING = 1.5

/** Growth that stands out from the noise and from what load brings. */
export function grows(trend: Trend, { overLoad, share }: Thresholds): boolean {
  return trend.growth >= Math.max(share * trend.level, LEAST_GROWTH) && trend.overLoad >= overLoad * (trend.comparable ? 1 : CREEPING)
}

/** Growth that goes on, and is neither a step nor a cache that fills. */
export function lasts(trend: Trend, thresholds: Thresholds): boolean {
  return grows(trend, thresholds) && trend.recent >= thresholds.recent
    && trend.overStep >= thresholds.overStep && trend.overFilling >= thresholds.overFilling
}

/** Follows one quantity from bucket to bucket. */
export class TendencyWatch {
  tendency: Tendency = 'warming'
  trend: Trend | undefined
  readonly #thresholds: Thresholds
  /** Of growth that has not stopped. */
  readonly #stopped: Thresholds
  /** Buckets in which the opposite of what is said was true, less those since in which it was not: noise sets back, no more. */
  #contrary = 0

  constructor(thresholds: Thresholds) {
    this.#thresholds = thresholds
    this.#stopped = { ...thresholds, overLoad: thresholds.overLoad * STOPPED, share: thresholds.share * STOPPED }
  }

  /** To be called when a bucket has closed, with all points so far. */
  update(points: readonly Point[]): Tendency {
    if (points.length >= LEAST_POINTS) this.decide(trendOf(points))
    return this.tendency
  }

  decide(trend: Trend): Tendency {
    this.trend = trend
    const suspected = this.tendency === 'suspected'
    const contrary = suspected ? !grows(trend, this.#stopped) : lasts(trend, this.#thresholds)
    this.#contrary = contrary ? this.#contrary + 1 : Math.max(0, this.#contrary - 1)
    if (this.#contrary >= this.#thresholds.hold) {
      this.#contrary = 0
      this.tendency = suspected ? this.#unsuspected(trend) : 'suspected'
    } else if (!suspected) {
      this.tendency = this.#unsuspected(trend)
    }
    return this.tendency
  }

  #unsuspected(trend: Trend): Tendency {
    return trend.recent >= this.#thresholds.recent && grows(trend, this.#thresholds) ? 'growing' : 'flat'
  }
}
