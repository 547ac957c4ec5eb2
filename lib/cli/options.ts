/**
 * The options of the command: one schema for flags, for variables of the environment (`EXPRESS_RESPONDER_MAX_REQUESTS`) and for the
 * configuration file. A flag comes before a variable, a variable before the file. Unknown names and wrong values are refused in one
 * line, with name, value and remedy.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { codeOf } from '../../shared/errors.js'
import { resolveOptions } from '../process/options.js'
import { MAX_PATH_BYTES } from '../process/socket-path.js'
import { KEEP_ALIVE_RELEASE_MODES, resolveServerOptions, type ServerOptions } from '../server/options.js'
import { findModule } from '../workers/load-app.js'
import { compileLogFormat } from '../workers/log-format.js'
import type { PoolConfiguration } from '../workers/options.js'
import { asCommandError, checkNames, wrong, wrongValue, type Source } from './option-messages.js'
import { durationMs, sizeBytes } from './units.js'

/** The beginning of the names of variables. */
export const VARIABLE_PREFIX = 'EXPRESS_RESPONDER_'
/** The addresses of web servers, for whatever listens on TCP: serve() reads it, too. */
const ADDRESSES_VARIABLE = 'FCGI_WEB_SERVER_ADDRS'
/** Variables of that beginning that are no options: a worker's number, which the command sets itself. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['EXPRESS_RESPONDER_WORKER'])

/** The longest time that a timer takes. */
const MAX_MS = 2 ** 31 - 1
/** What a number of the command line may look like. */
const WHOLE_NUMBER = /^\s*\d{1,15}\s*$/
const SHARE = /^\s*(?:0|1|[01]?\.\d{1,9})\s*$/

/** A value that `read` makes of what was given; where it makes none, the hint is the remedy. */
function value<Value>(hint: string, read: (given: unknown) => Value | undefined): z.ZodType<Value> {
  return z.unknown().transform((given, context) => {
    const made = read(given)
    if (made !== undefined) return made
    context.addIssue({ code: 'custom', message: hint })
    return z.NEVER
  })
}

/** A number, or text that `read` takes for one. */
function quantity(hint: string, read: (text: string) => number | undefined, least: number, most: number): z.ZodType<number> {
  return value(hint, (given) => {
    const number = typeof given === 'number' || typeof given === 'string' ? read(String(given)) : undefined
    return number !== undefined && number >= least && number <= most ? number : undefined
  })
}

const TIME = 'give milliseconds, or a number with ms, s, m, h or d, such as 30s'
const duration = quantity(`${TIME}, at most 24d`, durationMs, 0, MAX_MS)
const bootTime = quantity(`${TIME}, at least 1ms and at most 24d`, durationMs, 1, MAX_MS)
const dayAtMost = quantity(`${TIME}, at most 24h, or off`, durationMs, 0, 86_400_000)
const size = quantity('give bytes, or a number with KB, MB or GB, such as 512MB, or off', sizeBytes, 0, Number.MAX_SAFE_INTEGER)
const limitOfTime = quantity(`${TIME}, at most 24d, or off`, durationMs, 0, MAX_MS)

/** A limit that is off unless it is given; 0 and `off` turn it off again. */
function offOr(schema: z.ZodType<number>): z.ZodType<number | undefined> {
  return z.preprocess((given) => given === 'off' ? 0 : given, schema).transform((number) => number === 0 ? undefined : number)
}

const count = (least: number, most = 1_000_000_000, or = ''): z.ZodType<number> =>
  quantity(`give a whole number from ${String(least)} to ${String(most)}${or}`, (text) => WHOLE_NUMBER.test(text) ? Number(text) : undefined, least, most)
const share = quantity('give a share from 0 to 1, such as 0.1', (text) => SHARE.test(text) ? Number(text) : undefined, 0, 1)
const text = (hint: string, pattern = /[^]/): z.ZodType<string> => value(hint, (given) => typeof given === 'string' && pattern.test(given) ? given : undefined)
const numberOrText = (hint: string): z.ZodType<number | string> => value(hint, (given) => typeof given === 'number' || (typeof given === 'string' && given !== '') ? given : undefined)
const FLAGS = new Map<unknown, boolean>([[true, true], ['true', true], ['1', true], [false, false], ['false', false], ['0', false]])
const flag = value('give true or false', (given) => FLAGS.get(given))
/** `auto` is as many as the process may use. */
const workers = z.preprocess((given) => given === 'auto' ? availableParallelism() : given, count(1, 1024, ', or auto'))
const LEVELS = ['error', 'warn', 'info', 'debug', 'silent'] as const
const level = value('give error, warn, info, debug or silent', (given) => LEVELS.find((known) => known === given))
/** The parts of the long help. */
export const GROUPS = ['Where to listen', 'Workers', 'Starting, stopping, reloading', 'Replacing workers', 'Status and logs'] as const

