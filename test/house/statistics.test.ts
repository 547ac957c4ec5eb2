/** Benchmarks, tests and tools have their statistics from one module. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const STATISTICS = 'bench/stats.ts'
const NAMES = 'mean|average|median|quantile|percentile|spread|deviation|variance|regression|leastSquares|slope'
/** `function median(`, `const median = (values) =>`; a variable of that name is none. */
const DEFINED = new RegExp(`(?:function (?:${NAMES})\\(|const (?:${NAMES}) = (?:\\([^()]*\\)(?:: \\w+)?|\\w+) =>)`, 'i')
/** `values.sort(…)[values.length >> 1]`: a quantile without a name. */
const TAKEN_FROM_SORTED = /ort(?:ed)?(?:\([^\n]*\))?\[[^\]\n]*(?:length|\*)/

it('bench/stats.ts is the only module that defines a mean, a median, quantiles or a spread', () => {
  const files = ['bench', 'test', 'tools'].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).filter((file) => /\.[jt]s$/.test(file)).map((file) => `${room}/${file}`))
  expect(files).toContain(STATISTICS)
  const defining = files.filter((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    return DEFINED.test(text) || TAKEN_FROM_SORTED.test(text)
  })
  expect(defining.filter((file) => file !== 'test/house/statistics.test.ts')).toEqual([STATISTICS])
})
