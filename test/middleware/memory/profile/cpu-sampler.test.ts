import { describe, expect, it } from '@jest/globals'
import type { Profiler } from 'node:inspector'
import { cpuStacks, takeCpuProfile } from '../../../../middleware/memory/profile/cpu-sampler.js'

function node(id: number, functionName: string, scriptId: string, more: Partial<Profiler.ProfileNode> = {}): Profiler.ProfileNode {
  const builtIn = scriptId === '0'
  return { id, callFrame: { functionName, scriptId, url: builtIn ? '' : 'file:///srv/app.js', lineNumber: builtIn ? -1 : 9, columnNumber: builtIn ? -1 : 2 }, ...more }
}

describe('a CPU profile of V8\'s', () => {
  const profile: Profiler.Profile = {
    nodes: [
      node(1, '(root)', '0', { children: [2, 5, 6] }),
      node(2, 'handler', '7', { children: [3, 4], positionTicks: [{ line: 12, ticks: 1 }, { line: 14, ticks: 1 }] }),
      node(3, 'parse', '0'),
      node(4, 'render', '7', { positionTicks: [{ line: 30, ticks: 1 }] }),
      node(5, '(idle)', '0'),
      node(6, '(garbage collector)', '0'),
    ],
    startTime: 1000,
    endTime: 71_000,
    samples: [2, 2, 4, 5, 3, 6],
    timeDeltas: [1000, 10_000, 10_000, 10_000, 20_000, 10_000],
  }

  it('becomes stacks by line with samples and time, each sample until the next, without what was idle', () => {
    expect(cpuStacks(profile).map(({ places, values }) => [places.map(({ name, line, at }) => `${name}:${String(line)}@${String(at)}`), ...values])).toEqual([
      [['handler:10@12'], 1, 10_000_000],
      [['handler:10@14'], 1, 10_000_000],
      [['parse:0@0', 'handler:10@0'], 1, 10_000_000],
      [['render:10@30', 'handler:10@0'], 1, 10_000_000],
      [['(garbage collector):0@0'], 1, 9_000_000],
    ])
  })

  it('may be without samples', () => {
    expect(cpuStacks({ nodes: [node(1, '(root)', '0')], startTime: 0, endTime: 1 })).toEqual([])
  })
})

describe('profiling the processor', () => {
  it('finds what keeps it busy', async () => {
    const work = { goesOn: true, rows: Array.from({ length: 1000 }, (_, index) => ({ index, text: String(index) })) }
    // A loop of its own that V8 replaces while it runs would be counted for its caller.
    const reserialize = (): void => {
      work.rows = JSON.parse(JSON.stringify(work.rows)) as typeof work.rows
      if (work.goesOn) setImmediate(reserialize)
    }
    reserialize()
    const { stacks, duration, time } = await takeCpuProfile(500, new AbortController().signal)
    work.goesOn = false
    expect(stacks.some(({ places }) => places.some(({ name }) => name === 'reserialize'))).toBe(true)
    expect(duration).toBeGreaterThanOrEqual(490)
    expect(Date.now() - time).toBeGreaterThanOrEqual(490)
  })

  it('ends at once when nobody waits for it any more', async () => {
    const controller = new AbortController()
    const profile = takeCpuProfile(3_600_000, controller.signal)
    controller.abort()
    await expect(profile).rejects.toThrow('aborted')
    await expect(takeCpuProfile(3_600_000, controller.signal)).rejects.toThrow('aborted')
  })
})
