import { describe, expect, it } from '@jest/globals'
import { memStats } from '../../../../middleware/memory/sampling/mem-stats.js'
import { heapText } from '../../../../middleware/memory/profile/heap-text.js'
import { SourceMaps } from '../../../../middleware/memory/profile/source-maps.js'
import type { Frame, FrameStack } from '../../../../middleware/memory/profile/stacks.js'
import { SymbolTable } from '../../../../middleware/memory/profile/symbols.js'
import { parseHeapPage } from './support/heap-page.js'

const gc = { major: 3, forced: 1, pauseTotalNs: 9, minorPauseTotalNs: 4, pauseNs: [2, 3, 4], pauseEnd: [5, 6, 7], lastGc: 7 }

function pageOf(stacks: FrameStack[], symbols = new SymbolTable()): string {
  return heapText({ stacks, symbols, before: { stats: memStats(gc), rss: 123 }, liveHeap: 99, pauseMs: 51.26, interval: 524_288 })
}

function frame(name: string, file: string, line: number): Frame {
  return { name, file, line, at: line }
}

const remember = frame('remember', '/srv/app/src/visits.ts', 15)
const handler = frame('handleVisit', '/srv/app/src/routes.ts', 4)

describe('the text form of the heap profile', () => {
  it('is Go\'s page, largest first, every field of its MemStats there', () => {
    const page = parseHeapPage(pageOf([
      { frames: [handler], values: [1, 600_000] },
      { frames: [remember, handler], values: [4, 2_100_000] },
    ]))
    expect(page.header).toEqual({ samples: 5, bytes: 2_700_000, rate: 2 })
    expect(page.records.map(({ samples, bytes, frames }) => [samples, bytes, frames.map(({ name, file, line }) => `${name} ${file}:${String(line)}`)])).toEqual([
      [4, 2_100_000, ['remember /srv/app/src/visits.ts:15', 'handleVisit /srv/app/src/routes.ts:4']],
      [1, 600_000, ['handleVisit /srv/app/src/routes.ts:4']],
    ])
    expect([page.stats.get('NumGC'), page.stats.get('LastGC')]).toEqual(['3', '7000000'])
    expect(page.stats.get('Lookups')).toBe('none')
    expect(page.stats.get('Stack')).toBe('none / none')
    expect(Number(page.stats.get('HeapAlloc'))).toBeGreaterThan(1_000_000)
  })

  it('says that a collection was forced, what is estimated, and where each number comes from', () => {
    const { notes } = parseHeapPage(pageOf([]))
    const text = notes.join('\n')
    expect(text).toMatch(/^A full garbage collection was forced .*\n.*for 51\.3 ms/m)
    expect(text).toMatch(/^HeapAlloc after collection = 99$/m)
    expect(text).toMatch(/^RSS = 123$/m)
    expect(text).toMatch(/estimates/)
    for (const name of ['HeapSys', 'HeapReleased', 'Lookups', 'NextGC', 'MaxRSS']) expect(text).toMatch(new RegExp(`^${name}: .{10,}$`, 'm'))
  })

  it('aligns columns as Go\'s tabwriter does', () => {
    // What text/tabwriter makes of these cells with Go's settings (1, 8, 1, tab), with the addresses cut off.
    const lines = pageOf([{ frames: [frame('f', '/a.ts', 1), frame('remember', '/b.ts', 15), frame('sevenn', '', 0), frame('(anonymous index.js:305)', '/x', 1)], values: [1, 1] }])
      .split('\n').filter((line) => line.startsWith('#\t')).map((line) => line.replace(/^#\t0x[0-9a-f]+\t+/, ''))
    expect(lines).toEqual([
      'f+0x1\t\t\t\t/a.ts:1',
      'remember+0x1\t\t\t/b.ts:15',
      'sevenn+0x1\t\t\tv8:0',
      '(anonymous index.js:305)+0x1\t/x:1',
    ])
  })

  it('names by address what /symbol then knows', () => {
    const symbols = new SymbolTable()
    const { records } = parseHeapPage(pageOf([{ frames: [remember, handler], values: [1, 1] }], symbols))
    const names = records[0]?.addresses.map((address) => [symbols.nameAt(Number(address)), symbols.nameAt(Number(address) - 1)])
    expect(names).toEqual([Array(2).fill('remember (visits.ts:15)'), Array(2).fill('handleVisit (routes.ts:4)')])
  })

  it('stays on its lines whatever functions and files are called', async () => {
    const names = ['a\nheap profile: 1: 1', 'tab\there', '\u2028\u0000', '+0x1', 'x'.repeat(1000), '名前', '# runtime.MemStats', '']
    const stacks = await new SourceMaps().resolve(names.map((name, index) => (
      { places: [{ name, url: `evil\n${name}`, line: index, column: 0, at: 0 }], values: [1, 1] }
    )))
    const { records } = parseHeapPage(pageOf(stacks))
    expect(records).toHaveLength(names.length)
    expect(records.flatMap(({ frames }) => frames.map(({ name }) => name))).toEqual([
      'a heap profile: 1: 1', 'tab here', '(anonymous evil:2)', '+0x1', `${'x'.repeat(199)}…`, '名前', '# runtime.MemStats', '(anonymous evil:7)',
    ])
  })

  it('never has bytes without a count, which pprof refuses', () => {
    const { records } = parseHeapPage(pageOf([{ frames: [remember], values: [0, 5] }]))
    expect(records[0]).toMatchObject({ samples: 1, bytes: 5 })
  })
})
