/** A file of code fits a head, at most 450 lines, and is worth a place of its own. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const MAX_LINES = 450

it('no file has more than 450 lines', () => {
  const files = ['lib', 'middleware', 'shared', 'test', 'bench', 'examples', 'tools'].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).filter((file) => /\.[jt]s$/.test(file)).map((file) => `${room}/${file}`))
  expect(files.length).toBeGreaterThan(300)
  const long = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length - 1 > MAX_LINES)
  expect(long).toEqual([])
})

/** Below this a file is more to find than to read. */
const MIN_LINES = 40
/** Small ones that are a job of their own all the same. One that has grown leaves the list. */
const SMALL = [
  'lib/server/management-records.ts',
  'lib/status/page.ts',
  'lib/workers/reopen-signal.ts',
  'middleware/memory/leak-detector/thresholds.ts',
  'middleware/memory/verdict.ts',
  'middleware/rate-limit/response.ts',
  'middleware/recovery/agent-queue.ts',
  'middleware/recovery/error-boundaries.ts',
  'middleware/recovery/unhandled-error-events.ts',
]

it(`no file has fewer than ${String(MIN_LINES)} lines but entries, what is shared, leaves that import nothing of the package, and a few`, () => {
  const files = ['lib', 'middleware'].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => `${room}/${file}`))
  const isEntry = (file: string): boolean => /^(?:lib\/index|lib\/node-version|lib\/cli\/commands\/[\w-]+|middleware\/[\w-]+)\.ts$/.test(file)
  const small = files.filter((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    const isLeaf = !/^(?:import|export) (?!type ).*from '\.{1,2}\/(?!.*shared\/)/m.test(text)
    return text.split('\n').length - 1 < MIN_LINES && !isEntry(file) && !file.includes('/shared/') && !isLeaf
  })
  expect(small.sort()).toEqual(SMALL)
})
