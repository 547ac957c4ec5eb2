/** The statistics of benchmarks, tests and tools: the only ones. Pure: numbers in, numbers out. */

/** The middle of several measurements, and how far they lie apart. */
export interface Spread {
  median: number
  min: number
  max: number
}

/** Of the normal distribution, two-sided. */
const Z_95 = 1.96

/** The mean; NaN of no values. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The value below which a share of the values is, 0 to 1: between two of them in proportion. NaN of no values. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort()
  const position = share * (sorted.length - 1)
  const below = sorted[Math.floor(position)] ?? NaN
  const above = sorted[Math.ceil(position)] ?? NaN
  return below + (above - below) * (position - Math.floor(position))
}

/** The middle value, or the mean of the two middle ones; NaN of no values. */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5)
}

/** @throws RangeError on no values. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values')
  return { median: median(values), min: quantile(values, 0), max: quantile(values, 1) }
}

/**
 * How many times as dear `subject` is as `reference`, round by round: the two were measured one after the
 * other, so what disturbed the machine in a round disturbed both.
 *
 * @throws RangeError where the rounds do not match.
 */
export function ratio(subject: readonly number[], reference: readonly number[]): Spread {
  if (subject.length !== reference.length) throw new RangeError('not the same rounds')
  return spread(subject.map((value, round) => value / (reference[round] ?? NaN)))
}

/** The same measurements in a unit that is `divisor` times as large. */
export function scaled({ median: middle, min, max }: Spread, divisor: number): Spread {
  return { median: middle / divisor, min: min / divisor, max: max / divisor }
}

/** Where the true median is in 95 of 100 cases, by the sign test's interval. @throws RangeError on no values. */
export function medianInterval(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values')
  const reach = Z_95 / 2 / Math.sqrt(values.length)
  return { median: median(values), min: quantile(values, Math.max(0, 0.5 - reach)), max: quantile(values, Math.min(1, 0.5 + reach)) }
}
