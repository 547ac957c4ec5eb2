/** Time in buckets of one width: the lowest live heap, external memory and RSS in each, and its mean load. */
import { median } from './regression.js'
import type { Point } from './trend.js'

/** What one bucket has seen. Memory in bytes; NaN where nothing was measured. */
export interface Bucket {
  /** Middle of the bucket, ms. */
  readonly time: number
  readonly heap: number
  readonly external: number
  /** Least RSS without external memory. */
  readonly remainder: number
  /** V8's heap, used or not, at that moment, */
  readonly heapTotal: number
  /** at its largest in this bucket and the nine before: pages that V8 has given up often stay resident for a while, */
  readonly largestHeap: number
  /** and at its largest since the first bucket: some stay for good. */
  readonly peakHeap: number
  /** Requests a second. */
  readonly rate: number
  /** The same in the bucket before: memory follows load with a delay. */
  readonly rateBefore: number
  /** The same in this bucket and those before, each of them counting for a share less. */
  readonly rateLately: number
  readonly inFlight: number
  /** Requests since the first bucket, about. */
  readonly requests: number
  readonly collections: number
}

/** The quantities that are watched. */
export type Quantity = 'heap' | 'external' | 'remainder'

/** Bytes, and requests. */
export interface BucketSample {
  rss: number
  heapTotal: number
  external: number
  requestsPerSecond: number
  inFlight: number
}

interface OpenBucket {
  heap: number
  external: number
  remainder: number
  heapTotal: number
  largestHeap: number
  rate: number
  inFlight: number
  samples: number
  collections: number
}

const LARGEST_HEAP_BUCKETS = 10
/** What a bucket counts for in the load lately. */
const RECENT_LOAD_WEIGHT = 0.2

const fresh = (): OpenBucket => ({ heap: NaN, external: NaN, remainder: NaN, heapTotal: NaN, largestHeap: 0, rate: 0, inFlight: 0, samples: 0, collections: 0 })
const lower = (floor: number, value: number): number => floor <= value ? floor : value

/** Buckets of one width: the one that is filled, and those that are closed. */
export class Buckets {
  /** Closed ones, oldest first, at most `capacity`. */
  readonly closed: Bucket[] = []
  readonly #width: number
  readonly #capacity: number
  #index = -1
  #requests = 0
  /** Of the latest buckets. */
  readonly #largestHeaps: number[] = []
  #peakHeap = 0
  #open = fresh()
  #last = { rate: NaN, inFlight: NaN }
  #rateLately = NaN

  constructor(width: number, capacity: number) {
    this.#width = width
    this.#capacity = capacity
  }

  /** Whether a bucket was closed by that time having come. */
  advance(time: number): boolean {
    const index = Math.floor(time / this.#width)
    if (index <= this.#index) return false
    const closes = this.#open.samples > 0 || this.#open.collections > 0
    if (closes) this.#close()
    this.#index = index
    return closes
  }

  collection(live: number, external: number): void {
    const open = this.#open
    open.collections++
    open.heap = lower(open.heap, live)
    open.external = lower(open.external, external)
  }

  sample({ rss, heapTotal, external, requestsPerSecond, inFlight }: BucketSample): void {
    const open = this.#open
    open.largestHeap = Math.max(open.largestHeap, heapTotal)
    open.samples++
    open.rate += requestsPerSecond
    open.inFlight += inFlight
    if (rss - external >= open.remainder) return
    open.remainder = rss - external
    open.heapTotal = heapTotal
  }

  #close(): void {
    const { largestHeap, samples, rate, inFlight, ...floors } = this.#open
    const own = samples > 0 ? { rate: rate / samples, inFlight: inFlight / samples } : this.#last
    if (own.rate > 0) this.#requests += own.rate * this.#width / 1000
    this.#rateLately = Number.isNaN(this.#rateLately) ? own.rate : this.#rateLately + RECENT_LOAD_WEIGHT * (own.rate - this.#rateLately)
    this.#largestHeaps.push(largestHeap)
    if (this.#largestHeaps.length > LARGEST_HEAP_BUCKETS) this.#largestHeaps.shift()
    this.#peakHeap = Math.max(this.#peakHeap, largestHeap)
    this.closed.push({
      time: (this.#index + 0.5) * this.#width,
      ...floors, ...own, largestHeap: Math.max(...this.#largestHeaps), peakHeap: this.#peakHeap,
      rateBefore: Number.isNaN(this.#last.rate) ? own.rate : this.#last.rate, rateLately: this.#rateLately, requests: this.#requests,
    })
    if (this.closed.length > this.#capacity) this.closed.shift()
    this.#last = own
    this.#open = fresh()
  }
}

/* From buckets to the points of a trend: of each quantity, and what it may follow. */

/** What memory may follow. RSS also follows V8's heap, at once, or for as long as pages that V8 has given up stay. */
const DRIVERS: Readonly<Record<Quantity, readonly (keyof Bucket)[]>> = {
  heap: ['rate', 'rateBefore', 'inFlight'],
  external: ['rate', 'rateBefore', 'inFlight'],
  remainder: ['rate', 'rateBefore', 'inFlight', 'heapTotal', 'largestHeap', 'peakHeap'],
}
/** Sessions and caches with a time to live follow the load of an hour or so. */
const RECENT_LOAD: readonly (keyof Bucket)[] = ['rateLately']

/** The buckets in which the quantity was measured. */
export function measuredBuckets(buckets: readonly Bucket[], quantity: Quantity): Bucket[] {
  return buckets.filter((bucket) => !Number.isNaN(bucket[quantity]))
}

/** The floors of a quantity as the points of a trend, each with the load that may explain it. */
export function pointsOf(buckets: readonly Bucket[], quantity: Quantity, followsLately = false): Point[] {
  const causes = followsLately ? [...DRIVERS[quantity], ...RECENT_LOAD] : DRIVERS[quantity]
  return measuredBuckets(buckets, quantity).map((bucket) => (
    { time: bucket.time, value: bucket[quantity], requests: bucket.requests, causes: causes.map((cause) => bucket[cause]) }))
}

/** The median of the quantity, bytes; NaN where it was never measured. */
export function levelOf(buckets: readonly Bucket[], quantity: Quantity): number {
  const heapOf = ({ largestHeap }: Bucket): number => quantity === 'remainder' ? largestHeap : 0
  const values = measuredBuckets(buckets, quantity).map((bucket) => bucket[quantity] - heapOf(bucket))
  return values.length > 0 ? median(values) : NaN
}

/**
 * What growth of the quantity is a share of, bytes; undefined: its own level. An app may hold little in Buffers: a cache of them multiplies
 * that and does no harm. So they are compared with all that is collected.
 */
export function comparedWith(buckets: readonly Bucket[], quantity: Quantity): number | undefined {
  return quantity === 'external' ? levelOf(buckets, 'heap') + levelOf(buckets, 'external') : undefined
}
