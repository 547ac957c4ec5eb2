import { TraceMap } from '@jridgewell/trace-mapping'
import { describe, expect, it } from '@jest/globals'
import { SourceMaps } from '../../../../middleware/memory/profile/source-maps.js'
import type { Frame, Place } from '../../../../middleware/memory/profile/stacks.js'

type Segment = [number] | [number, number, number, number] | [number, number, number, number, number]

function mapOf(mappings: Segment[][], names: string[] = []): TraceMap {
  return new TraceMap({ version: 3, sources: ['file:///srv/src/app.ts', 'webpack://app/src/lib.ts'], names, mappings })
}

function place(name: string, line: number, column: number, at = 0, url = 'file:///srv/dist/app.js'): Place {
  return { name, url, line, column, at }
}

async function framesOf(places: Place[], map?: TraceMap): Promise<Frame[]> {
  const [stack] = await new SourceMaps(() => Promise.resolve(map)).resolve([{ places, values: [1] }])
  return [...stack?.frames ?? []]
}

describe('functions by source map', () => {
  it('are where their author wrote them', async () => {
    const map = mapOf([[[0, 0, 9, 0]], [[4, 0, 20, 2], [20, 1, 3, 0]]])
    expect(await framesOf([place('first', 1, 8), place('second', 2, 12), place('', 2, 30)], map)).toEqual([
      { name: 'first', file: '/srv/src/app.ts', line: 10, at: 10 },
      { name: 'second', file: '/srv/src/app.ts', line: 21, at: 21 },
      { name: '(anonymous lib.ts:4)', file: 'webpack://app/src/lib.ts', line: 4, at: 4 },
    ])
  })

  it('have the names that a minifier took from them, where it is the function\'s name that the map knows', async () => {
    // function a(b){…}: V8 says column 10, that of the parameters; a begins at 9, b at 11.
    const names = ['rememberVisit', 'request']
    const before = mapOf([[[0, 0, 4, 0], [9, 0, 4, 9, 0], [11, 0, 4, 23, 1]]], names)
    expect(await framesOf([place('a', 1, 10)], before)).toEqual([{ name: 'rememberVisit', file: '/srv/src/app.ts', line: 5, at: 5 }])
    const other = mapOf([[[8, 0, 4, 9, 1]]], names)
    expect((await framesOf([place('a', 1, 10)], other)).map(({ name }) => name)).toEqual(['a'])
  })

  it('say which line was running, unless the map leads into another file or it is all on one line', async () => {
    const map = mapOf([[[0, 0, 0, 0]], [[4, 0, 6, 2]], [[4, 1, 7, 2]], []])
    const ats = async (...lines: number[]): Promise<number[]> => (await framesOf(lines.map((at) => place('f', 1, 0, at)), map)).map(({ at }) => at)
    expect(await ats(0, 1, 2, 3, 4, 99)).toEqual([1, 1, 7, 1, 1, 1])
  })

  it('stay where they are where there is no map, or nothing in it', async () => {
    const places = [place('f', 3, 0, 5), place('g', 1, 0, 0, '/srv/dist/b.js'), place('read', 7, 1, 0, 'node:fs'), place('(GC)', 0, 0, 0, '')]
    const expected = [
      { name: 'f', file: '/srv/dist/app.js', line: 3, at: 5 },
      { name: 'g', file: '/srv/dist/b.js', line: 1, at: 1 },
      { name: 'read', file: 'node:fs', line: 7, at: 7 },
      { name: '(GC)', file: '', line: 0, at: 0 },
    ]
    expect(await framesOf(places)).toEqual(expected)
    expect(await framesOf(places, mapOf([]))).toEqual(expected)
    expect(await framesOf(places, mapOf([[[0]], [], [[0]]]))).toEqual(expected)
  })

  it('lead nowhere outside of the map\'s sources', async () => {
    expect(await framesOf([place('f', 1, 0)], mapOf([[[0, 77, 1, 1, 99]]]))).toEqual([{ name: 'f', file: '/srv/dist/app.js', line: 1, at: 1 }])
  })

  it('cost a file once: what is known of it is remembered', async () => {
    const loaded: string[] = []
    const maps = new SourceMaps((url) => {
      loaded.push(url)
      return Promise.resolve(url.endsWith('app.js') ? mapOf([[[0, 0, 9, 0]]]) : undefined)
    })
    const places = [place('f', 1, 0), place('g', 1, 5), place('h', 1, 0, 0, '/srv/b.js'), place('i', 1, 0, 0, 'node:fs'), place('j', 1, 0, 0, 'evalmachine.<anonymous>')]
    const stacks = [{ places, values: [1] }, { places, values: [2] }]
    const first = await maps.resolve(stacks)
    expect(await maps.resolve(stacks)).toEqual(first)
    expect(loaded.sort()).toEqual(['/srv/b.js', 'file:///srv/dist/app.js'])
  })

  it('are all there at once, and in bounded number afterwards', async () => {
    let loads = 0
    const maps = new SourceMaps(() => {
      loads++
      return Promise.resolve(mapOf([[[0, 0, 9, 0]]]))
    })
    const stacks = Array.from({ length: 6000 }, (_, index) => ({ places: [place(`f${String(index)}`, 1, index)], values: [1] }))
    const lines = (await maps.resolve(stacks)).map(({ frames: [frame] }) => frame?.line)
    expect(lines).toEqual(Array(6000).fill(10))
    await maps.resolve(stacks.slice(-4096))
    expect(loads).toBe(1)
    await maps.resolve(stacks.slice(0, 1))
    expect(loads).toBe(2)
  })
})
