/**
 * Robust least squares for some dozens of rows and a few columns: outliers count less (Huber's estimate, found by weighing again
 * and again), and some columns may only add, never take away. Runs once in a while, so never compiled by V8: plain loops.
 */

/** What may explain the values of a regression, a column for each cause. */
export interface Columns {
  /** Of any sign. One value a row. */
  readonly free: readonly Float64Array[]
  /** Whose coefficients are never below 0: more load never means less memory. */
  readonly additive: readonly Float64Array[]
}

/** A regression that has been fitted. */
export interface Fit {
  /** Of the free columns, then of the additive ones. */
  readonly coefficients: Float64Array
  /** What the columns leave of each value. */
  readonly rests: Float64Array
}

/**
 * Small steps: much is computed, and what runs beside it must not wait for all of it. Each says how much work it was, in products of two
 * numbers; some thousands at most.
 */
export type Stepwise<Result> = Generator<number, Result>

const { abs, max, sqrt } = Math
const ROUNDS = 4
/** Rests beyond so many standard deviations weigh less. */
const TOLERATED = 1.345
/** From the median of absolute values to a standard deviation, where values are normally distributed. */
const TO_DEVIATION = 1.4826
/** Keeps an additive column that hardly differs from explaining anything, as a share of the rows. */
const RIDGE = 0.0005
/** Below this share of what it was, what is left of a column is nothing: others say the same. */
const SAME = 1e-9

/** A robust standard deviation of rests, of which `unknowns` were fitted. */
export function deviation(rests: Float64Array, unknowns = 0): number {
  const distances = new Float64Array(rests.length)
  for (let row = 0; row < distances.length; row++) distances[row] = abs(rests[row] ?? 0)
  return medianOf(distances) * TO_DEVIATION * sqrt(rests.length / max(1, rests.length - unknowns))
}

/** What rests cost, in units of half of their squared deviations; outliers by their distance (Huber's loss). */
export function costOf(rests: Float64Array, scale: number): number {
  let sum = 0
  for (let row = 0; row < rests.length; row++) {
    const distance = abs(rests[row] ?? 0) / scale
    sum += distance < TOLERATED ? distance * distance / 2 : TOLERATED * (distance - TOLERATED / 2)
  }
  return sum
}

/** The best fit; additive columns that would take away are left out, the worst first. */
export function* fit(values: Float64Array, { free, additive }: Columns): Stepwise<Fit> {
  const columns = [...free, ...additive]
  const used = columns.map((_, index) => index)
  const chosen = (): Float64Array[] => used.map((index) => columns[index] ?? values)
  const alike = new Float64Array(values.length).fill(1)
  const drop = ({ coefficients }: Fit): boolean => {
    const worst = leastBelowZero(coefficients, free.length)
    if (worst !== undefined) used.splice(worst, 1)
    return worst !== undefined
  }
  let plain = leastSquares(values, chosen(), alike, free.length)
  // Most of what must be left out shows without weighing, which costs a quarter.
  while (drop(plain)) {
    yield workOf(values, used.length + 1)
    plain = leastSquares(values, chosen(), alike, free.length)
  }
  for (;;) {
    yield workOf(values, used.length)
    const found = yield* weighed(plain, values, chosen(), free.length)
    const fitted = [...used]
    if (!drop(found)) return { rests: found.rests, coefficients: spread(found.coefficients, fitted, columns.length) }
    plain = leastSquares(values, chosen(), alike, free.length)
  }
}

const workOf = (values: Float64Array, columns: number): number => values.length * columns * (columns + 5) / 2

function leastBelowZero(coefficients: Float64Array, from: number): number | undefined {
  let least: number | undefined
  for (let index = from; index < coefficients.length; index++) {
    if ((coefficients[index] ?? 0) < (least === undefined ? 0 : coefficients[least] ?? 0)) least = index
  }
  return least
}

/** Coefficients at the places of their columns, 0 for those left out. */
function spread(coefficients: Float64Array, used: readonly number[], length: number): Float64Array {
  const all = new Float64Array(length)
  used.forEach((index, position) => { all[index] = coefficients[position] ?? 0 })
  return all
}

