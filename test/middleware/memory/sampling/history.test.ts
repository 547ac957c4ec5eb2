/** The hour and the day, with a clock that is moved by hand. */
import { describe, expect, it } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { History, type Sample } from '../../../../middleware/memory/sampling/history.js'

const START = Date.UTC(2026, 0, 1)

function sampleAt(second: number, values: Partial<Sample> = {}): Sample {
  return {
    time: START + second * 1000, rss: 100 + second, liveHeap: 50, heapUsed: 60, heapTotal: 80, external: 5, arrayBuffers: 3, cgroup: null,
    loopDelay: 1, inFlight: 2, requestsPerSecond: 10, ...values,
  }
}

function filled(seconds: number, at: (second: number) => Partial<Sample> = () => ({})): History {
  const history = new History()
  for (let second = 0; second < seconds; second++) history.add(sampleAt(second, at(second)), second * 1000)
  return history
}

describe('the history', () => {
  it('begins empty, with all its columns', () => {
    const { time, rss, liveHeap } = new History().fine()
    expect([time, rss, liveHeap]).toEqual([[], [], []])
  })

  it('has each second of the last hour, oldest first', () => {
    const fine = filled(10_000).fine()
    expect(fine.time).toHaveLength(3600)
    expect([fine.time[0], fine.time.at(-1)]).toEqual([START + 6_400_000, START + 9_999_000])
    expect([fine.rss[0], fine.rss.at(-1)]).toEqual([6500, 10_099])
    expect(new Set(Object.values(fine).map(({ length }) => length))).toEqual(new Set([3600]))
  })

  it('what is unknown is null', () => {
    const { liveHeap, cgroup } = filled(2, (second) => ({ liveHeap: second === 0 ? null : 7, cgroup: second === 0 ? 9 : null })).fine()
    expect(liveHeap).toEqual([null, 7])
    expect(cgroup).toEqual([9, null])
  })

  it('has half minutes of a day: the most of each, the mean of requests a second, null where nothing was known', () => {
    const { time, rss, loopDelay, requestsPerSecond, cgroup, liveHeap } = filled(61, (second) => ({
      rss: second === 10 ? 1000 : 1, loopDelay: second === 29 ? 80 : 1, requestsPerSecond: second < 15 ? 20 : 10, liveHeap: second === 3 ? 4 : null,
    })).coarse()
    expect(time).toEqual([START, START + 30_000])
    expect([rss, loopDelay, requestsPerSecond]).toEqual([[1000, 1], [80, 1], [15, 10]])
    expect([cgroup, liveHeap]).toEqual([[null, null], [4, null]])
  })

  it('holds no more than a day', () => {
    const { time } = filled(90_000).coarse()
    expect(time).toHaveLength(2880)
    expect(time.at(-1)).toBe(START + 89_940_000)
  })

  it('goes on where samples come late', () => {
    const history = new History()
    for (const second of [0, 1, 95, 96, 200]) history.add(sampleAt(second), second * 1000)
    expect(history.coarse().time).toEqual([0, 95].map((second) => START + second * 1000))
  })
})

describe('after a day of samples', () => {
  it('a process holds at most 4 MB for all of it, while its heap is sampled', () => {
    const program = fileURLToPath(new URL('../programs/day.js', import.meta.url))
    const { heap = NaN, external = NaN, sampled, fine, coarse, state } = JSON.parse(execFileSync(process.execPath, ['--expose-gc', program], { encoding: 'utf8' })) as Record<string, number>
    expect([fine, coarse, state]).toEqual([3600, 2879, 'ok'])
    // The app's records are there, and the profiler has seen them.
    expect(sampled).toBeGreaterThan(1_000_000)
    expect(heap + external).toBeLessThan(4_000_000)
  })
})
