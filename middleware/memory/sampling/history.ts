/** One hour of samples as they came, and one day of half minutes, in memory that is taken once. */

/** What is sampled once a second. Bytes, but where another unit is named. */
export interface Sample {
  /** ms since 1970. */
  time: number
  rss: number
  /** In use after the last major collection; null before the first. */
  liveHeap: number | null
  heapUsed: number
  heapTotal: number
  external: number
  arrayBuffers: number
  /** What the cgroup uses; null where there is none. */
  cgroup: number | null
  /** The longest that the event loop came late in the interval, ms. */
  loopDelay: number
  inFlight: number
  requestsPerSecond: number
}

/** Samples by columns of equal length, oldest first; null where a value is unknown. */
export type Columns = { [Name in keyof Sample]: Sample[Name][] }

const NAMES = ['time', 'rss', 'liveHeap', 'heapUsed', 'heapTotal', 'external', 'arrayBuffers', 'cgroup', 'loopDelay', 'inFlight', 'requestsPerSecond'] as const satisfies readonly (keyof Sample)[]
/** What of a half minute is its mean; of the rest the most is kept. */
const MEAN = 'requestsPerSecond'

const FINE = 3600
const COARSE = 2880
const COARSE_WIDTH = 30_000

/** Rows of numbers, the oldest overwritten. NaN stands for null. */
class Ring {
  readonly #columns: ReadonlyMap<keyof Sample, Float64Array>
  readonly #capacity: number
  #count = 0

  constructor(capacity: number) {
    this.#capacity = capacity
    this.#columns = new Map(NAMES.map((name) => [name, new Float64Array(capacity)]))
  }

  add(sample: Sample): void {
    const place = this.#count++ % this.#capacity
    for (const [name, column] of this.#columns) column[place] = sample[name] ?? NaN
  }

  columns(): Columns {
    const oldest = this.#count > this.#capacity ? this.#count % this.#capacity : 0
    const length = Math.min(this.#count, this.#capacity)
    const read = (name: keyof Sample): (number | null)[] => {
      const column = this.#columns.get(name) ?? []
      return Array.from({ length }, (_, index) => {
        const value = column[(oldest + index) % this.#capacity] ?? NaN
        return Number.isNaN(value) ? null : value
      })
    }
    return Object.fromEntries(NAMES.map((name) => [name, read(name)])) as unknown as Columns
  }
}

/** An hour of seconds and a day of half minutes. */
export class History {
  readonly #fine = new Ring(FINE)
  readonly #coarse = new Ring(COARSE)
  /** Of the half minute that has begun. */
  #most: Sample | undefined
  #samples = 0
  #sum = 0
  #begun = 0

  /** `now`: ms of a clock that never goes back. */
  add(sample: Sample, now: number): void {
    this.#fine.add(sample)
    if (this.#most !== undefined && now - this.#begun >= COARSE_WIDTH) this.#close(this.#most)
    if (this.#most === undefined) this.#begun = now
    this.#most = most(this.#most, sample)
    this.#sum += sample[MEAN]
    this.#samples++
  }

  /** An hour of seconds. */
  fine(): Columns {
    return this.#fine.columns()
  }

  /** A day of half minutes: the most of each, the mean of requests a second. `time`: when it began. */
  coarse(): Columns {
    return this.#coarse.columns()
  }

  #close(most: Sample): void {
    this.#coarse.add({ ...most, [MEAN]: Math.round(this.#sum / this.#samples * 100) / 100 })
    this.#most = undefined
    this.#samples = 0
    this.#sum = 0
  }
}

/** The time of the first. */
function most(before: Sample | undefined, sample: Sample): Sample {
  if (before === undefined) return { ...sample }
  const result = { ...sample, time: before.time }
  for (const name of NAMES) {
    const known = before[name]
    if (name !== 'time' && known !== null && known > (sample[name] ?? -Infinity)) result[name] = known
  }
  return result
}
