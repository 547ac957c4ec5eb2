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
import { FastCgiError } from '../errors.js'
import { resolveOptions, type ServeOptions } from '../process/options.js'
import { KEEP_ALIVE_RELEASE_MODES, type ServerOptions } from '../server/options.js'
import { findModule } from '../workers/load-app.js'
import type { PoolConfiguration } from '../workers/options.js'
import { nearest } from './nearest.js'

/** The beginning of the names of variables. */
export const VARIABLE_PREFIX = 'EXPRESS_RESPONDER_'
/** Variables of that beginning that are no options: a worker's number, which the command sets itself. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['EXPRESS_RESPONDER_WORKER'])

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTES: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }
/** The longest time that a timer takes. */
const MAX_MS = 2 ** 31 - 1

function quantity(units: Readonly<Record<string, number>>, hint: string, most: number): z.ZodType<number> {
  return z.union([z.number(), z.string()]).transform((given, context) => {
    const [, number, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(given)) ?? []
    const factor = unit === '' ? 1 : units[unit.toLowerCase()]
    const value = factor === undefined ? NaN : Math.round(Number(number) * factor)
    if (value >= 0 && value <= most) return value
    context.addIssue({ code: 'custom', message: hint })
    return z.NEVER
  })
}

const duration = quantity(MILLISECONDS, 'give milliseconds, or a number with ms, s, m, h or d, such as 30s', MAX_MS)
const size = quantity(BYTES, 'give bytes, or a number with KB, MB or GB, such as 512MB', Number.MAX_SAFE_INTEGER)

/** A limit that is off unless it is given; 0 and `off` turn it off again. */
function offOr(schema: z.ZodType<number>): z.ZodType<number | undefined> {
  return z.preprocess((given) => given === 'off' ? 0 : given, schema).transform((value) => value === 0 ? undefined : value)
}

const count = (least: number, most = 1_000_000_000): z.ZodType<number> =>
  z.coerce.number(`give a whole number from ${String(least)}`).int(`give a whole number from ${String(least)}`)
    .min(least, `give a whole number from ${String(least)}`).max(most, `give a whole number up to ${String(most)}`)
const text = (hint: string): z.ZodType<string> => z.string(hint).min(1, hint)
const numberOrText = z.union([z.number(), z.string()])
const flag = z.preprocess((given) => given === 'true' || given === '1' ? true : given === 'false' || given === '0' ? false : given, z.boolean('give true or false'))

/** A description for `--help`, and what the value is. */
function help(description: string, value?: string): { description: string, value?: string } {
  return value === undefined ? { description } : { description, value }
}

/** All options, in the order of `--help`. `meta` has the description, and the name of the value; flags without one are switches. */
export const SCHEMA = z.strictObject({
  socket: text('give the path of a socket file, such as /run/app/app.sock').optional().meta(help('Unix socket to listen on', 'path')),
  mode: numberOrText.optional().meta(help('permission bits of the socket (0660)', 'bits')),
  owner: numberOrText.optional().meta(help('owner of the socket', 'user')),
  group: numberOrText.optional().meta(help('group of the socket, such as www-data', 'group')),
  replace: flag.optional().meta(help('take the name of a live socket')),
  port: numberOrText.optional().meta(help('TCP port instead of a socket', 'port')),
  host: text('give an address').optional().meta(help('address for --port (127.0.0.1)', 'address')),
  fd: numberOrText.optional().meta(help('inherited descriptor, by number or name', 'fd')),
  backlog: count(1, 2 ** 31 - 1).optional().meta(help('connections that wait to be accepted (4096)', 'count')),
  workers: z.union([z.literal('auto'), count(1, 1024)], 'give a number of workers, or auto').default(1).meta(help('worker processes, or auto: one a core (1)', 'count')),
  bootTimeout: duration.default(30_000).meta(help('a new worker must answer within (30s)', 'time')),
  bootPath: z.string('give a path such as /').regex(/^(?:\/|off$)/, 'give a path that begins with a slash, or off').default('/').meta(help('path that it is tried with, or off (/)', 'path')),
  stopTimeout: duration.default(10_000).meta(help('a stop waits for requests at most (10s)', 'time')),
  drainTimeout: duration.default(60_000).meta(help('replaced workers may take (60s)', 'time')),
  drainDelay: duration.default(0).meta(help('a stop goes on accepting for (0)', 'time')),
  linger: duration.default(10_000).meta(help('the web server may keep idle connections (10s)', 'time')),
  keepAliveRelease: z.enum(KEEP_ALIVE_RELEASE_MODES, 'give ask, idle or close').optional().meta(help('how those end: ask, idle, close (ask)', 'how')),
  maxRequests: offOr(count(0)).optional().meta(help('recycle a worker after so many requests', 'count')),
  maxRss: offOr(size).optional().meta(help('recycle a worker at so much memory', 'size')),
  maxLifetime: offOr(duration).optional().meta(help('recycle a worker at this age', 'time')),
  jitter: z.coerce.number('give a share from 0 to 1').min(0, 'give a share from 0 to 1').max(1, 'give a share from 0 to 1').default(0.1).meta(help('spread of these limits (0.1)', 'share')),
  emergencyRestart: count(0).default(10).meta(help('give up after so many deaths (10)', 'count')),
  emergencyInterval: duration.default(60_000).meta(help('within (60s)', 'time')),
  stuckTimeout: offOr(duration).optional().meta(help('replace a worker whose loop stands still for', 'time')),
  requestTimeout: offOr(duration).optional().meta(help('503 for requests not answered within', 'time')),
  balance: flag.default(true).meta(help('move kept connections to idle workers (true)')),
  controlSocket: text('give a path').optional().meta(help('socket for reload and status, 0600 (SOCKET.control)', 'path')),
  statusSocket: text('give a path').optional().meta(help('socket for status and metrics, 0660', 'path')),
  statusPath: z.string('give a path such as /status').regex(/^\/./, 'give a path that begins with a slash').optional().meta(help('the same under a path of the app', 'path')),
  probes: flag.default(false).meta(help('answer /livez and /readyz before the app (false)')),
  accessLog: text('give a path, or - for stdout').optional().meta(help('access log, - for stdout', 'path')),
  accessLogFormat: text('give common, combined, json or a format').optional().meta(help('common, combined, json, a format (combined)', 'format')),
  slowLog: offOr(duration).optional().meta(help('tell of requests that run longer than', 'time')),
  slowLogFile: text('give a path, or - for stdout').optional().meta(help('where to (stderr)', 'path')),
  logLevel: z.enum(['error', 'warn', 'info', 'debug', 'silent'], 'give error, warn, info, debug or silent').default('info').meta(help('error, warn, info, debug, silent (info)', 'level')),
  server: z.record(z.string(), z.unknown()).optional(),
})

