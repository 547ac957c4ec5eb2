/** What the trend of one quantity means: nothing, growth, or growth that has lasted too long to be anything but a leak. */
import type { Stepwise } from './regression.js'
import { trendSteps, type Point, type Trend } from './trend.js'

/**
 * How much evidence makes growth a leak. `npm run series -- fit` fits five of the thresholds, `overLoad` to `share`, to
 * recorded series (thresholds.ts). The others are set by hand: CHOSEN has those of the two-hour scale. For the scales of
 * eight hours and two days LONG_ADJUSTMENTS in leak-detector.ts replaces some of them.
 */
export interface Thresholds {
  /** By how much better growth must explain the floors than load alone, a step, or a cache that fills: see Trend. */
  readonly overLoad: number
  readonly overStep: number
  readonly overFilling: number
  /** Least slope of the recent half, as a share of the whole's: caches that fill slow down. */
  readonly recent: number
  /** Least growth, as a share of the level. */
  readonly share: number
  /** How clear a staircase may be, a pause in growth, and one that goes on: see Trend. */
  readonly stairs: number
  readonly pause: number
  readonly stalled: number
  /** Growth by so much of the level may be less steady. */
  readonly large: number
  /** Growth by less of the level counts for so much only. */
  readonly small: number
  readonly smallWeight: number
  /** Growth that explains so much more than load counts `clearWeight` times. */
  readonly clear: number
  readonly clearWeight: number
  /** Least buckets with a value before a leak is suspected: fewer do not show what steps they hide. */
  readonly points: number
  /** In how many more buckets all of this must hold than it does not; some count for more, or less. */
  readonly hold: number
  /** In how many more buckets growth must have stopped, until what was suspected is so no more. */
  readonly release: number
  /** Least growth an hour, as a share of the level: slower growth is left to scales of more time. */
  readonly pace: number
  /** Hours for which there must have been growth before it is suspected: what fills is full by then. */
  readonly patience: number
  /** Growth by so much of the level an hour need not have lasted for as long: it does harm soon. */
  readonly quick: number
}

/** Buckets with a value that a trend needs. */
export const LEAST_POINTS = 12

/** The thresholds that are set by hand: so strict that little that is harmless passes. Apps run for weeks, and can wait. */
export const CHOSEN = { stairs: 10, pause: 10, stalled: 8, large: 0.25, small: 0.2, smallWeight: 0.5, clear: 65, clearWeight: 3, points: 20, hold: 15, release: 10, pace: 0, patience: 0, quick: 0.25 } as const

/** warming: not enough to say anything. */
export type GrowthState = 'warming' | 'flat' | 'growing' | 'suspected'

/** Growth below this many bytes is nothing, whatever the level. */
const LEAST_GROWTH = 524_288
const HOUR = 3_600_000
/** Growth of less than this share of what a suspicion takes has stopped. One that slows with the load is still there. */
const STOPPED = 0.5
/** Where load has crept up all the while, growth must be so many times clearer. */
const CREEPING = 1.5

/** Of what growth explains, a staircase or a pause may explain so much, where that is more. */
const SHARE_OF_STAIRS = 1 / 5
const SHARE_OF_PAUSE = 1 / 6
/** By how much clearer both may be where growth is large. */
const LESS_STEADY = 2.5
/** Growth by so much of the level is told in whatever way it came. */
const HUGE = 0.8

/** Growth that stands out from the noise and from what load brings. */
export function grows(trend: Trend, { overLoad, share }: Thresholds): boolean {
  return trend.growth >= Math.max(share * trend.level, LEAST_GROWTH) && trend.overLoad >= overLoad * (trend.comparable ? 1 : CREEPING)
}

/** Growth that goes on, and is neither some steps nor a cache that fills. */
export function lasts(trend: Trend, thresholds: Thresholds): boolean {
  return grows(trend, thresholds) && trend.points >= thresholds.points && trend.recent >= thresholds.recent && trend.stalled <= thresholds.stalled
    && trend.overStep >= thresholds.overStep && trend.overFilling >= thresholds.overFilling && isSteady(trend, thresholds)
}

