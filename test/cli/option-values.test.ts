/** Every option of the command, by flag, variable and file: a right value does what it says, a wrong one is refused in one line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { COMMON_OPTIONS, OPTION_NAMES, flagOf, resolveCommand, variableOf, type CommandOptions } from '../../lib/cli/options.js'
import { runCommand } from '../workers/command.js'

type Name = keyof CommandOptions
type Resolved = ReturnType<typeof resolveCommand>

interface Row {
  /** A right value as text, and what it becomes. */
  readonly right: readonly (readonly [given: string | object, what: unknown])[]
  /** Where it is to be found, resolved. */
  readonly found: (resolved: Resolved) => unknown
  /** Wrong values, as text and as JSON has them. */
  readonly wrong: readonly unknown[]
  readonly remedy: RegExp
  /** What else has to be given. */
  readonly beside?: Readonly<Record<string, unknown>>
}

const NO_TIME = [-1, '-1s', '5 weeks', 'soon', '1e9', true, [], {}, null]
const TIME = /give milliseconds, or a number with ms, s, m, h or d/
const NO_COUNT = [-1, 1.5, '1.5', '0x10', '1e3', 'many', true, [], {}, null]
const COUNT = /give a whole number from \d+ to \d+/
const NO_FLAG = ['yes', 'TRUE', 2, null, {}]
const FLAG = /give true or false/
const NO_TEXT = [5, true, null, []]
const TCP = { port: 0 }

function time(found: Row['found'], off = false): Row {
  const right: Row['right'] = [['1500ms', 1500], ['2s', 2000], ['1m', 60_000], ['0.5h', 1_800_000], ['1d', 86_400_000], ['250', 250]]
  return { right: off ? [...right, ['off', undefined], ['0', undefined]] : right, found, wrong: [...NO_TIME, '30d', ...(off ? [] : ['off'])], remedy: TIME }
}

const flagRow = (found: Row['found'], beside = {}): Row => ({ right: [['true', true], ['false', false], ['1', true], ['0', false]], found, wrong: NO_FLAG, remedy: FLAG, beside })
const place = (name: string): Row['found'] => ({ pool }): unknown => Reflect.get(pool.place, name)
const SOCKET = { socket: '/run/app.sock' }

