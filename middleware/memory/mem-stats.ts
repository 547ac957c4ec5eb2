/** Go's MemStats, each name with its counterpart in Node. */
import { getHeapStatistics } from 'node:v8'
import type { GcSummary } from './gc-log.js'

/** A number, or null where there is no counterpart. */
export interface MemStats {
  HeapAlloc: number
  HeapSys: number
  NextGC: number | null
  NumGC: number
  PauseTotalNs: number
  PauseNs: readonly number[]
  PauseEnd: readonly number[]
  LastGC: number
}

export function memStats({ major, pauseTotalNs, pauseNs, pauseEnd, lastGc }: GcSummary): MemStats {
  const heap = getHeapStatistics()
  return {
    HeapAlloc: heap.used_heap_size,
    HeapSys: heap.total_heap_size,
    NextGC: null,
    NumGC: major,
    PauseTotalNs: pauseTotalNs,
    PauseNs: pauseNs,
    PauseEnd: pauseEnd,
    LastGC: lastGc,
  }
}

/** Where each comes from, or why there is no counterpart, in plain words. */
export const MEM_STATS_SOURCES: Readonly<Record<keyof MemStats, string>> = {
  HeapAlloc: 'used_heap_size of V8',
  HeapSys: 'total_heap_size of V8',
  NextGC: 'none: V8 decides as it goes',
  NumGC: 'major collections since installation',
  PauseTotalNs: 'their pauses together',
  PauseNs: 'their last 256 pauses, circular',
  PauseEnd: 'when these ended, ms since 1970',
  LastGC: 'when the last of them ended, ms since 1970',
}