function isSteady({ growth, level, overLoad, stairs, pause }: Trend, thresholds: Thresholds): boolean {
  const allowed = growth >= thresholds.large * level ? LESS_STEADY : 1
  return growth >= HUGE * level || (stairs <= allowed * Math.max(thresholds.stairs, SHARE_OF_STAIRS * overLoad)
    && pause <= allowed * Math.max(thresholds.pause, SHARE_OF_PAUSE * overLoad))
}

/** Growth an hour, as a share of the level. `hour`: ms. */
function paceOf({ growth, level, lasted }: Trend, hour: number): number {
  return growth / level / lasted * hour
}

/** What a bucket counts for in which growth lasts. */
function weightOf({ growth, level, overLoad }: Trend, { small, smallWeight, clear, clearWeight }: Thresholds): number {
  if (growth < small * level) return smallWeight
  return overLoad >= clear ? clearWeight : 1
}

/** The least growth that would be told, bytes: by its size, and from the noise. */
export function leastGrowth(trend: Trend, { overLoad, share }: Thresholds): number {
  return Math.max(share * trend.level, LEAST_GROWTH, trend.resolution * Math.sqrt(overLoad * (trend.comparable ? 1 : CREEPING)))
}

/** Follows one quantity from bucket to bucket. */
export class GrowthTracker {
  state: GrowthState = 'warming'
  trend: Trend | undefined
  readonly thresholds: Thresholds
  /** Of growth that has not stopped. */
  readonly #stopped: Thresholds
  readonly #hour: number
  /** Buckets in which the opposite of what is said was true, by their weight, less those since in which it was not: noise sets back, no more. */
  #contrary = 0

  /** `hour`: ms of what counts as one. */
  constructor(thresholds: Thresholds, hour = HOUR) {
    this.thresholds = thresholds
    this.#hour = hour
    this.#stopped = { ...thresholds, overLoad: thresholds.overLoad * STOPPED, share: thresholds.share * STOPPED }
  }

  /** To be called when a bucket has closed, with all points so far. `level`: what growth is a share of, bytes; default: their median. */
  update(points: readonly Point[], level?: number): GrowthState {
    const steps = this.updating(points, level)
    while (steps.next().done !== true);
    return this.state
  }

  /** The same in small steps. */
  * updating(points: readonly Point[], level?: number): Stepwise<void> {
    if (points.length < LEAST_POINTS) return
    const worthwhile = (trend: Trend): boolean => this.state !== 'suspected' && grows(trend, this.thresholds)
    this.decide(yield* trendSteps(points, worthwhile, level))
  }

  decide(trend: Trend): GrowthState {
    this.trend = trend
    const { thresholds } = this
    const suspected = this.state === 'suspected'
    const pace = paceOf(trend, this.#hour)
    const contrary = suspected ? !grows(trend, this.#stopped) || trend.stalled > thresholds.stalled : lasts(trend, thresholds) && pace >= thresholds.pace
    const least = suspected ? thresholds.release : thresholds.hold
    this.#contrary = contrary ? Math.min(least, this.#contrary + (suspected ? 1 : weightOf(trend, thresholds))) : Math.max(0, this.#contrary - 1)
    // Caches fill and features are rolled out as leaks grow, for hours: what is not quick must go on for longer.
    const mayTell = suspected || (contrary && (pace >= thresholds.quick || trend.lasted >= thresholds.patience * this.#hour))
    if (this.#contrary >= least && mayTell) {
      this.#contrary = 0
      this.state = suspected ? this.#unsuspected(trend) : 'suspected'
    } else if (!suspected) {
      this.state = this.#unsuspected(trend)
    }
    return this.state
  }

  #unsuspected(trend: Trend): GrowthState {
    const { thresholds } = this
    return trend.recent >= thresholds.recent && trend.stalled <= thresholds.stalled && grows(trend, thresholds) ? 'growing' : 'flat'
  }
}
