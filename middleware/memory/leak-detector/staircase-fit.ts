/**
 * How much better a staircase explains a course than growth does: up to three steps, each with a short ramp, as of features that are
 * rolled out one after the other. The staircase has more unknowns, so it always explains some more.
 */
import { medianOf } from './regression.js'
import type { Stepwise } from './regression.js'
import { leftByLine, RunningSums } from './running-sums.js'

const { abs, ceil, log, max, min, round, sqrt } = Math
const STEPS = 3
/** Of a staircase: levels, places, lengths. */
const UNKNOWNS = 10
/** From the median of absolute differences to a standard deviation of what differs. */
const OF_DIFFERENCES = 1.4826 / Math.SQRT2
const MOST_ALIKE = 0.8
/** Where growth may begin, as shares of the way. */
const BEGINNINGS = [0, 0.2, 0.4, 0.6]
/** The same, where it is asked since when there is growth. */
const FINER_BEGINNINGS = Array.from({ length: 17 }, (_, index) => index / 20)
/** A beginning is as good as the best where that is better by no more: a logarithm of likelihoods. */
const AS_GOOD = 1
/** Least rows of a level, and their least share. */
const LEAST_ROWS = 3
const LEAST_SHARE = 1 / 12
/** Least rows of a ramp, and their largest share. */
const LEAST_RAMP = 3
const MOST_RAMP = 0.14
/** A value beside both of its neighbours by so many standard deviations is an outlier. */
const OUTLYING = 2.5
/** Rows at which a level may begin that are looked at in one small step. */
const ROWS_A_STEP = 8
/** Products for each stretch that is looked at. */
const WORK_OF_STRETCH = 8
/** Products for each row of a line. */
const WORK_OF_LINE = 5

/** How well some steps, one after the other, explain a course. */
export interface StaircaseFit {
  /** By how much better the staircase explains the course than growth does: a logarithm of likelihoods, at least 0. */
  readonly stairs: number
  /** What the staircase leaves, a standard deviation in bytes: what is no growth, however it went. */
  readonly noise: number
  /** What a row is worth, from 1 down to a ninth: neighbours that are alike say less. */
  readonly worth: number
  /** The first row of the growth that goes on until the last one. */
  readonly beginning: number
}

/** `values` without what causes add; `exact`: the least noise. */
export function* fitStaircase(values: Float64Array, ways: readonly Float64Array[], exact: number): Stepwise<StaircaseFit> {
  const near = max(exact, neighboursDiffer(values))
  const calm = withoutOutliers(values, near)
  const left = yield* squaresOfStairs(new RunningSums(calm))
  const grown = min(...ways.flatMap((way) => BEGINNINGS.map((beginning) => squaresOfLine(calm, way, beginning))))
  const least = calm.length * exact * exact
  const noise = sqrt((left + least) / max(1, calm.length - UNKNOWNS))
  const alike = min(MOST_ALIKE, max(0, 1 - (near / noise) ** 2))
  const worth = (1 - alike) / (1 + alike)
  return { stairs: max(0, calm.length / 2 * log((grown + least) / (left + least)) * worth), noise, worth, beginning: yield* beginningOf(calm, ways, least, worth) }
}

/** The first row of the earliest line that explains values as well as any that begins later. */
function* beginningOf(values: Float64Array, ways: readonly Float64Array[], least: number, worth: number): Stepwise<number> {
  const lines: { row: number; cost: number }[] = []
  for (const way of ways) {
    yield FINER_BEGINNINGS.length * values.length * WORK_OF_LINE
    for (const beginning of FINER_BEGINNINGS) {
      const cost = values.length / 2 * worth * log(squaresOfLine(values, way, beginning) + least)
      lines.push({ row: max(0, way.findIndex((along) => along >= beginning)), cost })
    }
  }
  const lowest = min(...lines.map(({ cost }) => cost))
  return min(...lines.filter(({ cost }) => cost <= lowest + AS_GOOD).map(({ row }) => row))
}

/** A standard deviation, from differences alone: what rises or pauses slowly makes none. */
function neighboursDiffer(values: Float64Array): number {
  const differences = new Float64Array(max(1, values.length - 1))
  for (let row = 1; row < values.length; row++) differences[row - 1] = abs((values[row] ?? 0) - (values[row - 1] ?? 0))
  return medianOf(differences) * OF_DIFFERENCES
}

function withoutOutliers(values: Float64Array, noise: number): Float64Array {
  return values.map((value, row) => {
    const [before, after] = [values[row - 1] ?? value, values[row + 1] ?? value]
    return min(max(before, after) + OUTLYING * noise, max(min(before, after) - OUTLYING * noise, value))
  })
}

/** What a line leaves that begins at a place of the way. */
function squaresOfLine(values: Float64Array, way: Float64Array, beginning: number): number {
  const rows = values.length
  let [x, y, xx, xy, yy] = [0, 0, 0, 0, 0]
  const origin = values[0] ?? 0
  for (let row = 0; row < rows; row++) {
    const [along, value] = [max(0, (way[row] ?? 0) - beginning), (values[row] ?? 0) - origin]
    x += along
    y += value
    xx += along * along
    xy += along * value
    yy += value * value
  }
  return leftByLine(rows, x, y, xx, xy, yy)
}

/** What the best staircase leaves: of all rows up to each, the best that ends with the first level, then with the second, and so on. */
function* squaresOfStairs(sums: RunningSums): Stepwise<number> {
  const { rows } = sums
  const least = max(LEAST_ROWS, ceil(rows * LEAST_SHARE))
  let ended: Float64Array = new Float64Array(rows + 1).fill(Infinity)
  for (let row = least; row <= rows; row++) ended[row] = sums.level(0, row)
  for (let step = 1; step <= STEPS; step++) {
    yield rows * WORK_OF_STRETCH
    const ramped = afterRamp(sums, ended)
    yield rows * MOST_RAMP * rows * WORK_OF_STRETCH
    ended = yield* afterLevel(sums, ramped, ended, least)
  }
  return ended[rows] ?? Infinity
}

/** The best that ends with a ramp, or with none. */
function afterRamp(sums: RunningSums, ended: Float64Array): Float64Array {
  const ramped = ended.slice()
  const most = max(LEAST_RAMP, round(sums.rows * MOST_RAMP))
  for (let length = LEAST_RAMP; length <= most; length++) {
    for (let from = 0; from + length <= sums.rows; from++) {
      const before = ended[from] ?? Infinity
      if (before < (ramped[from + length] ?? 0)) ramped[from + length] = min(ramped[from + length] ?? Infinity, before + sums.line(from, from + length))
    }
  }
  return ramped
}

/** The best that ends with another level, or with the one before. */
function* afterLevel(sums: RunningSums, ramped: Float64Array, ended: Float64Array, least: number): Stepwise<Float64Array> {
  const all = ended.slice()
  for (let from = least; from + least <= sums.rows; from++) {
    if (from % ROWS_A_STEP === 0) yield ROWS_A_STEP * (sums.rows - from) * WORK_OF_STRETCH
    const before = ramped[from] ?? Infinity
    if (before === Infinity) continue
    for (let to = from + least; to <= sums.rows; to++) {
      if (before < (all[to] ?? 0)) all[to] = min(all[to] ?? Infinity, before + sums.level(from, to))
    }
  }
  return all
}
