import { describe, expect, it } from '@jest/globals'
import { getHeapStatistics } from 'node:v8'
import { memStats, MEM_STATS_SOURCES } from '../../../../middleware/memory/sampling/mem-stats.js'

/** The members of runtime.MemStats, in Go's order. */
const GO = [
  'Alloc', 'TotalAlloc', 'Sys', 'Lookups', 'Mallocs', 'Frees', 'HeapAlloc', 'HeapSys', 'HeapIdle', 'HeapInuse', 'HeapReleased',
  'HeapObjects', 'StackInuse', 'StackSys', 'MSpanInuse', 'MSpanSys', 'MCacheInuse', 'MCacheSys', 'BuckHashSys', 'GCSys', 'OtherSys',
  'NextGC', 'LastGC', 'PauseTotalNs', 'PauseNs', 'PauseEnd', 'NumGC', 'NumForcedGC', 'GCCPUFraction', 'EnableGC', 'DebugGC', 'BySize',
]

const gc = {
  major: 2,
  forced: 1,
  pauseTotalNs: 3_000_000.4,
  minorPauseTotalNs: 500_000,
  pauseNs: [1_000_000.4, 2_000_000],
  pauseEnd: [1_700_000_000_000, 1_700_000_001_000.5],
  lastGc: 1_700_000_001_000.5,
}

describe('memStats', () => {
  it('has every name of Go, in its order, and says of each where it comes from', () => {
    expect(Object.keys(memStats(gc))).toEqual([...GO, 'MaxRSS'])
    expect(Object.keys(MEM_STATS_SOURCES)).toEqual([...GO, 'MaxRSS'])
  })

  it('says null where there is no counterpart, and why', () => {
    const missing = Object.entries(memStats(gc)).filter(([, value]) => value === null).map(([name]) => name)
    expect(missing.filter((name) => name !== 'TotalAlloc')).toEqual(['Lookups', 'Mallocs', 'Frees', 'HeapObjects', 'StackInuse', 'StackSys',
      'MSpanInuse', 'MSpanSys', 'MCacheInuse', 'MCacheSys', 'BuckHashSys', 'GCSys', 'NextGC', 'BySize'])
    for (const [name, source] of Object.entries(MEM_STATS_SOURCES)) {
      expect([name, source.startsWith('none')]).toEqual([name, missing.includes(name) && name !== 'TotalAlloc'])
    }
  })

  it('knows the sum of all allocations where V8 does', () => {
    expect(memStats(gc).TotalAlloc === null).toBe(!('total_allocated_bytes' in getHeapStatistics()))
  })

  it('makes sums of the heap that fit together', () => {
    const { HeapAlloc, Alloc, HeapInuse, HeapIdle, HeapSys, HeapReleased, Sys, OtherSys, MaxRSS } = memStats(gc)
    expect([Alloc, HeapInuse]).toEqual([HeapAlloc, HeapAlloc])
    expect(HeapInuse + HeapIdle).toBe(HeapSys)
    expect(HeapReleased).toBeGreaterThanOrEqual(0)
    expect(Sys).toBeGreaterThanOrEqual(HeapSys + OtherSys)
    expect(MaxRSS).toBeGreaterThan(10_000_000)
    expect(MaxRSS).toBeLessThanOrEqual(process.resourceUsage().maxRSS * 1024)
  })

  it('counts pauses as Go does: 256 of them, whole nanoseconds', () => {
    const stats = memStats(gc)
    expect(stats.PauseNs).toHaveLength(256)
    expect(stats.PauseNs.slice(0, 3)).toEqual([1_000_000, 2_000_000, 0])
    expect(stats.PauseEnd.slice(0, 3)).toEqual([1_700_000_000_000_000_000, 1_700_000_001_000_500_000, 0])
    expect(stats).toMatchObject({ LastGC: 1_700_000_001_000_500_000, PauseTotalNs: 3_000_000, NumGC: 2, NumForcedGC: 1, EnableGC: true, DebugGC: false })
    expect(stats.GCCPUFraction).toBeGreaterThan(0)
    expect(stats.GCCPUFraction).toBeLessThan(1)
  })
})
