/** What the leak detector is told, and what it says. */
import type { Quantity } from './buckets.js'

/**
 * - `warming`: too little is known.
 * - `ok`: no growth that stands out from the noise.
 * - `growing`: growth, which may still be a cache that fills, or the load's.
 * - `leak-suspected`: the live heap grows at like load, steadily and for long.
 * - `native-growth`: so does memory outside the heap.
 */
export type VerdictState = 'warming' | 'ok' | 'growing' | 'leak-suspected' | 'native-growth'

/** A major collection. */
export interface CollectionInput {
  /** ms, of any clock that never goes back. */
  time: number
  /** Bytes in use after it, the new space left out. */
  live: number
  /** `process.memoryUsage().external` after it: Buffers and ArrayBuffers are part of it. */
  external: number
}

/** What is sampled once a second or so. Bytes. */
export interface SampleInput {
  /** ms, of the same clock. */
  time: number
  rss: number
  heapTotal: number
  external: number
  /** Requests a second since the last sample. */
  requestsPerSecond: number
  inFlight: number
  /** `heap_size_limit`. */
  heapLimit: number
  /** Limit and use of the cgroup; no limit: null. Without `memoryUsed` the process' RSS counts. */
  memoryLimit?: number | null
  memoryUsed?: number | null
}

/** A place in the code that holds more than at the mark. */
export interface GrownCallSite {
  /** Of the function. */
  name: string
  url: string
  line: number
  /** Bytes since the mark. */
  growth: number
}

/** Where allocations are seen, the sampling heap profiler: `mark` is called when growth begins, `grown` when it is suspected. */
export interface CallSiteSource {
  mark: () => void | Promise<void>
  /** Most grown first. */
  grown: () => readonly GrownCallSite[] | Promise<readonly GrownCallSite[]>
}

/** What a verdict rests on. Bytes and seconds. */
export interface Evidence {
  /** What grows; `heap` where nothing does. `remainder`: RSS without external memory, and not because of V8's heap. */
  quantity: Quantity
  /** Its slope at like load. */
  bytesPerSecond: number
  /** What the slope makes over `span` seconds. */
  growth: number
  span: number
  /** The least growth in `span` seconds that would have been told. */
  leastGrowth: number
  /** By how much values differ by chance, load taken out. */
  noise: number
  /** Its median. */
  level: number
  /** Periods with a value, and how many are needed for a verdict. */
  points: number
  pointsNeeded: number
  /** Major collections that were judged: those of the first minutes, and of a period that is not over, are none of them. */
  collections: number
  /** Whether load went up and down enough to be told from growth. */
  likeLoad: boolean
  /** Seconds until the nearer limit at this slope; null where nothing grows or no limit is known. */
  timeToLimit: number | null
  limit: 'heap' | 'cgroup' | null
  callSites: readonly GrownCallSite[]
}

/** What the leak detector says, with its evidence. */
export interface Verdict {
  state: VerdictState
  /** ms of the inputs' clock: when this state began. */
  since: number
  /** In plain words. */
  sentence: string
  evidence: Evidence
}
