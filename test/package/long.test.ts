/** The tests that `npm test` leaves out are there, and `.ci/run` runs them. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { root } from './packed.js'

it('every long test that is named is there', () => {
  const long = JSON.parse(readFileSync(join(root, 'test/long.json'), 'utf8')) as string[]
  expect(long.filter((path) => !existsSync(join(root, `test/${path}.test.ts`)))).toEqual([])
  expect(long.length).toBeGreaterThan(0)
})

it('continuous integration runs both', () => {
  const script = readFileSync(join(root, '.ci/run'), 'utf8')
  expect(script).toMatch(/^run_tests test$/m)
  expect(script).toMatch(/^run_tests test:long$/m)
})
