/**
 * Whether growth slows down: a line with a bend in its middle is laid through all points, together with what load adds. A leak
 * goes on along a straight line, by time or by requests; a cache that fills bends down, also where bursts hide it. What is
 * loaded once is a step, and no line.
 */
import { median } from './median.js'
import type { Point } from './trend.js'

/** At 1, along, beyond the bend, load; and the value. */
type Row = readonly [1, number, number, number, number]
/** Level at the beginning, slope, by how much it changes at the bend, what load adds. */
type Line = readonly [number, number, number, number]

const { abs, max, min } = Math
const ROUNDS = 6
/** Rests beyond so many (robust) standard deviations weigh less (Huber). */
const TOLERATED = 1.3
/** Keeps a load that hardly differs from explaining anything, as a share of the rows. */
const RIDGE = 0.002
const UNKNOWNS = 4
const LOAD = 3
/** A step must leave less than this share of what the line leaves, to be the better explanation. */
const STEP = 0.9

/**
 * Slope after the middle as a share of the mean slope: 1 is a straight line, 0 and less is growth that has ended. `progress`
 * is the way along which points lie, time or requests.
 */
export function bendOf(points: readonly Point[], progress: (point: Point) => number): number {
  const rows = rowsOf(points, progress)
  const line = fitted(rows)
  const [, early, bend] = line
  const mean = early + bend / 2
  return mean > 0 && !isStep(rows, line) ? (early + bend) / mean : 0
}

function rowsOf(points: readonly Point[], progress: (point: Point) => number): Row[] {
  const ways = points.map(progress)
  const [from, way] = [min(...ways), max(...ways) - min(...ways)]
  const rates = points.map(({ rate }) => rate).filter((rate) => rate > 0)
  const usual = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  return points.map((point) => {
    const along = way > 0 ? (progress(point) - from) / way : 0
    return [1, along, max(0, along - 0.5), point.rate >= 0 && usual > 0 ? point.rate / usual - 1 : 0, point.value]
  })
}

/** Huber's estimate, by weighing again and again: outliers count less. More load never means less memory. */
function fitted(rows: readonly Row[]): Line {
  let weights = rows.map(() => 1)
  let found = leastSquares(rows, weights)
  for (let round = 1; round < ROUNDS; round++) {
    const rests = restsOf(rows, found)
    const tolerated = median(rests) * 1.4826 * TOLERATED
    weights = rests.map((rest) => rest > tolerated ? tolerated / rest : 1)
    found = leastSquares(rows, weights)
  }
  return found[LOAD] < 0 ? fitted(rows.map(([one, along, beyond, , value]) => [one, along, beyond, 0, value])) : found
}

/** By Gauss and Jordan. What the rows do not tell is 0. */
function leastSquares(rows: readonly Row[], weights: readonly number[]): Line {
  const sum = (one: number, other: number): number => rows.reduce((all, row, index) => all + (weights[index] ?? 0) * (row[one] ?? 0) * (row[other] ?? 0), 0)
  const equations = Array.from({ length: UNKNOWNS }, (_, one) =>
    Float64Array.from({ length: UNKNOWNS + 1 }, (_other, other) => sum(one, other) + (one === LOAD && other === LOAD ? RIDGE * rows.length : 0)))
  equations.forEach((equation, pivot) => {
    const divisor = equation[pivot] ?? 0
    const reduced = equation.map((value) => abs(divisor) > 1e-9 ? value / divisor : 0)
    equation.set(reduced)
    for (const other of equations) {
      const factor = other[pivot] ?? 0
      if (other !== equation) other.forEach((value, column) => { other[column] = value - factor * (reduced[column] ?? 0) })
    }
  })
  const [base, early, bend, load] = equations.map((equation) => equation[UNKNOWNS] ?? 0)
  return [base ?? 0, early ?? 0, bend ?? 0, load ?? 0]
}

/** Whether two levels, one after the other, say more than the line: the load's effect taken out, by the sum of what is left. */
function isStep(rows: readonly Row[], line: Line): boolean {
  const level = rows.map((row) => row[UNKNOWNS] - line[LOAD] * row[LOAD])
  const left = (values: readonly number[]): number => {
    const middle = median(values)
    return values.reduce((sum, value) => sum + abs(value - middle), 0)
  }
  const ofLine = restsOf(rows, line).reduce((sum, rest) => sum + rest, 0)
  return level.some((_, at) => at > 1 && at < level.length - 1 && left(level.slice(0, at)) + left(level.slice(at)) < STEP * ofLine)
}

function restsOf(rows: readonly Row[], line: Line): number[] {
  return rows.map((row) => abs(row[UNKNOWNS] - line.reduce((sum, one, column) => sum + one * (row[column] ?? 0), 0)))
}
