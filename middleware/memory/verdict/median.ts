/** The median of numbers. */
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
