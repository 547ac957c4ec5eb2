/** The tables of the reference say what the code does. */
import { execFile, execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import * as face from 'express-responder'
import { resolveOptions as resolveGatewayOptions } from '../../lib/gateway/options.js'
import { resolveOptions as resolveServeOptions } from '../../lib/process/options.js'
import { ERROR_CODES } from '../../lib/errors.js'
import { resolveServerOptions } from '../../lib/server/options.js'
import { resolveOptions as resolveConcurrencyOptions } from '../../middleware/concurrency/options.js'
import { resolveOptions as resolveMemoryOptions } from '../../middleware/memory/options.js'
import { resolveOptions as resolveRateLimitOptions } from '../../middleware/rate-limit/options.js'
import { resolveOptions as resolveRecoveryOptions } from '../../middleware/recovery/options.js'
import { codeIn, documentation, page, root, tableBelow } from './support/markdown.js'

const options = page('docs/reference/options.md')
const configuration = resolveServerOptions({}, {})

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, s: 1000 }

/** `128 KiB`, `10 s`, `4000` as a number of bytes, milliseconds or things. */
function amount(cell = ''): number {
  const [, digits = '', unit = ''] = /^(\d+)(?: (\w+))?$/.exec(cell) ?? []
  return Number(digits === '' ? Number.NaN : digits) * (UNITS[unit] ?? Number.NaN)
}

/** What a code of the middleware looks like in the sources. */
const MIDDLEWARE_CODE = /(?<=')(?:ERR_(?:MIDDLEWARE|RECOVERY|CONCURRENCY|RATE_LIMIT|MEMORY_STATS)|CONCURRENCY_LIMIT)(?:_[A-Z]+)*(?=')/g

