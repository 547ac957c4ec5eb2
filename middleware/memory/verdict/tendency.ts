/** What the trend of one quantity means: nothing, growth, or growth that has lasted too long to be a cache that fills. */
import { trendOf, type Point, type Trend } from './trend.js'

export interface Thresholds {
  /** By what share of the larger one loads may differ and still be alike. */
  readonly likeness: number
  /** Least growth, in multiples of the noise. */
  readonly effect: number
  /** Least share of pairs that rise over those that fall. */
  readonly concordance: number
  /** Least slope of the recent part, as a share of the whole's: caches that fill slow down. */
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

/** The trend at a moment, or undefined when there are too few points. */
export function measure(points: readonly Point[], thresholds: Thresholds): Trend | undefined {
  return points.length < LEAST_POINTS ? undefined : trendOf(points, thresholds.likeness)
}

/** Growth that stands out from the noise. */
export function grows(trend: Trend, { effect, concordance, share }: Thresholds): boolean {
  return trend.growth >= Math.max(effect * trend.noise, share * trend.level, LEAST_GROWTH) && trend.concordance >= concordance
}

/** Growth that goes on, and is not the load's. */
export function lasts(trend: Trend, thresholds: Thresholds): boolean {
  return grows(trend, thresholds) && trend.comparable && trend.recent >= thresholds.recent
}

/** Follows one quantity from bucket to bucket. */
export class TendencyWatch {
  tendency: Tendency = 'warming'
  trend: Trend | undefined
  readonly #thresholds: Thresholds
  /** Buckets in which the opposite of what is said was true, less those since in which it was not: noise sets back, no more. */
  #contrary = 0

  constructor(thresholds: Thresholds) {
    this.#thresholds = thresholds
  }

  /** To be called when a bucket has closed, with all points so far. */
  update(points: readonly Point[]): Tendency {
    const trend = measure(points, this.#thresholds)
    if (trend !== undefined) this.decide(trend)
    return this.tendency
  }

  decide(trend: Trend): Tendency {
    this.trend = trend
    const suspected = this.tendency === 'suspected'
    this.#contrary = lasts(trend, this.#thresholds) === suspected ? Math.max(0, this.#contrary - 1) : this.#contrary + 1
    if (this.#contrary >= this.#thresholds.hold) {
      this.#contrary = 0
      this.tendency = suspected ? this.#unsuspected(trend) : 'suspected'
    } else if (!suspected) {
      this.tendency = this.#unsuspected(trend)
    }
    return this.tendency
  }

  #unsuspected(trend: Trend): Tendency {
    const goesOn = trend.recent >= this.#thresholds.recent || !trend.comparable
    return goesOn && grows(trend, this.#thresholds) ? 'growing' : 'flat'
  }
}
