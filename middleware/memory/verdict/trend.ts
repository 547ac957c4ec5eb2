/** The trend of floors, what load brings taken out: how much there is of it, and how much better it explains them than what is harmless. */
import { median } from './median.js'
import { othersOf, straightOf, type Course, type Straight } from './shapes.js'

export interface Point {
  /** ms */
  readonly time: number
  /** Octets. */
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
  /** Octets a millisecond. */
  readonly slope: number
  /** Octets that the slope makes over the whole time. */
  readonly growth: number
  /** Octets by which floors differ when slope and load are taken out (a robust standard deviation). */
  readonly noise: number
  readonly overLoad: number
  readonly overStep: number
  readonly overFilling: number
  /** Slope of the second half as a share of the slope of the whole, by requests or by time, whichever is more. */
  readonly recent: number
  /** Whether load went up and down enough to be told from growth. */
  readonly comparable: boolean
  /** Median of the values. */
  readonly level: number
  /** ms between the first and the last point. */
  readonly span: number
}

const { min, sqrt } = Math
/** A load that correlates more with time is not told from growth. */
const COMPARABLE = 0.8
/** Growth that explains no more than this is chance: nothing else is looked for. */
const CHANCE = 1

/** Points are in the order of time, at least five. */
export function trendOf(points: readonly Point[]): Trend {
  const values = column(points, ({ value }) => value)
  const time = wayOf(column(points, (point) => point.time))
  const causes = (points[0]?.causes ?? []).map((_, index) => aroundUsual(column(points, (point) => point.causes[index] ?? NaN)))
  const course: Course = { values, causes, ways: [time, wayOf(column(points, ({ requests }) => requests))] }
  const straight = straightOf(course)
  const span = (points.at(-1)?.time ?? 0) - (points[0]?.time ?? 0)
  // Neighbours that correlate say less than as many that do not.
  const overLoad = straight.growth > 0 ? (straight.level - straight.line) * (1 - straight.correlation) / (1 + straight.correlation) : 0
  return {
    slope: straight.growth / span,
    growth: straight.growth,
    noise: straight.noise,
    overLoad,
    ...(overLoad < CHANCE ? { overStep: 0, overFilling: 0 } : overOthers(course, straight)),
    recent: straight.recent,
    comparable: causes.every((cause) => correlation(cause, time) < COMPARABLE),
    level: median(values),
    span,
  }
}

function overOthers(course: Course, straight: Straight): Pick<Trend, 'overStep' | 'overFilling'> {
  const { later, step, filling } = othersOf(course, straight)
  return { overStep: step - min(straight.rising, later), overFilling: filling - straight.line }
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
