import { afterEach, describe, expect, it } from '@jest/globals'
import type { HeapProfiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'
import { HeapSampler, heapStacks, SamplingError, type HeapProfile } from '../../../../middleware/memory/profile/heap-sampler.js'

const stops: (() => void)[] = []
afterEach(() => { stops.splice(0).forEach((stop) => { stop() }) })

async function started(interval = 1024): Promise<HeapSampler> {
  const sampler = new HeapSampler({ interval })
  stops.push(() => { sampler.stop() })
  await sampler.start()
  return sampler
}

function session(): Session {
  const created = new Session()
  created.connect()
  stops.push(() => { created.disconnect() })
  return created
}

function keepSome(): unknown[] {
  return Array.from({ length: 20_000 }, (_, index) => ({ index, text: [index] }))
}

function namesOf(stacks: readonly { places: readonly { name: string }[] }[]): Set<string> {
  return new Set(stacks.flatMap(({ places }) => places.map(({ name }) => name)))
}

describe('the heap sampler', () => {
  it('knows who has allocated what is alive, and forgets what is collected', async () => {
    const sampler = await started()
    const kept = { rows: keepSome() }
    const full = await sampler.take()
    kept.rows = []
    const empty = await sampler.take()
    const held = (name: string, { stacks }: HeapProfile): number => stacks
      .reduce((sum, { places, values: [, bytes = 0] }) => sum + (places.some((place) => place.name === name) ? bytes : 0), 0)
    expect(held('keepSome', full)).toBeGreaterThan(1_000_000)
    expect(held('keepSome', empty)).toBeLessThan(100_000)
    expect(full.total - empty.total).toBeGreaterThan(500_000)
    expect(full.interval).toBe(1024)
    expect(full.pauseMs).toBeGreaterThan(0)
    expect(Math.abs(full.time - Date.now())).toBeLessThan(60_000)
  })

  it('says what V8 says, to the byte, of the same moment', async () => {
    await started()
    const kept = keepSome()
    const { profile } = await session().post('HeapProfiler.getSamplingProfile')
    const sumOf = (node: HeapProfiler.SamplingHeapProfileNode): number => node.children.reduce((sum, child) => sum + sumOf(child), node.selfSize)
    const sum = heapStacks(profile).reduce((total, { values: [, bytes = 0] }) => total + bytes, 0)
    expect(kept).toHaveLength(20_000)
    expect(sum).toBeGreaterThan(500_000)
    expect(sum).toBe(sumOf(profile.head))
  })

  it('counts what built-in functions allocate for the function that called them', async () => {
    const sampler = await started()
    const kept = (function manyJoined(): string[] {
      const words = Array.from({ length: 50 }, (_, index) => `word ${String(index)}`)
      return Array.from({ length: 4000 }, (_, index) => words.join(String(index)))
    })()
    const { stacks } = await sampler.take()
    expect(kept).toHaveLength(4000)
    const innermost = stacks.filter(({ places }) => places.some(({ name }) => name === 'manyJoined')).map(({ places: [first] }) => first)
    expect(innermost.length).toBeGreaterThan(0)
    for (const place of innermost) expect(place?.url).toMatch(/heap-sampler\.test\.js$/)
  })

  it('works beside sessions that debug, profile and collect', async () => {
    const sampler = await started()
    const other = session()
    await other.post('Debugger.enable')
    await other.post('HeapProfiler.enable')
    await other.post('HeapProfiler.collectGarbage')
    const kept = keepSome()
    other.disconnect()
    expect(namesOf((await sampler.take()).stacks).has('keepSome')).toBe(true)
    expect(kept).toHaveLength(20_000)
  })

  it('is shared: sampling ends with the last sampler', async () => {
    const [one, other] = [await started(), await started()]
    const kept = keepSome()
    one.stop()
    one.stop()
    expect(namesOf((await other.take()).stacks).has('keepSome')).toBe(true)
    expect(kept).toHaveLength(20_000)
    await expect(one.take()).rejects.toThrow(new SamplingError('the heap is not being sampled'))
    other.stop()
    await expect(session().post('HeapProfiler.getSamplingProfile')).rejects.toThrow('not started')
  })

  it('says so when something else has ended sampling, and begins anew', async () => {
    const sampler = await started()
    await session().post('HeapProfiler.stopSampling')
    await expect(sampler.take()).rejects.toThrow(/: sampling of the heap was ended by something else in this process, and begins anew now\. See \S+#err_memory_stats_sampling$/)
    const kept = keepSome()
    expect(namesOf((await sampler.take()).stacks).has('keepSome')).toBe(true)
    expect(kept).toHaveLength(20_000)
  })

  it('can be stopped before it was started, and started again', async () => {
    const sampler = new HeapSampler()
    sampler.stop()
    await sampler.start()
    await sampler.start()
    sampler.stop()
    await sampler.start()
    expect((await sampler.take()).interval).toBe(524_288)
    sampler.stop()
  })
})

describe('a tree of V8\'s', () => {
  const node = (functionName: string, scriptId: string, selfSize: number, id: number, children: object[] = [], url = scriptId === '0' ? '' : 'file:///srv/app.js'): object => (
    { callFrame: { functionName, scriptId, url, lineNumber: scriptId === '0' ? -1 : 9, columnNumber: scriptId === '0' ? -1 : 4 }, selfSize, id, children }
  )
  const stacksOf = (head: object, samples?: object[]): unknown => heapStacks({ head, ...(samples === undefined ? {} : { samples }) } as Parameters<typeof heapStacks>[0])
    .map(({ places, values }) => [places.map(({ name, url, line }) => `${name}@${url}:${String(line)}`), ...values])

  it('becomes stacks, innermost first, with built-in functions only in the middle', () => {
    const head = node('(root)', '0', 0, 1, [
      node('handler', '7', 100, 2, [node('map', '0', 30, 3, [node('each', '7', 60, 4), node('push', '0', 5, 5)])]),
      node('(GC)', '0', 8, 6),
    ])
    expect(stacksOf(head, [{ nodeId: 2 }, { nodeId: 3 }, { nodeId: 3 }, { nodeId: 4 }, { nodeId: 5 }, { nodeId: 6 }])).toEqual([
      [['each@file:///srv/app.js:10', 'map@:0', 'handler@file:///srv/app.js:10'], 1, 60],
      [['handler@file:///srv/app.js:10'], 4, 135],
      [['(GC)@:0'], 1, 8],
    ])
  })

  it('may have bytes at its root, no samples, and code without a file', () => {
    expect(stacksOf(node('(root)', '0', 3, 1, [node('', '8', 4, 2, [], '')]))).toEqual([[['@eval:10'], 1, 4], [['(root)@:0'], 1, 3]])
  })
})
