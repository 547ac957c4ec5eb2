/** Time in buckets of one width: the lowest live heap, external and other native memory in each, and its mean load. */

/** What one bucket has seen. Memory in octets; NaN where nothing was measured. */
export interface Bucket {
  /** Middle of the bucket, ms. */
  readonly time: number
  readonly heap: number
  readonly external: number
  /**
   * Least RSS that neither V8's heap, at its largest in this bucket and the three before, nor external memory explains:
   * pages that V8 has given up often stay resident for a while.
   */
  readonly remainder: number
  /** Requests a second, the bucket before included: memory follows load with a delay. */
  readonly rate: number
  readonly inFlight: number
  /** Requests since the first bucket, about. */
  readonly requests: number
  readonly collections: number
}

/** The quantities that are watched. */
export type Quantity = 'heap' | 'external' | 'remainder'

/** Octets, and requests. */
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
  largestHeap: number
  rate: number
  inFlight: number
  samples: number
  collections: number
}

const HEAPS_BEFORE = 3

const fresh = (): OpenBucket => ({ heap: NaN, external: NaN, remainder: NaN, largestHeap: 0, rate: 0, inFlight: 0, samples: 0, collections: 0 })
const lower = (floor: number, value: number): number => floor <= value ? floor : value

export class Buckets {
  /** Closed ones, oldest first, at most `capacity`. */
  readonly closed: Bucket[] = []
  readonly #width: number
  readonly #capacity: number
  #index = -1
  #requests = 0
  /** Of the buckets before. */
  readonly #largestHeaps: number[] = []
  #open = fresh()
  #last = { rate: NaN, inFlight: NaN }

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
    open.remainder = lower(open.remainder, Math.max(0, rss - Math.max(open.largestHeap, ...this.#largestHeaps) - external))
  }

  #close(): void {
    const { heap, external, remainder, largestHeap, samples, collections, ...sums } = this.#open
    const own = { rate: samples > 0 ? sums.rate / samples : this.#last.rate, inFlight: samples > 0 ? sums.inFlight / samples : this.#last.inFlight }
    if (own.rate > 0) this.#requests += own.rate * this.#width / 1000
    const mean = (value: number, before: number): number => Number.isNaN(before) ? value : (value + before) / 2
    this.closed.push({
      time: (this.#index + 0.5) * this.#width,
      heap, external, remainder, collections,
      rate: mean(own.rate, this.#last.rate), inFlight: mean(own.inFlight, this.#last.inFlight), requests: this.#requests,
    })
    if (this.closed.length > this.#capacity) this.closed.shift()
    this.#largestHeaps.push(largestHeap)
    if (this.#largestHeaps.length > HEAPS_BEFORE) this.#largestHeaps.shift()
    this.#last = own
    this.#open = fresh()
  }
}