/** What `--help` says of an option. */
export interface OptionHelp {
  readonly group: (typeof GROUPS)[number]
  readonly description: string
  /** The name of its value; those without one are switches. */
  readonly value?: string | undefined
}

function help(group: 0 | 1 | 2 | 3 | 4, description: string, valueName?: string): OptionHelp & Record<string, unknown> {
  return { group: GROUPS[group], description, value: valueName }
}

/** The options that most need: those of the short help. */
export const COMMON_OPTIONS: ReadonlySet<string> = new Set(['socket', 'group', 'port', 'workers', 'maxRss', 'stuckTimeout', 'statusSocket', 'accessLog'])

/** All options, in the order of the long help. `meta` has what it says of each: {@link OptionHelp}. */
export const SCHEMA = z.strictObject({
  socket: text('give the path of a socket file, such as /run/app/app.sock').optional().meta(help(0, 'Unix socket to listen on', 'path')),
  mode: numberOrText('give three octal digits, such as 0660').optional().meta(help(0, 'permission bits of the socket (0660)', 'bits')),
  owner: numberOrText('give the name or the number of a user').optional().meta(help(0, 'owner of the socket', 'user')),
  group: numberOrText('give the name or the number of a group, such as www-data').optional().meta(help(0, 'group of the socket, such as www-data', 'group')),
  replace: flag.optional().meta(help(0, 'take the name of a live socket')),
  port: numberOrText('give a port from 0 to 65535').optional().meta(help(0, 'TCP port instead of a socket', 'port')),
  host: text('give an address, such as 127.0.0.1').optional().meta(help(0, 'address for --port (127.0.0.1)', 'address')),
  fd: numberOrText('give the number of an inherited descriptor, or its name').optional().meta(help(0, 'inherited descriptor, by number or name', 'fd')),
  backlog: count(1, 2 ** 31 - 1).optional().meta(help(0, 'connections that wait to be accepted (4096)', 'count')),
  workers: workers.default(1).meta(help(1, 'worker processes, or auto: one a core (1)', 'count')),
  balance: flag.default(true).meta(help(1, 'move kept connections to idle workers (true)')),
  requestTimeout: z.preprocess((given) => given === 'off' ? 0 : given, limitOfTime).optional().meta(help(1, '503 for requests not answered within', 'time')),
  bootTimeout: bootTime.default(30_000).meta(help(2, 'a new worker must answer within (30s)', 'time')),
  bootPath: text('give a path that begins with a slash, such as /, or off', /^(?:\/[^\s#]*|off)$/).default('/').meta(help(2, 'path that it is tried with, or off (/)', 'path')),
  stopTimeout: duration.default(10_000).meta(help(2, 'a stop waits for requests at most (10s)', 'time')),
  drainTimeout: duration.default(60_000).meta(help(2, 'replaced workers may take (60s)', 'time')),
  drainDelay: duration.default(0).meta(help(2, 'a stop goes on accepting for (0)', 'time')),
  linger: duration.default(10_000).meta(help(2, 'the web server may keep idle connections (10s)', 'time')),
  keepAliveRelease: value('give ask, idle or close', (given) => KEEP_ALIVE_RELEASE_MODES.find((mode) => mode === given)).optional()
    .meta(help(2, 'how those end: ask, idle, close (ask)', 'how')),
  maxRequests: offOr(count(0, undefined, ', or off')).optional().meta(help(3, 'recycle a worker after so many requests', 'count')),
  maxRss: offOr(size).optional().meta(help(3, 'recycle a worker at so much memory', 'size')),
  maxLifetime: offOr(limitOfTime).optional().meta(help(3, 'recycle a worker at this age', 'time')),
  jitter: share.default(0.1).meta(help(3, 'spread of these limits (0.1)', 'share')),
  stuckTimeout: offOr(limitOfTime).optional().meta(help(3, 'replace a worker whose loop stands still for', 'time')),
  emergencyRestart: count(0).default(10).meta(help(3, 'give up after so many deaths (10)', 'count')),
  emergencyInterval: duration.default(60_000).meta(help(3, 'within (60s)', 'time')),
  controlSocket: text('give the path of a socket file').optional().meta(help(4, 'socket for reload, 0600 (SOCKET.control)', 'path')),
  statusSocket: text('give the path of a socket file').optional().meta(help(4, 'socket for status and metrics, 0660', 'path')),
  statusPath: text('give a path that begins with a slash and does not end with one, such as /status', /^\/[\w.~/-]*[\w.~-]$/).optional().meta(help(4, 'the same under a path of the app', 'path')),
  probes: flag.default(false).meta(help(4, 'answer /livez and /readyz before the app')),
  accessLog: text('give a path, or - for stdout').optional().meta(help(4, 'access log, - for stdout', 'path')),
  accessLogFormat: text('give common, combined, json or a format').optional().meta(help(4, 'common, combined (default), json, a format', 'format')),
  slowLog: offOr(dayAtMost).optional().meta(help(4, 'tell of requests that run longer than', 'time')),
  slowLogFile: text('give a path, or - for stdout').optional().meta(help(4, 'where to (stderr)', 'path')),
  slowLogStack: flag.optional().meta(help(4, 'with the stack of a blocked event loop (true)')),
  logLevel: level.default('info').meta(help(4, 'error, warn, info, debug, silent (info)', 'level')),
  server: value('give an object with options of createServer(), such as {"limits": {"bodyBytes": 1048576}}',
    (given) => typeof given === 'object' && given !== null && !Array.isArray(given) ? given as ServerOptions : undefined).optional(),
})

/** The options, checked, with defaults. */
export type CommandOptions = z.output<typeof SCHEMA>

type OptionName = keyof typeof SCHEMA.shape

/** The names of all options. */
export const OPTION_NAMES = Object.keys(SCHEMA.shape) as OptionName[]

/** `maxRequests` as a flag: `--max-requests`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** `maxRequests` as a variable: `EXPRESS_RESPONDER_MAX_REQUESTS`. */
export function variableOf(name: string): string {
  return `${VARIABLE_PREFIX}${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** The command line, as commander has read it. */
export interface CommandLine {
  readonly module: string | undefined
  readonly config: string | undefined
  readonly options: Readonly<Record<string, unknown>>
}

/** What the command is to do, from all three sources. */
export interface ResolvedCommand {
  readonly options: CommandOptions
  readonly pool: PoolConfiguration
}

/**
 * Resolves the options.
 *
 * @throws FastCgiError ERR_FCGI_OPTION in one line: name, value, remedy
 */
export function resolveCommand(line: CommandLine, environment: NodeJS.ProcessEnv, directory: string): ResolvedCommand {
  const configFile = line.config ?? nonEmpty(environment[variableOf('config')])
  const { module: fileModule, ...fromFile } = configFile === undefined ? {} : readConfigFile(resolve(directory, configFile), configFile)
  if (fileModule !== undefined && (typeof fileModule !== 'string' || fileModule === '')) throw wrongValue((name) => `${name} in ${configFile ?? ''}`, 'module', fileModule, 'give the path of the file that exports the app')
  const variables = fromEnvironment(environment)
  const given: Record<string, unknown> = { ...fromFile, ...variables, ...line.options }
  const source = sourceOf(line.options, variables, configFile)
  const options = parse(given, source)
  const moduleName = nonEmpty(line.module) ?? nonEmpty(environment[variableOf('module')])
  const named = moduleName ?? fileModule
  if (named === undefined) throw wrong('no module is given: name the file that exports the app, such as express-responder app.js --socket /run/app/app.sock')
  const base = moduleName === undefined && configFile !== undefined ? dirname(resolve(directory, configFile)) : directory
  return { options, pool: poolConfiguration(options, source, () => findModule(named, base)) }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function sourceOf(flags: Readonly<Record<string, unknown>>, variables: Readonly<Record<string, unknown>>, configFile: string | undefined): Source {
  return (name) => {
    if (name in variables && !(name in flags)) return `variable ${variableOf(name)}`
    return name in flags || configFile === undefined ? `option ${flagOf(name)}` : `${name} in ${configFile}`
  }
}

/** Only the options that say where something listens, for commands that ask a running process. A flag puts all variables aside. */
export function resolveSockets(options: Readonly<Record<string, unknown>>, environment: NodeJS.ProcessEnv): CommandOptions {
  const variables = Object.keys(options).length > 0 ? {} : fromEnvironment(environment)
  return parse({ ...variables, ...options }, sourceOf(options, variables, undefined))
}

function readConfigFile(path: string, shown: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw wrong(`the configuration file ${path} cannot be read (${codeOf(error) ?? String(error)}): give a file of JSON`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw wrong(`the configuration file ${path} is no object: give {"socket": "/run/app/app.sock"}`)
  const options: Record<string, unknown> = { ...parsed }
  // Editors find the schema by it.
  delete options['$schema']
  checkNames(Object.keys(options), [...OPTION_NAMES, 'module'], `the file ${shown}`)
  return options
}

function fromEnvironment(environment: NodeJS.ProcessEnv): Record<string, unknown> {
  const names = Object.keys(environment).filter((name) => name.startsWith(VARIABLE_PREFIX) && !OTHER_VARIABLES.has(name) && environment[name] !== '')
  const known = new Map([...OPTION_NAMES.filter((name) => name !== 'server'), 'module', 'config'].map((name) => [variableOf(name), name]))
  checkNames(names, [...known.keys()], 'the environment')
  const given: Record<string, unknown> = {}
  for (const name of names) {
    const option = known.get(name)
    if (option !== undefined && option !== 'module' && option !== 'config') given[option] = environment[name]
  }
  return given
}

function parse(given: Readonly<Record<string, unknown>>, source: Source): CommandOptions {
  const result = SCHEMA.safeParse(given)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const name = String(issue?.path[0] ?? '')
  throw wrongValue(source, name, given[name], issue?.message ?? 'it is wrong')
}

/** Options that mean something only with another. */
const COMPANIONS = [['accessLogFormat', 'accessLog'], ['slowLogFile', 'slowLog'], ['slowLogStack', 'slowLog']] as const

function refuseStrays(options: CommandOptions, source: Source): void {
  for (const [name, needed] of COMPANIONS) {
    if (options[name] !== undefined && options[needed] === undefined) throw wrongValue(source, name, options[name], `it has a meaning only together with ${flagOf(needed)}`)
  }
  for (const name of ['controlSocket', 'statusSocket'] as const) {
    const path = options[name]
    if (path !== undefined && Buffer.byteLength(resolve(path)) > MAX_PATH_BYTES) {
      throw wrongValue(source, name, path, `a Unix socket's path has at most ${String(MAX_PATH_BYTES)} bytes. Choose a shorter one, such as /run/app/app.${name === 'controlSocket' ? 'control' : 'status'}`)
    }
  }
}

/** Where to listen, the server's options, the log's format: what resolves them checks them. */
function resolveServe(options: CommandOptions, source: Source): ReturnType<typeof resolveOptions> {
  const { socket, mode, owner, group, replace, port, host, fd, backlog, keepAliveRelease } = options
  try {
    resolveServerOptions(options.server, process.env, 'serve')
  } catch (error) {
    throw asCommandError(error, (name) => name === ADDRESSES_VARIABLE ? `variable ${name}` : source('server').replace(/^server\b/, name === 'options' ? 'server' : `server.${name}`))
  }
  try {
    if (options.accessLogFormat !== undefined) compileLogFormat(options.accessLogFormat)
    return resolveOptions({ ...options.server, ...withoutUndefined({ socket, mode, owner, group, replace, port, host, fd: descriptor(fd), backlog, keepAliveRelease }) })
  } catch (error) {
    throw asCommandError(error, source)
  }
}

function poolConfiguration(options: CommandOptions, source: Source, module: () => string): PoolConfiguration {
  refuseStrays(options, source)
  const { place, server } = resolveServe(options, source)
  return {
    place,
    module: module(),
    server: withRequestTimeout(server, options.requestTimeout),
    workers: options.workers,
    bootTimeout: options.bootTimeout,
    bootPath: options.bootPath === 'off' ? undefined : options.bootPath,
    stopTimeout: options.stopTimeout,
    drainTimeout: options.drainTimeout,
    drainDelay: options.drainDelay,
    linger: options.linger,
    recycling: { maxRequests: options.maxRequests, maxRss: options.maxRss, maxLifetime: options.maxLifetime, jitter: options.jitter },
    emergency: { deaths: options.emergencyRestart, interval: options.emergencyInterval },
    stuckTimeout: options.stuckTimeout,
    balance: options.balance,
    front: {
      logs: { accessLog: options.accessLog, accessLogFormat: options.accessLogFormat, slowLog: options.slowLog, slowLogFile: options.slowLogFile, slowLogStack: options.slowLogStack },
      probes: options.probes,
      statusPath: options.statusPath,
    },
    nodeArguments: [],
  }
}

/** The command line gives numbers as text. */
function descriptor(fd: number | string | undefined): number | string | undefined {
  return typeof fd === 'string' && /^\d+$/.test(fd) ? Number(fd) : fd
}

function withRequestTimeout(server: ServerOptions, request: number | undefined): ServerOptions {
  return request === undefined ? server : { ...server, timeouts: { ...server.timeouts, request } }
}

function withoutUndefined<Value extends object>(value: Value): Partial<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, given]) => given !== undefined)) as Partial<Value>
}
