/**
 * The shapes that memory may have over time, beside what load and other causes add: none, a line, a line with a bend, a rise that
 * begins later, a step, and two kinds of filling. A leak goes on along a line, by time or by requests; a cache that fills slows
 * down or stops; what is loaded once is a step.
 */
import { costOf, deviation, fit, type Fit, type Stepwise } from './regression.js'
import { median } from './regression.js'
import { leastPauses, type Pauses } from './growth-pauses.js'
import { fitStaircase, type StaircaseFit } from './staircase-fit.js'

/** What is known of a quantity's course: one value a row, in the order of time. */
export interface Series {
  /** Bytes. */
  readonly values: Float64Array
  /** What may add to the values, as load does: columns around 0, in shares of what is usual. */
  readonly causes: readonly Float64Array[]
  /** Ways along which a leak may go, from 0 to 1: time, requests. */
  readonly ways: readonly Float64Array[]
}

/** A line through the course, and how well it explains it. Costs count in units of the same noise: lower is better, beyond 2 or so. */
export interface LineFit {
  /** A robust standard deviation of what is left by a line with a bend, bytes; at least half a percent of the level. */
  readonly noise: number
  /** Cost of the causes alone. */
  readonly level: number
  /** Cost of the better line. */
  readonly line: number
  /** What it rises by from the beginning to the end, bytes. */
  readonly growth: number
  /** Slope beyond the middle as a share of the line's, along the way where it is greater; below 0 where it falls. */
  readonly recent: number
  /** Least cost of the lines, and of those with a bend. */
  readonly rising: number
  /** By how much neighbours among what the line leaves correlate, 0 to 0.95. */
  readonly correlation: number
  /** Of the causes alone, and of the lines: each has its own idea of what causes add. */
  readonly fits: readonly Fit[]
  /** The better line. */
  readonly best: Fit
  /** The least noise, bytes. */
  readonly exact: number
}

/** Costs of what else may have risen. */
export interface AlternativeFits {
  /** A rise that begins later. */
  readonly later: number
  readonly step: number
  readonly filling: number
}

const { exp, max, min } = Math
/** Where a line may bend, as a share of the way. */
const MIDDLE = 0.5
/** Where a rise may begin later. */
const BEGINNINGS = [0.2, 0.4, 0.6]
/** Where filling may stop. */
const ENDS = [0.35, 0.5, 0.65, 0.8]
/** In what share of the way filling may come nearer to its end by e. */
const PACES = [0.1, 0.2, 0.4]
const BEND_UNKNOWNS = 4
/** Rows that a level before or after a step has at least. */
const LEAST_LEVEL = 2
/** A row's products in what a step costs. */
const WORK_OF_STEP = 20
/** No more exact than this share of the level is any floor. */
const MIN_NOISE_SHARE = 0.005

/** At least five rows. */
export function* fitLine(course: Series): Stepwise<LineFit> {
  const { values, ways } = course
  const level = yield* fitColumns(course)
  const lines: Fit[] = []
  const bends: Fit[] = []
  for (const way of ways) {
    lines.push(yield* fitColumns(course, way))
    bends.push(yield* fitColumns(course, way, beyond(way, MIDDLE)))
  }
  const exact = MIN_NOISE_SHARE * median(values)
  const noise = max(exact, min(...bends.map(({ rests }) => deviation(rests, BEND_UNKNOWNS))))
  const cost = ({ rests }: Fit): number => costOf(rests, noise)
  const costs = lines.map(cost)
  const line = min(...costs)
  const best = lines[costs.indexOf(line)] ?? level
  return {
    noise, line,
    level: cost(level),
    growth: slopeOf(best),
    recent: max(...lines.map((straight, index) => recentShare(straight, bends[index] ?? straight))),
    rising: min(line, ...bends.map(cost)),
    correlation: neighboursCorrelate(best.rests),
    fits: [level, ...lines],
    best, exact,
  }
}