const ROWS: Readonly<Record<Name, Row>> = {
  socket: { right: [['/run/a b/app.sock', '/run/a b/app.sock']], found: place('path'), wrong: [...NO_TEXT, '/run/', 'unix:/run/app.sock', '9000', '127.0.0.1:9000'], remedy: /give |name the socket file/ },
  mode: { right: [['0600', 0o600], ['666', 0o666]], found: place('mode'), wrong: ['999', '0x1', 660, true, null], remedy: /give three octal digits, such as 0660/, beside: SOCKET },
  owner: { right: [['app', 'app']], found: place('owner'), wrong: [true, null, [], -1], remedy: /give /, beside: SOCKET },
  group: { right: [['www-data', 'www-data']], found: place('group'), wrong: [true, null, [], -1], remedy: /give /, beside: SOCKET },
  replace: flagRow(place('replace'), SOCKET),
  port: { right: [['9000', 9000], ['0', 0]], found: place('port'), wrong: [-1, '65536', 'http', 1.5, true, null, '/run/app.sock'], remedy: /give a (?:port|number|whole number) from 0 to 65535|give --socket/ },
  host: { right: [['::1', '::1']], found: place('host'), wrong: NO_TEXT, remedy: /give an address/, beside: TCP },
  fd: { right: [['3', 3], ['web', 'web']], found: place('fd'), wrong: [-1, 1.5, true, null, []], remedy: /give / },
  backlog: { right: [['511', 511]], found: place('backlog'), wrong: [0, '0', ...NO_COUNT], remedy: COUNT, beside: TCP },
  workers: { right: [['3', 3], ['auto', availableParallelism()]], found: ({ pool }) => pool.workers, wrong: [0, 1025, 'all', ...NO_COUNT], remedy: /from 1 to 1024, or auto/, beside: TCP },
  balance: flagRow(({ pool }) => pool.balance, TCP),
  requestTimeout: { ...time(({ pool }) => pool.server.timeouts?.request), right: [['2s', 2000], ['off', 0], ['0', 0]], wrong: NO_TIME, beside: TCP },
  bootTimeout: { ...time(({ pool }) => pool.bootTimeout), wrong: [0, ...NO_TIME], beside: TCP },
  bootPath: { right: [['/ready?full', '/ready?full'], ['off', undefined]], found: ({ pool }) => pool.bootPath, wrong: ['ready', '/a b', '', 5, null, true].filter((value) => value !== ''), remedy: /give a path that begins with a slash/, beside: TCP },
  stopTimeout: { ...time(({ pool }) => pool.stopTimeout), beside: TCP },
  drainTimeout: { ...time(({ pool }) => pool.drainTimeout), beside: TCP },
  drainDelay: { ...time(({ pool }) => pool.drainDelay), beside: TCP },
  linger: { ...time(({ pool }) => pool.linger), beside: TCP },
  keepAliveRelease: { right: [['idle', 'idle'], ['close', 'close']], found: ({ pool }) => pool.server.keepAliveRelease, wrong: ['no', 5, true, null, []], remedy: /give ask, idle or close/, beside: TCP },
  maxRequests: { right: [['5000', 5000], ['off', undefined], ['0', undefined]], found: ({ pool }) => pool.recycling.maxRequests, wrong: NO_COUNT, remedy: COUNT, beside: TCP },
  maxRss: { right: [['512MB', 512 * 1024 ** 2], ['1gb', 1024 ** 3], ['1.5 KB', 1536], ['700000', 700_000], ['off', undefined]], found: ({ pool }) => pool.recycling.maxRss, wrong: [-1, '5XB', '1TB', 'large', true, null, []], remedy: /give bytes, or a number with KB, MB or GB/, beside: TCP },
  maxLifetime: { ...time(({ pool }) => pool.recycling.maxLifetime, true), beside: TCP },
  jitter: { right: [['0.25', 0.25], ['0', 0], ['1', 1]], found: ({ pool }) => pool.recycling.jitter, wrong: [-0.1, 1.1, '10%', true, null, []], remedy: /give a share from 0 to 1/, beside: TCP },
  stuckTimeout: { ...time(({ pool }) => pool.stuckTimeout, true), beside: TCP },
  emergencyRestart: { right: [['0', 0], ['25', 25]], found: ({ pool }) => pool.emergency.deaths, wrong: NO_COUNT, remedy: COUNT, beside: TCP },
  emergencyInterval: { ...time(({ pool }) => pool.emergency.interval), beside: TCP },
  controlSocket: { right: [['/run/app.control', '/run/app.control']], found: ({ options }) => options.controlSocket, wrong: [...NO_TEXT, `/run/${'a'.repeat(103)}`], remedy: /give the path of a socket file|at most 107 bytes/, beside: TCP },
  statusSocket: { right: [['/run/app.status', '/run/app.status']], found: ({ options }) => options.statusSocket, wrong: [...NO_TEXT, `/run/${'a'.repeat(103)}`], remedy: /give the path of a socket file|at most 107 bytes/, beside: TCP },
  statusPath: { right: [['/status', '/status']], found: ({ pool }) => pool.front.statusPath, wrong: ['status', '/', '/a?b', '/a/', '/ä', ...NO_TEXT], remedy: /give a path that begins with a slash/, beside: TCP },
  probes: flagRow(({ pool }) => pool.front.probes, TCP),
  accessLog: { right: [['-', '-'], ['/var/log/app.log', '/var/log/app.log']], found: ({ pool }) => pool.front.logs.accessLog, wrong: NO_TEXT, remedy: /give a path, or - for stdout/, beside: TCP },
  accessLogFormat: { right: [['json', 'json'], ['%h %>s', '%h %>s']], found: ({ pool }) => pool.front.logs.accessLogFormat, wrong: ['%Q', '$no_such', 'plain', ...NO_TEXT], remedy: /nearest|no directive|give common|there is no/, beside: { ...TCP, accessLog: '-' } },
  slowLog: { ...time(({ pool }) => pool.front.logs.slowLog, true), wrong: ['25h', ...NO_TIME], beside: TCP },
  slowLogFile: { right: [['-', '-']], found: ({ pool }) => pool.front.logs.slowLogFile, wrong: NO_TEXT, remedy: /give a path, or - for stdout/, beside: { ...TCP, slowLog: '1s' } },
  slowLogStack: flagRow(({ pool }) => pool.front.logs.slowLogStack, { ...TCP, slowLog: '1s' }),
  logLevel: { right: [['debug', 'debug'], ['silent', 'silent']], found: ({ options }) => options.logLevel, wrong: ['verbose', 'INFO', 5, null], remedy: /give error, warn, info, debug or silent/, beside: TCP },
  server: { right: [[{ limits: { bodyBytes: 5 }, url: 'rewritten' }, { limits: { bodyBytes: 5 }, url: 'rewritten' }]], found: ({ pool }) => pool.server, wrong: ['limits', 5, null, []], remedy: /give an object with options of createServer\(\)/, beside: TCP },
}

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'er-values-'))
  writeFileSync(join(directory, 'app.cjs'), 'module.exports = (request, response) => { response.end() }')
})
afterAll(() => {
  rmSync(directory, { recursive: true })
})

