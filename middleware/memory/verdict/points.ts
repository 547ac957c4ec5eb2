/** From buckets to the points of a trend: of each quantity, and what it may follow. */
import type { Bucket, Quantity } from './buckets.js'
import { median } from './median.js'
import type { Point } from './trend.js'

/** What memory may follow. RSS also follows V8's heap, at once, or for as long as pages that V8 has given up stay. */
const CAUSES: Readonly<Record<Quantity, readonly (keyof Bucket)[]>> = {
  heap: ['rate', 'rateBefore', 'inFlight'],
  external: ['rate', 'rateBefore', 'inFlight'],
  remainder: ['rate', 'rateBefore', 'inFlight', 'heapTotal', 'largestHeap', 'peakHeap'],
}
/** Sessions and caches with a time to live follow the load of an hour or so. */
const LATELY: readonly (keyof Bucket)[] = ['rateLately']

/** The buckets in which the quantity was measured. */
export function measured(buckets: readonly Bucket[], quantity: Quantity): Bucket[] {
  return buckets.filter((bucket) => !Number.isNaN(bucket[quantity]))
}

export function pointsOf(buckets: readonly Bucket[], quantity: Quantity, followsLately = false): Point[] {
  const causes = followsLately ? [...CAUSES[quantity], ...LATELY] : CAUSES[quantity]
  return measured(buckets, quantity).map((bucket) => (
    { time: bucket.time, value: bucket[quantity], requests: bucket.requests, causes: causes.map((cause) => bucket[cause]) }))
}

/** The median of the quantity, octets; NaN where it was never measured. */
export function levelOf(buckets: readonly Bucket[], quantity: Quantity): number {
  const heapOf = ({ largestHeap }: Bucket): number => quantity === 'remainder' ? largestHeap : 0
  const values = measured(buckets, quantity).map((bucket) => bucket[quantity] - heapOf(bucket))
  return values.length > 0 ? median(values) : NaN
}
