/** The README's tables say what the code does. */
import { describe, expect, it } from '@jest/globals'
import * as face from 'express-responder'
import { resolveOptions as resolveGatewayOptions } from '../../lib/gateway/options.js'
import { resolveOptions as resolveServeOptions } from '../../lib/process/options.js'
import { ERROR_CODES } from '../../lib/errors.js'
import { resolveServerOptions } from '../../lib/server/options.js'
import { codeIn, page, tableBelow } from './support/markdown.js'

const readme = page('README.md')
const configuration = resolveServerOptions({}, {})

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, s: 1000 }

/** `128 KiB`, `10 s`, `4000` as a number of bytes, milliseconds or things. */
function amount(cell = ''): number {
  const [, digits = '', unit = ''] = /^(\d+)(?: (\w+))?$/.exec(cell) ?? []
  return Number(digits === '' ? Number.NaN : digits) * (UNITS[unit] ?? Number.NaN)
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
  const rows = tableBelow(readme, heading).map(([name, value]) => [codeIn(name), literal(value)] as const)
  // FCGI_WEB_SERVER_ADDRS is code too, but no value.
  return Object.fromEntries(rows.filter(([, value]) => value !== undefined && !Number.isNaN(value)))
}

describe('the README', () => {
  it('has every limit and every time, with its default', () => {
    const rows = tableBelow(readme, 'Limits').map(([name, value]) => [codeIn(name), amount(value)])
    const expected = (['limits', 'timeouts'] as const).flatMap((group) =>
      Object.entries(configuration[group]).map(([name, value]) => [`${group}.${name}`, value]),
    )
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(expected))
  })

  it('names only codes that there are', () => {
    const codes = readme.match(/ERR_FCGI_[A-Z_]+/g) ?? []
    expect(codes.filter((code) => !Object.hasOwn(ERROR_CODES, code))).toEqual([])
  })

  it('has every error code, with its meaning', () => {
    const rows = tableBelow(readme, 'Errors').map(([code, meaning]) => [code, meaning])
    expect(Object.fromEntries(rows)).toEqual(ERROR_CODES)
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
    const defaults = defaultsBelow('Testing an app')
    expect(Object.keys(defaults).length).toBeGreaterThan(3)
    expect(resolveGatewayOptions()).toMatchObject(defaults)
  })

  it('has every export', () => {
    const names = tableBelow(readme, 'API').map(([name]) => codeIn(name).replace(/\(.*/, ''))
    expect(names.sort()).toEqual(Object.keys(face).sort())
  })

  it('shows the least configuration of nginx that the tests run', () => {
    const example = page('examples/nginx/minimal.conf').split('\n').map((line) => line.trim())
    const block = /^```nginx\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? ''
    const lines = block.split('\n').map((line) => line.trim())
    expect(lines.length).toBeGreaterThan(5)
    expect(lines.filter((line) => line !== '' && !example.includes(line))).toEqual([])
  })

  it('has a place for the benchmark', () => {
    expect(readme).toMatch(/<!-- bench:begin -->\n[\s\S]*<!-- bench:end -->/)
  })
})