function* weighed(first: Fit, values: Float64Array, columns: readonly Float64Array[], free: number): Stepwise<Fit> {
  const weights = new Float64Array(values.length)
  let found = first
  for (let round = 1; round < ROUNDS; round++) {
    const tolerated = deviation(found.rests) * TOLERATED
    for (let row = 0; row < weights.length; row++) {
      const distance = abs(found.rests[row] ?? 0)
      weights[row] = distance > tolerated ? tolerated / distance : 1
    }
    found = leastSquares(values, columns, weights, free)
    yield workOf(values, columns.length)
  }
  return found
}

function leastSquares(values: Float64Array, columns: readonly Float64Array[], weights: Float64Array, free: number): Fit {
  const [width, rows] = [columns.length, values.length]
  const products = new Float64Array(width * width)
  const wanted = new Float64Array(width)
  const weighted = new Float64Array(rows)
  for (let index = 0; index < width; index++) {
    const column = columns[index] ?? values
    for (let row = 0; row < rows; row++) weighted[row] = (column[row] ?? 0) * (weights[row] ?? 0)
    wanted[index] = product(weighted, values)
    for (let other = 0; other <= index; other++) products[index * width + other] = product(weighted, columns[other] ?? column)
    if (index >= free) products[index * width + index] = (products[index * width + index] ?? 0) + RIDGE * rows
  }
  const coefficients = solved(products, wanted)
  return { coefficients, rests: restsOf(values, columns, coefficients) }
}

function restsOf(values: Float64Array, columns: readonly Float64Array[], coefficients: Float64Array): Float64Array {
  const rests = values.slice()
  for (const [index, column] of columns.entries()) {
    const coefficient = coefficients[index] ?? 0
    for (let row = 0; row < rests.length; row++) rests[row] = (rests[row] ?? 0) - coefficient * (column[row] ?? 0)
  }
  return rests
}

function product(one: Float64Array, other: Float64Array): number {
  let sum = 0
  for (let row = 0; row < one.length; row++) sum += (one[row] ?? 0) * (other[row] ?? 0)
  return sum
}

/** By Cholesky: `products` is symmetric, its lower half is given, and becomes the factor. What the rows do not tell is 0. */
function solved(products: Float64Array, wanted: Float64Array): Float64Array {
  const width = wanted.length
  const at = (row: number, column: number): number => products[row * width + column] ?? 0
  for (let row = 0; row < width; row++) {
    for (let column = 0; column <= row; column++) {
      let rest = at(row, column)
      for (let before = 0; before < column; before++) rest -= at(row, before) * at(column, before)
      if (row > column) products[row * width + column] = at(column, column) > 0 ? rest / at(column, column) : 0
      else products[row * width + row] = rest > SAME * at(row, row) ? sqrt(rest) : 0
    }
  }
  const solution = wanted.slice()
  const divided = (index: number): number => at(index, index) > 0 ? (solution[index] ?? 0) / at(index, index) : 0
  for (let row = 0; row < width; row++) {
    for (let before = 0; before < row; before++) solution[row] = (solution[row] ?? 0) - at(row, before) * (solution[before] ?? 0)
    solution[row] = divided(row)
  }
  for (let row = width - 1; row >= 0; row--) {
    for (let after = row + 1; after < width; after++) solution[row] = (solution[row] ?? 0) - at(after, row) * (solution[after] ?? 0)
    solution[row] = divided(row)
  }
  return solution
}

/* The median of numbers. */

/** The median; of an even number of values the mean of the two in the middle. */
export function median(values: ArrayLike<number>): number {
  return medianOf(new Float64Array(values))
}

/** The same; `values` are in order afterwards. */
export function medianOf(values: Float64Array): number {
  values.sort()
  const middle = values.length >> 1
  const upper = values[middle] ?? 0
  return values.length % 2 === 1 ? upper : ((values[middle - 1] ?? 0) + upper) / 2
}