type Given = (name: Name, value: unknown, beside: Readonly<Record<string, unknown>>) => Resolved

function resolve(options: Readonly<Record<string, unknown>>, environment: Record<string, string>, file: object): Resolved {
  writeFileSync(join(directory, 'app.json'), JSON.stringify(file))
  return resolveCommand({ module: 'app.cjs', config: 'app.json', options }, environment, directory)
}

const byFlag: Given = (name, value, beside) => resolve({ [name]: value }, {}, beside)
const byVariable: Given = (name, value, beside) => resolve({}, { [variableOf(name)]: String(value) }, beside)
const byFile: Given = (name, value, beside) => resolve({}, {}, { ...beside, [name]: value })
const isText = (value: unknown): value is string => typeof value === 'string'

function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
  return 'nothing was refused'
}

it('has a row for each option', () => {
  expect(Object.keys(ROWS).sort()).toEqual([...OPTION_NAMES].sort())
})

describe.each(Object.entries(ROWS) as [Name, Row][])('%s', (name, { right, found, wrong, remedy, beside = {} }) => {
  it.each(right.map(([given, what]) => [JSON.stringify(given), given, what]))('takes %s from each source', (_shown, given, what) => {
    const sources = isText(given) ? [byFlag, byVariable, byFile] : [byFile]
    for (const by of sources) expect(found(by(name, given, beside))).toEqual(what)
  })

  it.each(wrong.map((value) => [JSON.stringify(value), value]))('refuses %s, saying where it came from, in one line', (_shown, value) => {
    const sources: [Given, string][] = isText(value) && name !== 'server'
      ? [[byFlag, `option ${flagOf(name)} is `], [byVariable, `variable ${variableOf(name)} is `], [byFile, `${name} in app.json is `]]
      : [[byFile, `${name} in app.json is `]]
    for (const [by, beginning] of sources) {
      const message = refusal(() => by(name, value, beside))
      expect(message.startsWith(beginning)).toBe(true)
      expect(message).toMatch(remedy)
      expect(message).toMatch(/#err_fcgi_option$/)
      expect(message).not.toContain('\n')
    }
  })
})

describe('options that are wrong together', () => {
  it.each([
    [{ socket: '/run/app.sock', fd: '3' }, {}, {}, 'option --socket and option --fd: a server listens in one place'],
    [{ port: '9000' }, { EXPRESS_RESPONDER_FD: '3' }, {}, 'option --port and variable EXPRESS_RESPONDER_FD: '],
    [{}, { EXPRESS_RESPONDER_PORT: '9000' }, { socket: '/run/app.sock' }, 'socket in app.json and variable EXPRESS_RESPONDER_PORT: '],
    [{ host: '::1' }, {}, {}, 'option --host is \'::1\': it has a meaning only together with --port'],
    [{ port: '9000', mode: '0600' }, {}, {}, 'option --mode is \'0600\': it has a meaning only together with --socket'],
    [{ port: '0' }, {}, { slowLogFile: '-' }, 'slowLogFile in app.json is "-": it has a meaning only together with --slow-log'],
    [{ port: '0', slowLogStack: 'false' }, {}, {}, 'option --slow-log-stack is false: it has a meaning only together with --slow-log'],
    [{ port: '0', accessLogFormat: 'json' }, {}, {}, 'option --access-log-format is "json": it has a meaning only together with --access-log'],
  ])('%j %j %j', (options, environment, file, message) => {
    expect(refusal(() => resolve(options, environment, file))).toContain(message)
  })
})

describe('server in the file', () => {
  it.each([
    [{ limits: { bodyByte: 1 } }, 'server.limits.bodyByte in app.json: no such option, did you mean bodyBytes?'],
    [{ limits: { bodyBytes: '1' } }, 'server.limits.bodyBytes in app.json is \'1\': give a whole number'],
    [{ timeouts: { idle: -1 } }, 'server.timeouts.idle in app.json is -1: give a whole number'],
    [{ timeouts: 5 }, 'server.timeouts in app.json is 5: give an object'],
    [{ url: 'raw' }, 'server.url in app.json is \'raw\': give \'request-uri\' or \'rewritten\''],
    [{ mount: 'shop' }, 'server.mount in app.json is \'shop\': give a path'],
    [{ ambiguousHeaders: 'first' }, 'server.ambiguousHeaders in app.json is \'first\''],
    [{ forwardedHeaders: true }, 'server.forwardedHeaders in app.json is true'],
    [{ earlyHints: 1 }, 'server.earlyHints in app.json is 1'],
    [{ webServerAddresses: ['a'] }, 'server.webServerAddresses in app.json is \'a\': give IP addresses'],
    [{ socket: '/run/app.sock' }, 'server.socket in app.json: no such option'],
  ])('refuses %j', (server, message) => {
    expect(refusal(() => resolve({ port: '0' }, {}, { server }))).toContain(message)
  })
})

describe('check', () => {
  it.each([
    ['a flag', ['--workers', '0'], {}, 'option --workers is "0": give a whole number'],
    ['a flag that there is not', ['--max-request', '5'], {}, 'unknown option \'--max-request\' (Did you mean --max-requests?)'],
    ['a flag without its value', ['--workers'], {}, 'option \'--workers <count>\' argument missing'],
    ['a variable', [], { EXPRESS_RESPONDER_MAX_RSS: '5XB' }, 'variable EXPRESS_RESPONDER_MAX_RSS is "5XB": give bytes'],
    ['a variable that there is not', [], { EXPRESS_RESPONDER_MAX_RS: '5MB' }, 'did you mean EXPRESS_RESPONDER_MAX_RSS?'],
    ['a file that is no JSON', ['--config', 'broken.json'], {}, 'broken.json cannot be read'],
    ['a file that there is not', ['--config', 'gone.json'], {}, 'gone.json cannot be read (ENOENT)'],
  ])('refuses %s in one line, with exit status 2', async (_what, args, environment, message) => {
    writeFileSync(join(directory, 'broken.json'), '{\n  "port": 0,\n}\n')
    const placed = args.map((word) => word.endsWith('.json') ? join(directory, word) : word)
    const { code, stderr } = await runCommand(['check', join(directory, 'app.cjs'), ...placed], environment)
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/^express-responder: [^\n]*#err_fcgi_option\n$/)
    expect(code).toBe(2)
  })
})

describe('help', () => {
  it.each([
    [['--help'], ['check', 'reload', 'status', 'top', 'config', 'doctor']],
    [['check', '--help'], ['--live <socket>', '--ready <socket>', '--timeout <time>']],
  ])('%j fits a screen of 24 lines and 80 columns', async (args, words) => {
    const { code, stdout } = await runCommand(args)
    const lines = stdout.split('\n')
    expect(lines.length).toBeLessThanOrEqual(24)
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    for (const name of COMMON_OPTIONS) expect(stdout).toContain(`  ${flagOf(name)} `)
    for (const word of ['--help-all', ...words]) expect(stdout).toContain(word)
    expect(code).toBe(0)
  })

  it('--help-all has all options, in 80 columns', async () => {
    const { code, stdout } = await runCommand(['--help-all'])
    for (const name of OPTION_NAMES.filter((option) => option !== 'server')) expect(stdout).toMatch(new RegExp(`^  ${flagOf(name)} `, 'm'))
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
    expect(code).toBe(0)
  })
})