/** What a page of errors says below each code, in one line. */
function sectionsOf(markdown: string): Map<string, string> {
  const sections = markdown.split(/^#+ /m).map((section) => /^([A-Z_]+)\n\n([^#]*)/.exec(section))
  return new Map(sections.flatMap((found) => found === null ? [] : [[found[1] ?? '', (found[2] ?? '').replaceAll('\n', ' ')] as const]))
}

/** A default as code: `'drop'`, `0o660`, `true`; undefined where the cell is in words. */
function literal(cell = ''): unknown {
  const code = /^`([^`]+)`$/.exec(cell)?.[1]
  if (code === undefined) return undefined
  if (code.startsWith('\'')) return code.slice(1, -1)
  return code === 'true' || code === 'false' ? code === 'true' : Number(code)
}

/** The defaults that a table of options gives, by name, of those that it gives as values. */
function defaultsBelow(heading: string): Record<string, unknown> {
  const rows = tableBelow(options, heading).map(([name, value]) => [codeIn(name), literal(value)] as const)
  // FCGI_WEB_SERVER_ADDRS is code too, but no value.
  return Object.fromEntries(rows.filter(([, value]) => value !== undefined && !Number.isNaN(value)))
}

describe('the reference', () => {
  it('has every limit and every time, with its default', () => {
    const rows = ['Limits', 'Timeouts'].flatMap((heading) =>
      tableBelow(page('docs/reference/limits.md'), heading).map(([name, value]) => [codeIn(name), amount(value)]),
    )
    const expected = (['limits', 'timeouts'] as const).flatMap((group) =>
      Object.entries(configuration[group]).map(([name, value]) => [`${group}.${name}`, value]),
    )
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(expected))
  })

  it.each(documentation)('names only codes that there are: %s', (path) => {
    const codes = page(path).match(/ERR_FCGI_[A-Z_]+/g) ?? []
    expect(codes.filter((code) => !Object.hasOwn(ERROR_CODES, code))).toEqual([])
  })

  it('has every error code of the server, with its meaning', () => {
    const sections = sectionsOf(page('docs/reference/errors.md'))
    // The system's, which the package makes as well.
    expect([...sections.keys()].sort()).toEqual([...Object.keys(ERROR_CODES), 'EADDRINUSE'].sort())
    const wrong = Object.entries(ERROR_CODES).filter(([code, meaning]) => sections.get(code)?.toLowerCase().startsWith(`${meaning}.`.toLowerCase()) !== true)
    expect(wrong).toEqual([])
  })

  it('has every error code of the middleware', () => {
    const sources = readdirSync(`${root}/middleware`, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    const codes = sources.flatMap((file) => page(`middleware/${file}`).match(MIDDLEWARE_CODE) ?? [])
    expect([...sectionsOf(page('docs/reference/middleware-errors.md')).keys()].sort()).toEqual([...new Set(codes)].sort())
  })

  it('has the defaults of the server’s options', () => {
    expect(configuration).toMatchObject(defaultsBelow('Server options'))
    expect(configuration).toMatchObject({ mount: '', webServerAddresses: undefined })
  })

  it('has the defaults of serve’s options', () => {
    const { mode, replace, host, backlog, stopTimeout, signals, ...others } = defaultsBelow('Serve options')
    expect(others).toEqual({})
    expect(resolveServeOptions({ socket: '/s' })).toMatchObject({ place: { mode, replace, backlog }, stopTimeout, signals })
    expect(resolveServeOptions({ port: 0 })).toMatchObject({ place: { host, backlog } })
    expect(resolveServeOptions({})).toMatchObject({ place: { backlog: 4096 } })
  })

  it('has the defaults of the gateway’s options', () => {
    const defaults = defaultsBelow('Gateway options')
    expect(Object.keys(defaults).length).toBeGreaterThan(3)
    expect(resolveGatewayOptions()).toMatchObject(defaults)
  })

  it('has the defaults of the middleware’s options', () => {
    const { limit, mode, queue, ...concurrency } = defaultsBelow('Concurrency options')
    expect([limit, mode, queue]).toEqual(['auto', 'enforce', undefined])
    const { priority, releaseAt, ...others } = concurrency
    expect([priority, releaseAt]).toEqual(['normal', 'finish'])
    expect(Object.keys(others)).toEqual(['maxHold', 'trustRequestStart', 'retryAfter'])
    expect(resolveConcurrencyOptions()).toMatchObject({ ...others, limit: { kind: 'auto', bounds: { min: 8, max: 10_000 } }, observing: false, releaseAtEnd: false })

    const { linger, ...recovery } = defaultsBelow('Recovery options')
    expect(Object.keys(recovery)).toEqual(['answerTimeout', 'drainTimeout', 'bound', 'trackPromises'])
    expect(resolveRecoveryOptions('recovery', {})).toMatchObject({ ...recovery, answer: { linger }, intensity: { max: 10, windowMs: 60_000 } })

    expect(resolveRateLimitOptions()).toMatchObject({ storeTimeout: 1000, onStoreFailure: 'local' })
    expect(defaultsBelow('Rate limit options')).toEqual({ storeTimeout: 1000, onStoreFailure: 'local' })

    const { gc, snapshot, profiles, ...memory } = defaultsBelow('Memory options')
    expect(Object.keys(memory)).toEqual(['scrapeInterval', 'settleAfter'])
    expect(resolveMemoryOptions()).toMatchObject({ ...memory, allowed: { gc, snapshot, profiles } })
  })

  it('has the tables that the docstrings of the options make', async () => {
    const { stderr } = await promisify(execFile)(process.execPath, [`${root}/tools/option-tables.js`, '--check']).catch((error: unknown) => error as { stderr: string })
    expect(stderr).toBe('')
  })

  it('has every export', () => {
    const names = tableBelow(page('docs/reference/api.md'), 'API').map(([name]) => codeIn(name).replace(/\(.*/, ''))
    expect(names.sort()).toEqual(Object.keys(face).sort())
  })

  it('has a place for the tables of the benchmark, which are put there as they are printed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'benchmarks-'))
    try {
      const file = join(directory, 'page.md')
      await writeFile(file, page('docs/benchmarks.md'))
      const tables = 'Node v1.2.3, 2 × a processor\n\n### hello\n\n| server | CPU |\n|---|---|\n| this | 1 |'
      execFileSync(process.execPath, [`${root}/tools/benchmark-tables.js`, file], { input: `> bench\n\n${tables}\n\nWritten to bench-results.json\n` })
      const [before, rest = ''] = page('docs/benchmarks.md').split('<!-- bench:begin -->')
      expect(await readFile(file, 'utf8')).toBe(`${before ?? ''}<!-- bench:begin -->\n${tables}\n<!-- bench:end -->${rest.split('<!-- bench:end -->')[1] ?? ''}`)
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
