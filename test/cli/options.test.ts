/** The options of the command: one schema for flags, variables and file; and the manual, which has them all. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { OPTION_NAMES, resolveCommand, variableOf } from '../../lib/cli/options.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'er-options-'))
  writeFileSync(join(directory, 'app.js'), '')
})
afterAll(() => {
  rmSync(directory, { recursive: true })
})

function resolved(options: Record<string, unknown>, environment: Record<string, string> = {}, file?: object): ReturnType<typeof resolveCommand> {
  if (file !== undefined) writeFileSync(join(directory, 'config.json'), JSON.stringify(file))
  return resolveCommand({ module: 'app.js', config: file === undefined ? undefined : 'config.json', options: { socket: '/run/app.sock', ...options } }, environment, directory)
}

describe('an option', () => {
  it('comes from the flag before the variable, and from the variable before the file', () => {
    const file = { workers: 2, maxRequests: 100, linger: '1s' }
    const { pool } = resolved({ workers: '4' }, { EXPRESS_RESPONDER_WORKERS: '3', EXPRESS_RESPONDER_MAX_REQUESTS: '200' }, file)
    expect(pool).toMatchObject({ workers: 4, recycling: { maxRequests: 200 }, linger: 1000 })
  })

  it.each([['500ms', 500], ['30s', 30_000], ['2m', 120_000], ['1h', 3_600_000], ['250', 250], [250, 250]])('that is a time may be %j', (given, milliseconds) => {
    expect(resolved({ stopTimeout: given }).pool.stopTimeout).toBe(milliseconds)
  })

  it.each([['512MB', 512 * 1024 ** 2], ['1gb', 1024 ** 3], ['1048576', 1048576], ['off', undefined], ['0', undefined]])('that is a size may be %j', (given, bytes) => {
    expect(resolved({ maxRss: given }).pool.recycling.maxRss).toBe(bytes)
  })

  it.each([
    [{ maxRequest: 1 }, 'maxRequest in the file config.json is no option: did you mean maxRequests?'],
    [{ workers: -1 }, 'workers in config.json is -1: give a whole number from 1 to 1024, or auto'],
    [{ server: { limits: { bodyByte: 1 } } }, 'limits.bodyByte'],
    [{ probes: 'perhaps' }, 'probes in config.json is "perhaps": give true or false'],
  ])('that is wrong in the file is refused: %j', (file, message) => {
    expect(() => resolved({}, {}, file)).toThrow(message)
  })

  it('of createServer() comes from the file', () => {
    expect(resolved({ requestTimeout: '5s' }, {}, { server: { limits: { bodyBytes: 1000 } } }).pool.server)
      .toEqual({ limits: { bodyBytes: 1000 }, timeouts: { request: 5000 } })
  })
})

it('the manual has every option, and no other', () => {
  const page = readFileSync(join(root, 'docs/reference/command.md'), 'utf8')
  const table = page.slice(page.indexOf('| Option |'), page.indexOf('## Signals'))
  const listed = [...table.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name))
  expect(listed.sort()).toEqual([...OPTION_NAMES].sort())
})

it('a variable is named as the option, in capitals', () => {
  expect(variableOf('maxRequests')).toBe('EXPRESS_RESPONDER_MAX_REQUESTS')
})
