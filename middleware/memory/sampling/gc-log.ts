/**
 * What the garbage collector does: counted, with the pauses of the last 256 major collections. Node delivers several
 * collections in one batch, and every one of a batch counts.
 */
import { constants, PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import type { CollectionInput } from '../leak-detector/verdict.js'

/** Counted since installation. */
export interface GcSummary {
  /** Major collections (kind 4), minor ones (scavenges), incremental marking steps and weak-callback passes apart. */
  major: number
  minor: number
  incremental: number
  weakCallbacks: number
  /** Those of all of them that were asked for: by the endpoint, by `gc()`, by a profiler. */
  forced: number
  /** Nanoseconds of all pauses of major collections together, and of minor ones. */
  pauseTotalNs: number
  minorPauseTotalNs: number
  /** Circular as Go's: the pause of major collection number n (from 1) is at index (n + 255) % 256. Nanoseconds; ms since 1970. */
  pauseNs: readonly number[]
  pauseEnd: readonly number[]
  /** ms since 1970 of the last major collection; 0 if there was none. */
  lastGc: number
}

/** How many collections there were, by kind. */
export type GcCounts = Readonly<Omit<GcSummary, 'pauseNs' | 'pauseEnd' | 'lastGc'>>

/** A major collection. `time`: ms since 1970 when it ended. */
export interface Pause {
  time: number
  durationMs: number
  forced: boolean
}

/** The last major collections, oldest first, at most 256. */
export interface PauseColumns {
  time: number[]
  durationMs: number[]
  forced: boolean[]
}

/** What is told of collections. */
export interface GcLogOptions {
  /** Called with each major collection. */
  onPause?: (pause: Pause) => void
  /** Called once for a batch with major collections in it, with the live heap as it is then: collections cannot be told apart later. */
  onCollection?: (collection: CollectionInput) => void
}

const PAUSES = 256
/** Minor collections of V8's other kind (`--minor-ms`); its constant is younger than Node 20. */
const MINOR_MARK_SWEEP = 2
const FORCED_FLAGS = constants.NODE_PERFORMANCE_GC_FLAGS_FORCED | constants.NODE_PERFORMANCE_GC_FLAGS_ALL_AVAILABLE_GARBAGE
/** Entries come later than the collection: so many stretches of time with a forced one are remembered. */
const REMEMBERED = 16

interface Stretch {
  readonly from: number
  to: number
}

/** Counts collections, and keeps the last pauses. */
export class GcLog {
  readonly #options: GcLogOptions
  readonly #observer: PerformanceObserver
  readonly #ns = new Float64Array(PAUSES)
  readonly #end = new Float64Array(PAUSES)
  readonly #forced = new Uint8Array(PAUSES)
  readonly #counts = { major: 0, minor: 0, incremental: 0, weakCallbacks: 0, forced: 0, pauseTotalNs: 0, minorPauseTotalNs: 0 }
  readonly #stretches: Stretch[] = []
  #liveHeap: number | null = null

  constructor(options: GcLogOptions = {}) {
    this.#options = options
    this.#observer = new PerformanceObserver((list) => { this.#add(list.getEntries()) })
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  /** Bytes in use after the last major collection, the new space left out; null before the first. */
  get liveHeap(): number | null {
    return this.#liveHeap
  }

  counts(): GcCounts {
    this.flush()
    return this.#counts
  }

  summary(): GcSummary {
    const counts = this.counts()
    const { major } = counts
    return {
      ...counts,
      pauseNs: [...this.#ns],
      pauseEnd: [...this.#end],
      lastGc: major === 0 ? 0 : this.#end[this.#place(major)] ?? 0,
    }
  }

  pauses(): PauseColumns {
    this.flush()
    const { major } = this.#counts
    const columns: PauseColumns = { time: [], durationMs: [], forced: [] }
    for (let number = Math.max(1, major - PAUSES + 1); number <= major; number++) {
      const place = this.#place(number)
      columns.time.push(this.#end[place] ?? 0)
      columns.durationMs.push(milliseconds(this.#ns[place] ?? 0))
      columns.forced.push(this.#forced[place] === 1)
    }
    return columns
  }

  /** Marks what is collected while the work runs as forced: V8's flags do not tell of a profiler's collections on Node 20 to 24. */
  async forcing<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    const stretch: Stretch = { from: performance.now(), to: Infinity }
    this.#stretches.push(stretch)
    if (this.#stretches.length > REMEMBERED) this.#stretches.shift()
    try {
      return await work()
    } finally {
      stretch.to = performance.now()
    }
  }

  /** Counts what Node holds ready already; what V8 has told Node alone comes with the next turn of the event loop. */
  flush(): void {
    this.#add(this.#observer.takeRecords())
  }

  /** Counts no more; what was counted stays. */
  close(): void {
    this.flush()
    this.#observer.disconnect()
  }

  #add(entries: readonly PerformanceEntry[]): void {
    const before = this.#counts.major
    for (const entry of entries) this.#count(entry)
    if (this.#counts.major === before) return
    const { live, external } = aliveNow()
    this.#liveHeap = live
    this.#options.onCollection?.({ time: performance.now(), live, external })
  }

  #count(entry: PerformanceEntry): void {
    const { kind, flags } = detailOf(entry)
    const counts = this.#counts
    const ns = Math.round(entry.duration * 1e6)
    const forced = (flags & FORCED_FLAGS) !== 0 || this.#stretches.some(({ from, to }) => entry.startTime >= from && entry.startTime <= to)
    if (forced) counts.forced++
    switch (kind) {
      case constants.NODE_PERFORMANCE_GC_MAJOR:
        counts.major++
        counts.pauseTotalNs += ns
        this.#keep(counts.major, ns, entry, forced)
        break
      case constants.NODE_PERFORMANCE_GC_MINOR:
      case MINOR_MARK_SWEEP:
        counts.minor++
        counts.minorPauseTotalNs += ns
        break
      case constants.NODE_PERFORMANCE_GC_INCREMENTAL:
        counts.incremental++
        break
      case constants.NODE_PERFORMANCE_GC_WEAKCB:
        counts.weakCallbacks++
        break
    }
  }

  #keep(number: number, ns: number, { startTime, duration }: PerformanceEntry, forced: boolean): void {
    const place = this.#place(number)
    // Not by timeOrigin: the system's clock may have been set since.
    const time = Math.round(Date.now() - (performance.now() - startTime - duration))
    this.#ns[place] = ns
    this.#end[place] = time
    this.#forced[place] = forced ? 1 : 0
    this.#options.onPause?.({ time, durationMs: milliseconds(ns), forced })
  }

  #place(number: number): number {
    return (number + PAUSES - 1) % PAUSES
  }
}

/** Typed as anything at all by @types/node. */
function detailOf(entry: PerformanceEntry): { kind: number; flags: number } {
  const { kind, flags = 0 } = (entry as unknown as { detail: { kind: number; flags?: number } }).detail
  return { kind, flags }
}

/** To the microsecond. */
function milliseconds(ns: number): number {
  return Math.round(ns / 1000) / 1000
}

/** What was allocated since the collection is in the new space for the most part. */
function aliveNow(): { live: number; external: number } {
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_used_size ?? 0
  return { live: getHeapStatistics().used_heap_size - young, external: process.memoryUsage().external }
}
