/** Go's runtime.MemStats, every name with its honest counterpart in Node, or null where there is none. */
import { getHeapStatistics, type HeapInfo } from 'node:v8'

/** What `memStats()` needs to know of the collections since installation; `GcSummary` of gc-log.ts is one. */
export interface CollectionCounts {
  /** Major collections. */
  readonly major: number
  readonly forced: number
  /** Of all pauses together, nanoseconds. */
  readonly pauseTotalNs: number
  readonly minorPauseTotalNs: number
  /** Circular as Go's, of the last 256 major collections: nanoseconds; ms since 1970. */
  readonly pauseNs: readonly number[]
  readonly pauseEnd: readonly number[]
  /** ms since 1970; 0 if there was none. */
  readonly lastGc: number
}

/** Bytes and counts, with the names, the order and the units of Go 1.19; null: V8 has no counterpart. */
export interface MemStats {
  Alloc: number
  TotalAlloc: number | null
  Sys: number
  Lookups: null
  Mallocs: null
  Frees: null
  HeapAlloc: number
  HeapSys: number
  HeapIdle: number
  HeapInuse: number
  HeapReleased: number
  HeapObjects: null
  StackInuse: null
  StackSys: null
  MSpanInuse: null
  MSpanSys: null
  MCacheInuse: null
  MCacheSys: null
  BuckHashSys: null
  GCSys: null
  OtherSys: number
  NextGC: null
  /** ns since 1970; 0 if there was none. */
  LastGC: number
  PauseTotalNs: number
  /** Always 256; the pause of major collection number n, from 1, is at index (n + 255) % 256. */
  PauseNs: readonly number[]
  /** ns since 1970. */
  PauseEnd: readonly number[]
  NumGC: number
  NumForcedGC: number
  /** From 0 to 1. */
  GCCPUFraction: number
  EnableGC: boolean
  DebugGC: boolean
  BySize: null
  /** No member of Go's MemStats, but printed with it. */
  MaxRSS: number
}

/** Where each comes from, or why there is no counterpart. */
export const MEM_STATS_SOURCES: Readonly<Record<keyof MemStats, string>> = {
  Alloc: 'the same as HeapAlloc',
  TotalAlloc: 'total_allocated_bytes of V8, from Node 26 on; before, V8 does not keep the sum of what was ever allocated',
  Sys: 'total_heap_size + external_memory + malloced_memory of V8; RSS has more in it, the program itself for instance',
  Lookups: 'none: Go itself always says 0',
  Mallocs: 'none: V8 does not count objects as they are allocated',
  Frees: 'none: V8 does not count objects as they are freed',
  HeapAlloc: 'used_heap_size of V8; garbage is part of it until it is collected',
  HeapSys: 'total_heap_size of V8; Buffers and ArrayBuffers are outside of it',
  HeapIdle: 'HeapSys - HeapInuse, which is approximate: V8 does not count free pages, and free room within used pages is part of this',
  HeapInuse: 'the same as HeapAlloc: V8 has no count of pages in use',
  HeapReleased: 'total_heap_size - total_physical_size of V8, at least 0, which is approximate: pages that were never touched are part of this',
  HeapObjects: 'none: counting objects takes a heap snapshot',
  StackInuse: 'none: the stack belongs to the thread, not to V8; its size is fixed (--stack-size)',
  StackSys: 'none, as StackInuse',
  MSpanInuse: 'none: V8 has no such structure',
  MSpanSys: 'none: V8 has no such structure',
  MCacheInuse: 'none: V8 has no such structure',
  MCacheSys: 'none: V8 has no such structure',
  BuckHashSys: 'none: V8 does not say what its profilers take',
  GCSys: 'none: V8 does not say what its collector takes',
  OtherSys: 'malloced_memory of V8',
  NextGC: 'none: V8 decides as it goes; heap_size_limit is a ceiling, not a goal',
  LastGC: 'when the last major collection since installation ended, ns since 1970',
  PauseTotalNs: 'the pauses of major collections since installation together',
  PauseNs: 'pauses of the last 256 major collections, circular; the steps that V8 takes between requests are not in them',
  PauseEnd: 'when these ended, ns since 1970',
  NumGC: 'major collections since installation; minor ones are not in it',
  NumForcedGC: 'collections since installation that somebody asked for, this endpoint for instance',
  GCCPUFraction: 'pauses of major and minor collections since installation, as a share of the time since the process started; work on other threads is not in it',
  EnableGC: 'always true',
  DebugGC: 'always false',
  BySize: 'none: V8 does not count objects by size',
  MaxRSS: 'the highest RSS so far, resourceUsage().maxRSS',
}

const PAUSES = 256
const NS_PER_MS = 1_000_000

/** Takes microseconds, and forces no collection. `heap`: the statistics to tell of. Default: those of now. */
export function memStats(gc: CollectionCounts, heap: HeapInfo & { total_allocated_bytes?: number } = getHeapStatistics()): MemStats {
  const inUse = heap.used_heap_size
  return {
    Alloc: inUse,
    TotalAlloc: heap.total_allocated_bytes ?? null,
    Sys: heap.total_heap_size + heap.external_memory + heap.malloced_memory,
    Lookups: null,
    Mallocs: null,
    Frees: null,
    HeapAlloc: inUse,
    HeapSys: heap.total_heap_size,
    HeapIdle: Math.max(0, heap.total_heap_size - inUse),
    HeapInuse: inUse,
    HeapReleased: Math.max(0, heap.total_heap_size - heap.total_physical_size),
    HeapObjects: null,
    ...NO_COUNTERPART,
    OtherSys: heap.malloced_memory,
    NextGC: null,
    LastGC: Math.round(gc.lastGc * NS_PER_MS),
    PauseTotalNs: Math.round(gc.pauseTotalNs),
    PauseNs: ring(gc.pauseNs, 1),
    PauseEnd: ring(gc.pauseEnd, NS_PER_MS),
    NumGC: gc.major,
    NumForcedGC: gc.forced,
    GCCPUFraction: Math.min(1, (gc.pauseTotalNs + gc.minorPauseTotalNs) / (performance.now() * NS_PER_MS)),
    EnableGC: true,
    DebugGC: false,
    BySize: null,
    MaxRSS: process.resourceUsage().maxRSS * 1024,
  }
}

const NO_COUNTERPART = {
  StackInuse: null,
  StackSys: null,
  MSpanInuse: null,
  MSpanSys: null,
  MCacheInuse: null,
  MCacheSys: null,
  BuckHashSys: null,
  GCSys: null,
} as const

/** Whole numbers, as Go's. */
function ring(values: readonly number[], factor: number): number[] {
  return Array.from({ length: PAUSES }, (_, index) => Math.round((values[index] ?? 0) * factor))
}
