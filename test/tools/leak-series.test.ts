/** How the recorded series of memory are kept, and the recorder. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { COLLECTED, REMAINDER } from '../../middleware/memory/leak-detector/thresholds.js'
import { readSet, SETS, writeSeries, type Recipe, type Series } from '../../tools/leak-series/archive.js'
import { THRESHOLDS_FILE, thresholdsFile } from '../../tools/leak-series/fit.js'
import { RECIPES } from '../../tools/leak-series/recipes.js'
import { nameOf, record } from '../../tools/leak-series/record.js'
import { syntheticSet } from '../../tools/leak-series/synthetic.js'

const folder = mkdtempSync(join(tmpdir(), 'series-'))
afterAll(() => { rmSync(folder, { recursive: true }) })

const RECIPE: Recipe = { behaviour: 'mapById', shape: 'steady', seed: 1, rate: 50, size: 1000, duration: 1.2, node: 20, heap: 128, base: 2 }

function seriesNamed(name: string): Series {
  return {
    name, kind: 'leak', node: 'v20.19.0', recipe: RECIPE, heapLimit: 1,
    collections: { time: [], live: [], external: [] }, samples: { time: [], rss: [], heapTotal: [], external: [], requests: [], inFlight: [] },
  }
}

describe('the sets of recorded series', () => {
  it('hold 835, 87, 24, 8 and 47 series, each once, in the order of their names', () => {
    const names = SETS.map((set) => readSet(set).map(({ name }) => name))
    expect(names.map((ofSet) => ofSet.length)).toEqual([835, 87, 24, 8, 47])
    for (const ofSet of names) expect(ofSet).toEqual([...new Set(ofSet)].sort())
  })

  it('have a recording for each recipe but for what was never recorded, and the recipe that it was recorded with', () => {
    for (const set of SETS) {
      const named = new Map(RECIPES[set].map((recipe) => [nameOf(recipe), recipe]))
      for (const { name, recipe } of readSet(set)) expect(named.get(name)).toMatchObject({ behaviour: recipe.behaviour, shape: recipe.shape, seed: recipe.seed })
    }
  })

  it('take a series in its place, replace the one of its name, keep the others, and leave no other file', () => {
    writeSeries('slow', [seriesNamed('b'), seriesNamed('a')], folder)
    writeSeries('slow', [{ ...seriesNamed('b'), heapLimit: 2 }, seriesNamed('ab')], folder)
    expect(readSet('slow', folder).map(({ name, heapLimit }) => [name, heapLimit])).toEqual([['a', 1], ['ab', 1], ['b', 2]])
    expect(readdirSync(folder)).toEqual(['slow.ndjson.gz'])
  })
})

it('a process is recorded under load with samples of its memory, and read back from its set as it was', async () => {
  const series = await record('recorded', RECIPE)
  expect(series.kind).toBe('leak')
  expect(series.samples.rss.length).toBeGreaterThanOrEqual(2)
  expect(Math.min(...series.samples.rss)).toBeGreaterThan(10_000)
  expect(series.samples.requests.some((answered) => answered > 0)).toBe(true)
  writeSeries('judging', [series], folder)
  expect(readSet('judging', folder)).toEqual([series])
})

it('rounds of made-up apps that were scored before can be left out: the others are as they would be with them', () => {
  const names = (rounds: number, from?: number): string[] => syntheticSet('varied', rounds, from).map(({ name }) => name).sort()
  expect(new Set([...names(3), ...names(2, 3)])).toEqual(new Set(names(5)))
  expect(names(2, 3)).toHaveLength(2 * names(1).length)
})

it('thresholds.ts is what `npm run series -- fit` writes for the thresholds that stand in it', () => {
  expect(readFileSync(THRESHOLDS_FILE, 'utf8')).toBe(thresholdsFile({ collected: COLLECTED, remainder: REMAINDER }))
})
