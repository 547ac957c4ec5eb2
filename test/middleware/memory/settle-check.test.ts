import { constants, PerformanceObserver } from 'node:perf_hooks'
import { afterAll, describe, expect, it } from '@jest/globals'
import { collectGarbage } from '../../../middleware/memory/profile/forced-collection.js'
import { partsOf, settle } from '../../../middleware/memory/settle-check.js'
import { LoadDrop } from '../../../middleware/memory/settle-check.js'
import { settleText } from '../../../middleware/memory/settle-check.js'

const MB = 1_000_000

describe('the settle check', () => {
  const kept: { objects: unknown[]; buffers: Buffer[] } = { objects: [], buffers: [] }
  afterAll(() => { kept.objects = []; kept.buffers = [] })

  it('tells garbage from what is alive, and splits RSS into parts that make it up', async () => {
    let garbage: unknown[] | undefined = Array.from({ length: 200_000 }, (_, index) => ({ index, text: [`row ${String(index)}`] }))
    kept.objects = Array.from({ length: 50_000 }, (_, index) => ({ index, values: [index, index + 0.5] }))
    kept.buffers = Array.from({ length: 20 }, () => Buffer.alloc(MB, 1))
    expect(garbage).toHaveLength(200_000)
    garbage = undefined
    const { before, after, parts, explained, sentence } = await settle({ trigger: 'request', wait: 100 })
    expect(before.usedHeap - after.usedHeap).toBeGreaterThan(10 * MB)
    expect(parts.external).toBeGreaterThan(20 * MB)
    const sum = parts.liveHeap + parts.external + parts.freePages + parts.allocator + (parts.mapped ?? 0)
    expect(sum).toBe(after.rss)
    expect(explained.map(({ octets }) => octets)).toEqual(explained.map(({ octets }) => octets).sort((one, other) => other - one))
    expect(sentence).toMatch(/^The collection freed \d.* MB: .* of the heap are alive\. RSS is .* before, .* at its peak\. Memory has /)
  })

  it('says why it forced a collection and how long that took, and names every part with a remedy', async () => {
    const report = await settle({ trigger: 'load-drop', wait: 0, collect: () => Promise.resolve() })
    const text = settleText(report)
    expect(text).toMatch(/^A collection was forced because load had dropped; it took [\d.]+ ms\./)
    for (const part of ['liveHeap', 'external', 'freePages', 'allocator']) expect(text).toContain(part)
    expect(report.explained.every(({ meaning, remedy }) => meaning.length > 10 && remedy.length > 10)).toBe(true)
  })

  it('takes pages that the collection has emptied, and that are resident still, for V8\'s and not for the allocator\'s', () => {
    const after = { rss: 265, usedHeap: 17, physicalHeap: 71, external: 3, mapped: 40 }
    expect(partsOf(after, 100)).toEqual({ liveHeap: 17, freePages: 154, mapped: 40, external: 3, allocator: 51 })
    expect(partsOf(after, 1000)).toEqual({ liveHeap: 17, freePages: 205, mapped: 40, external: 3, allocator: 0 })
  })

  it('no part is larger than what is left of RSS', () => {
    expect(partsOf({ rss: 100, usedHeap: 40, physicalHeap: 60, external: 500, mapped: 30 }))
      .toEqual({ liveHeap: 40, freePages: 20, mapped: 30, external: 10, allocator: 0 })
    expect(partsOf({ rss: 100, usedHeap: 40, physicalHeap: 60, external: 5, mapped: null }))
      .toEqual({ liveHeap: 40, freePages: 20, mapped: null, external: 5, allocator: 35 })
  })
})

it('a forced collection is one, and frees what is garbage', async () => {
  let collections = 0
  let seen: () => void = () => undefined
  const observed = new Promise<void>((resolve) => { seen = resolve })
  const observer = new PerformanceObserver((list) => {
    // Collections that V8 began by itself, bit by bit, end with the forced one: they are no other one.
    collections += list.getEntries().filter((entry) => (entry as unknown as { detail: { kind: number } }).detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR).length
    if (collections > 0) seen()
  })
  observer.observe({ entryTypes: ['gc'] })
  await collectGarbage()
  await observed
  await new Promise((resolve) => { setImmediate(resolve) })
  observer.disconnect()
  expect(collections).toBe(1)
})

describe('a drop of load', () => {
  const run = (rates: readonly [seconds: number, rate: number][]): number[] => {
    const drop = new LoadDrop({ after: 60_000 })
    const at: number[] = []
    let second = 0
    for (const [seconds, rate] of rates) {
      for (const end = second + seconds; second < end; second++) if (drop.sample(second * 1000, rate)) at.push(second)
    }
    return at
  }
  it('is noticed once, when load has stayed low', () => {
    expect(run([[300, 50], [600, 2]])).toEqual([360])
  })
  it('again only after load was high again', () => {
    expect(run([[300, 50], [100, 1], [50, 15], [100, 1], [60, 40], [100, 0]])).toEqual([360, 670])
  })
  it('is none where there was no load, or a pause is short', () => {
    expect(run([[1000, 0]])).toEqual([])
    expect(run([[300, 50], [30, 0], [300, 50]])).toEqual([])
  })
})
