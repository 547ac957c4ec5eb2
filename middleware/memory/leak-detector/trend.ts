/** The trend of floors, what load brings taken out: how much there is of it, and how much better it explains them than what is harmless. */
import { median } from './regression.js'
import type { Stepwise } from './regression.js'
import { fitGrowthParts, fitAlternatives, fitLine, type Series } from './growth-models.js'

/** A floor, with the load in its stretch of time. */
export interface Point {
  /** ms */
  readonly time: number
  /** Bytes. */
  readonly value: number
  /** Requests since the beginning. */
  readonly requests: number
  /** What memory may follow, as many for each point: load, now and before. NaN where it is not known. */
  readonly causes: readonly number[]
}

/**
 * `overLoad`, `overStep` and `overFilling` say how much better growth explains the floors than load alone, a step, or a cache that
 * fills: logarithms of likelihoods, 0 where both do as well. The latter two are 0, too, where load alone does.
 */
export interface Trend {
  /** Bytes a millisecond. */
  readonly slope: number
  /** Bytes that the slope makes over the whole time. */
  readonly growth: number
  /** Bytes by which floors differ when slope and load are taken out (a robust standard deviation). */
  readonly noise: number
  readonly overLoad: number
  readonly overStep: number
  readonly overFilling: number
  /** By how much better a staircase of up to three steps explains the floors than growth does; some, also where growth is all there is. */
  readonly stairs: number
  /** Slope of the second half as a share of the slope of the whole, by requests or by time, whichever is more. */
  readonly recent: number
  /** By how much better a level explains a stretch of time than growth does: any stretch, and one that goes on until now. */
  readonly pause: number
  readonly stalled: number
  /** Growth that would be explained better than load explains it by a logarithm of 1, bytes; by so many times that, at its square. */
  readonly resolution: number
  /** Whether load went up and down enough to be told from growth. */
  readonly comparable: boolean
  /** How many there are. */
  readonly points: number
  /** What growth is a share of, bytes: the median of the values, or more. */
  readonly level: number
  /** ms between the first and the last point. */
  readonly span: number
  /** ms of it for which there is growth; all of it where nothing else is known. */
  readonly lasted: number
}

const { min, sqrt } = Math
/** A load that correlates more with time is not told from growth. */
const COMPARABLE = 0.8
/** A line that rises by the noise costs a level a 24th for each row. */
const COST_OF_LINE = 24
/** Products for each point that is read. */
const WORK_OF_POINT = 20
/** Growth that explains no more than this is chance: nothing else is looked for. */
const CHANCE = 1

/** Points are in the order of time, at least five. `level`: what growth is a share of, bytes; default: their median. */
export function trendOf(points: readonly Point[], level?: number): Trend {
  const steps = trendSteps(points, () => true, level)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same in small steps. Other shapes are looked for where what is known until then makes it worthwhile; else they count 0. */
export function* trendSteps(points: readonly Point[], worthwhile: (trend: Trend) => boolean, level?: number): Stepwise<Trend> {
  const values = column(points, ({ value }) => value)
  const time = wayOf(column(points, (point) => point.time))
  const causes = (points[0]?.causes ?? []).map((_, index) => aroundUsual(column(points, (point) => point.causes[index] ?? NaN)))
  const course: Series = { values, causes, ways: [time, wayOf(column(points, ({ requests }) => requests))] }
  yield WORK_OF_POINT * points.length
  const straight = yield* fitLine(course)
  const span = (points.at(-1)?.time ?? 0) - (points[0]?.time ?? 0)
  // Neighbours that correlate say less than as many that do not.
  const worth = (1 - straight.correlation) / (1 + straight.correlation)
  const trend = {
    slope: straight.growth / span,
    growth: straight.growth,
    noise: straight.noise,
    overLoad: straight.growth > 0 ? (straight.level - straight.line) * worth : 0,
    overStep: 0,
    overFilling: 0,
    stairs: 0,
    recent: straight.recent,
    pause: 0,
    stalled: 0,
    resolution: straight.noise * sqrt(COST_OF_LINE / (points.length * worth)),
    comparable: causes.every((cause) => correlation(cause, time) < COMPARABLE),
    points: points.length,
    level: level ?? median(values),
    span,
    lasted: span,
  }
  if (trend.overLoad < CHANCE) return trend
  const { stairs, pause, stalled, beginning } = yield* fitGrowthParts(course, straight)
  const grown = { ...trend, stairs, pause, stalled, lasted: span * (1 - (time[beginning] ?? 0)) }
  if (!worthwhile(grown)) return grown
  const { later, step, filling } = yield* fitAlternatives(course, straight)
  return { ...grown, overStep: step - min(straight.rising, later), overFilling: filling - straight.line }
}

function column(points: readonly Point[], of: (point: Point) => number): Float64Array {
  return Float64Array.from(points, of)
}

/** From 0 at the first to 1 at the last value. */
function wayOf(values: Float64Array): Float64Array {
  const [first, last] = [values[0] ?? 0, values.at(-1) ?? 0]
  return values.map((value, index) => last > first ? (value - first) / (last - first) : index / (values.length - 1))
}

/** As a share of the mean, less 1. What is not known is as usual. */
function aroundUsual(values: Float64Array): Float64Array {
  const known = values.filter((value) => !Number.isNaN(value))
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length
  return values.map((value) => mean > 0 && !Number.isNaN(value) ? value / mean - 1 : 0)
}

function correlation(one: Float64Array, other: Float64Array): number {
  const centred = (values: Float64Array): Float64Array => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    return values.map((value) => value - mean)
  }
  const product = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0)
  const [a, b] = [centred(one), centred(other)]
  const spread = sqrt(product(a, a) * product(b, b))
  return spread > 0 ? min(1, product(a, b) / spread) : 0
}