/** The options as they are given. */
export type GivenOptions = z.input<typeof SCHEMA>
/** The options, checked, with defaults. */
export type CommandOptions = z.output<typeof SCHEMA>

type OptionName = keyof typeof SCHEMA.shape

/** The names of all options. */
export const OPTION_NAMES = Object.keys(SCHEMA.shape) as OptionName[]

/** Where a value came from, as messages name it. */
type Source = (name: string) => string

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
  const configFile = line.config ?? environment[variableOf('config')]
  const file = configFile === undefined ? {} : readConfigFile(resolve(directory, configFile))
  const { module: fileModule, ...fromFile } = file
  checkNames(Object.keys(fromFile), (name) => name, OPTION_NAMES, `the file ${configFile ?? ''}`)
  const given: Record<string, unknown> = { ...fromFile, ...fromEnvironment(environment), ...line.options }
  const source: Source = (name) => name in line.options ? `option ${flagOf(name)}` : variableOf(name) in environment ? `variable ${variableOf(name)}` : `${name} in ${configFile ?? ''}`
  const options = parse(given, source)
  const moduleName = line.module ?? environment[variableOf('module')] ?? fileModule
  if (typeof moduleName !== 'string' || moduleName === '') throw wrong('no module is given: name the file that exports the app, such as express-responder app.js --socket /run/app/app.sock')
  const base = line.module === undefined && environment[variableOf('module')] === undefined && configFile !== undefined ? dirname(resolve(directory, configFile)) : directory
  return { options, pool: poolConfiguration(options, findModule(moduleName, base)) }
}

/** Only the options that say where something listens, for commands that ask a running process. */
export function resolveSockets(options: Readonly<Record<string, unknown>>, environment: NodeJS.ProcessEnv): CommandOptions {
  return parse({ ...fromEnvironment(environment), ...options }, (name) => name in options ? `option ${flagOf(name)}` : `variable ${variableOf(name)}`)
}

function wrong(message: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_OPTION', message)
}

function readConfigFile(path: string): Record<string, unknown> {
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
  return options
}

function fromEnvironment(environment: NodeJS.ProcessEnv): Record<string, unknown> {
  const names = Object.keys(environment).filter((name) => name.startsWith(VARIABLE_PREFIX) && !OTHER_VARIABLES.has(name) && environment[name] !== '')
  const known = new Map([...OPTION_NAMES.filter((name) => name !== 'server'), 'module', 'config'].map((name) => [variableOf(name), name]))
  checkNames(names, (name) => name, [...known.keys()], 'the environment')
  const given: Record<string, unknown> = {}
  for (const name of names) {
    const option = known.get(name)
    if (option !== undefined && option !== 'module' && option !== 'config') given[option] = environment[name]
  }
  return given
}

function checkNames(names: readonly string[], shown: (name: string) => string, known: readonly string[], where: string): void {
  for (const name of names) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw wrong(`${shown(name)} in ${where} is no option${near === undefined ? '' : `: did you mean ${near}?`}`)
  }
}

function parse(given: Readonly<Record<string, unknown>>, source: Source): CommandOptions {
  const result = SCHEMA.safeParse(given)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const name = String(issue?.path[0] ?? '')
  throw wrong(`${source(name)} is ${JSON.stringify(given[name])}: ${issue?.message ?? 'it is wrong'}`)
}

function poolConfiguration(options: CommandOptions, module: string): PoolConfiguration {
  const { socket, mode, owner, group, replace, port, host, fd, backlog, keepAliveRelease } = options
  const given: ServeOptions = {
    ...options.server, ...withoutUndefined({ socket, mode, owner, group, replace, port, host, fd: descriptor(fd), backlog, keepAliveRelease }),
  }
  const { place, server } = resolveOptions(given)
  return {
    place,
    module,
    server: withRequestTimeout(server, options.requestTimeout),
    workers: options.workers === 'auto' ? availableParallelism() : options.workers,
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
      logs: { accessLog: options.accessLog, accessLogFormat: options.accessLogFormat, slowLog: options.slowLog, slowLogFile: options.slowLogFile },
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
