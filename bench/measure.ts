/** Statistics of the benchmark. Pure: numbers in, numbers out. */

/** The middle of several measurements, and how far they lie apart. */
export interface Spread {
  median: number
  min: number
  max: number
}

/** @throws RangeError on no values. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const min = sorted[0]
  const max = sorted.at(-1)
  const upper = sorted[sorted.length >> 1]
  const lower = sorted[(sorted.length - 1) >> 1]
  if (min === undefined || max === undefined || upper === undefined || lower === undefined) {
    throw new RangeError('no values')
  }
  return { median: (lower + upper) / 2, min, max }
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
export function scaled({ median, min, max }: Spread, divisor: number): Spread {
  return { median: median / divisor, min: min / divisor, max: max / divisor }
}