/** How well what is harmless explains a course: a later line, a step, a cache that fills. In steps, because it takes long. */
export function* fitAlternatives(course: Series, { noise, level, fits }: LineFit): Stepwise<AlternativeFits> {
  const cost = (found: Fit): number => costOf(found.rests, noise)
  let [later, step, filling] = [Infinity, Infinity, Infinity]
  for (const found of fits) {
    step = min(step, stepCost(withoutCauses(course, found), noise))
    yield WORK_OF_STEP * course.values.length
  }
  for (const way of course.ways) {
    for (const beginning of BEGINNINGS) later = min(later, cost(yield* fitColumns(course, beyond(way, beginning))))
    for (const filled of fillings(way)) {
      const found = yield* fitColumns(course, filled)
      filling = min(filling, slopeOf(found) > 0 ? cost(found) : level)
    }
  }
  return { later, step, filling }
}

/** What growth is made of: whether it is a staircase, or has paused. */
export function* fitGrowthParts(course: Series, { best, exact, fits }: LineFit): Stepwise<StaircaseFit & Pauses> {
  const stairs = yield* fitStaircase(withoutCauses(course, best), course.ways, exact)
  return { ...stairs, ...yield* leastPauses(course.ways, fits.slice(1), stairs) }
}

/** How far a way has gone beyond a place. */
const beyond = (way: Float64Array, place: number): Float64Array => way.map((along) => max(0, along - place))

function fitColumns({ values, causes }: Series, ...columns: Float64Array[]): Stepwise<Fit> {
  return fit(values, { free: [new Float64Array(values.length).fill(1), ...columns], additive: causes })
}

/** Coefficient of the first column beside the ones. */
const slopeOf = ({ coefficients }: Fit): number => coefficients[1] ?? 0

function fillings(way: Float64Array): Float64Array[] {
  return [...ENDS.map((end) => way.map((along) => min(along, end))), ...PACES.map((pace) => way.map((along) => 1 - exp(-along / pace)))]
}

function recentShare(line: Fit, bend: Fit): number {
  const slope = slopeOf(line)
  return slope > 0 ? (slopeOf(bend) + (bend.coefficients[2] ?? 0)) / slope : -1
}

/** Values less what a fit says that causes add. */
function withoutCauses({ values, causes }: Series, { coefficients }: Fit): Float64Array {
  const first = coefficients.length - causes.length
  return values.map((value, row) => causes.reduce((rest, cause, index) => rest - (coefficients[first + index] ?? 0) * (cause[row] ?? 0), value))
}

/** Two levels, one after the other: the change is where squares say so, or a row beside that, as they believe in outliers. */
function stepCost(values: Float64Array, noise: number): number {
  const around = (part: Float64Array): number => {
    const middle = median(part)
    return costOf(part.map((value) => value - middle), noise)
  }
  const change = changeOf(values)
  const rows = [change - 1, change, change + 1].filter((row) => row >= LEAST_LEVEL && row <= values.length - LEAST_LEVEL)
  return min(...rows.map((row) => around(values.subarray(0, row)) + around(values.subarray(row))))
}

/** The row from which on values have another mean, where that explains most of their squares. */
function changeOf(values: Float64Array): number {
  const whole = values.reduce((sum, value) => sum + value, 0)
  let [before, change, most] = [0, LEAST_LEVEL, -Infinity]
  values.forEach((value, row) => {
    const explained = before * before / row + (whole - before) ** 2 / (values.length - row)
    if (row >= LEAST_LEVEL && row <= values.length - LEAST_LEVEL && explained > most) [change, most] = [row, explained]
    before += value
  })
  return change
}

function neighboursCorrelate(rests: Float64Array): number {
  const mean = rests.reduce((sum, rest) => sum + rest, 0) / rests.length
  let [own, shared] = [0, 0]
  rests.forEach((rest, row) => {
    own += (rest - mean) ** 2
    if (row > 0) shared += (rest - mean) * ((rests[row - 1] ?? 0) - mean)
  })
  return own > 0 ? min(0.95, max(0, shared / own)) : 0
}
