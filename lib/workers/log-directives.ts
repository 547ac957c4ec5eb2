/** What each directive of Apache and each variable of nginx stands for in a log line. */
import { hostname } from 'node:os'
import { commonLogTime, isoTime, timeFormatOf } from './log-time.js'
import { cpuTime, loopTime, type LoggedRequest } from './logged-request.js'

/** When a request was over: ms since 1970, and how long it took, ms. */
export interface End {
  readonly time: number
  readonly duration: number
}

/** A value of a line; undefined where there is none. */
export type Read = (logged: LoggedRequest, end: End) => string | undefined

/** A value, and what is to be measured for it. */
export interface Directive {
  readonly read: Read
  /** Whether clients choose what is in it, so that it is escaped. */
  readonly foreign: boolean
  readonly measures?: 'cpu' | 'loop'
}

function own(read: Read): Directive {
  return { read, foreign: false }
}

function foreign(read: Read): Directive {
  return { read, foreign: true }
}

const [CPU, LOOP] = ['cpu', 'loop'] as const

/** Memory of the process, read at most once a second: the system takes longer over it than a whole line does. */
let memory = { at: -Infinity, rss: '', heapUsed: '' }

function memoryNow(): typeof memory {
  const now = performance.now()
  if (now - memory.at >= 1000) {
    const { rss, heapUsed } = process.memoryUsage()
    memory = { at: now, rss: String(rss), heapUsed: String(heapUsed) }
  }
  return memory
}

function pathOf({ url }: LoggedRequest): string {
  const mark = url.indexOf('?')
  return mark === -1 ? url : url.slice(0, mark)
}

function queryOf({ url }: LoggedRequest): string | undefined {
  const mark = url.indexOf('?')
  return mark === -1 ? undefined : url.slice(mark + 1)
}

function cookieOf(logged: LoggedRequest, name: string): string | undefined {
  const found = logged.header('cookie')?.split(';').map((pair) => pair.trim()).find((pair) => pair.startsWith(`${name}=`))
  return found?.slice(name.length + 1)
}

function hostOf(logged: LoggedRequest): string | undefined {
  return logged.header('host')?.replace(/:\d*$/, '').toLowerCase()
}

const remoteAddress = foreign(({ request }) => request.socket.remoteAddress)
const remoteUser = foreign((logged) => logged.param('REMOTE_USER'))
const requestLine = foreign((logged) => `${logged.request.method ?? ''} ${logged.url} ${logged.protocol}`)
const status = own((logged) => String(logged.status))
const method = foreign(({ request }) => request.method)
const pid = own(() => String(process.pid))
const route = foreign(({ route: pattern }) => pattern === '' ? undefined : pattern)
const cpu: Directive = { ...own((logged) => ((cpuTime() - logged.cpu) / 1e6).toFixed(6)), measures: CPU }
const loop: Directive = { ...own((logged) => ((loopTime() - logged.loop) / 1000).toFixed(6)), measures: LOOP }
const rss = own(() => memoryNow().rss)
const heapUsed = own(() => memoryNow().heapUsed)

/** Nothing is called by these names, or takes what it is given. */
export type Lookup = Directive | undefined

/** Apache's directives without an argument, by their letter. */
const LETTERS: Readonly<Record<string, Directive>> = {
  '%': own(() => '%'),
  'a': remoteAddress,
  'A': own(({ request }) => request.socket.localAddress),
  'B': own(({ bodyBytes }) => String(bodyBytes ?? 0)),
  'b': own(({ bodyBytes }) => bodyBytes === undefined || bodyBytes === 0 ? undefined : String(bodyBytes)),
  'D': own((_, { duration }) => String(Math.round(duration * 1000))),
  'h': remoteAddress,
  'H': foreign(({ protocol }) => protocol),
  'l': own(() => undefined),
  'm': method,
  'p': own((logged) => logged.param('SERVER_PORT') ?? String(logged.request.socket.localPort ?? '-')),
  'P': pid,
  'q': foreign((logged) => queryOf(logged) === undefined ? '' : `?${queryOf(logged) ?? ''}`),
  'r': requestLine,
  's': status,
  't': own(({ time }) => `[${commonLogTime(time)}]`),
  'T': own((_, { duration }) => String(Math.floor(duration / 1000))),
  'u': remoteUser,
  'U': foreign(pathOf),
  'v': foreign((logged) => logged.param('SERVER_NAME') ?? hostOf(logged)),
  'V': foreign((logged) => hostOf(logged) ?? logged.param('SERVER_NAME')),
  'X': own(({ isComplete }) => isComplete ? '+' : 'X'),
}

/** What `%{name}x` has, which is of this package. */
const EXTRAS: Readonly<Record<string, Directive>> = { route, cpu, loop, rss, heap: heapUsed }

const UNITS: Readonly<Record<string, Read>> = {
  s: (_, { duration }) => String(Math.floor(duration / 1000)),
  ms: (_, { duration }) => String(Math.round(duration)),
  us: (_, { duration }) => String(Math.round(duration * 1000)),
}

const TAKES_NAME: Readonly<Record<string, (name: string) => Lookup>> = {
  i: (name) => foreign((logged) => logged.header(name.toLowerCase())),
  o: (name) => foreign((logged) => logged.sentHeader(name)),
  e: (name) => own(() => process.env[name]),
  C: (name) => foreign((logged) => cookieOf(logged, name)),
  x: (name) => Object.hasOwn(EXTRAS, name) ? EXTRAS[name] : undefined,
  P: (name) => name === 'pid' ? pid : undefined,
  p: (name) => name === 'remote' ? own(({ request }) => String(request.socket.remotePort ?? '-')) : name === 'canonical' || name === 'local' ? LETTERS['p'] : undefined,
  T: (name) => Object.hasOwn(UNITS, name) ? own(UNITS[name] ?? (() => undefined)) : undefined,
  t: timeDirective,
}

/** `%{format}t`, of the beginning, or with `end:` of the end. */
function timeDirective(given: string): Lookup {
  const atEnd = given.startsWith('end:')
  const format = timeFormatOf(given.replace(/^(?:begin|end):/, '') || '[')
  if (format === undefined) return undefined
  return own((logged, end) => format(atEnd ? end.time : logged.time))
}

/** A directive of Apache's: its letter, and what stands in braces before it. */
export function apacheDirective(letter: string, argument: string | undefined): Lookup {
  if (argument === undefined) return Object.hasOwn(LETTERS, letter) ? LETTERS[letter] : undefined
  return Object.hasOwn(TAKES_NAME, letter) ? TAKES_NAME[letter]?.(argument) : undefined
}

/** All that Apache's directives can be, for a message. */
export const APACHE_DIRECTIVES = [...Object.keys(LETTERS), ...Object.keys(TAKES_NAME).map((letter) => `{…}${letter}`)].map((name) => `%${name}`)

/** nginx' variables by name. */
const VARIABLES: Readonly<Record<string, Directive>> = {
  args: foreign(queryOf),
  body_bytes_sent: own(({ bodyBytes }) => String(bodyBytes ?? 0)),
  content_length: foreign((logged) => logged.header('content-length')),
  content_type: foreign((logged) => logged.header('content-type')),
  document_uri: foreign(pathOf),
  heap_used: heapUsed,
  host: foreign((logged) => hostOf(logged) ?? logged.param('SERVER_NAME')),
  hostname: own(() => HOSTNAME),
  https: own(({ request }) => (request.socket as { encrypted?: boolean }).encrypted === true ? 'on' : ''),
  is_args: own((logged) => queryOf(logged) === undefined ? '' : '?'),
  loop_time: loop,
  msec: own((_, { time }) => (time / 1000).toFixed(3)),
  pid,
  pipe: own(() => '.'),
  process_cpu_time: cpu,
  query_string: foreign(queryOf),
  remote_addr: remoteAddress,
  remote_port: own(({ request }) => String(request.socket.remotePort ?? '')),
  remote_user: remoteUser,
  request: requestLine,
  request_completion: own(({ isComplete }) => isComplete ? 'OK' : ''),
  request_method: method,
  request_time: own((_, { duration }) => (duration / 1000).toFixed(3)),
  request_uri: foreign(({ url }) => url),
  route,
  rss,
  scheme: own(({ request }) => (request.socket as { encrypted?: boolean }).encrypted === true ? 'https' : 'http'),
  server_addr: own(({ request }) => request.socket.localAddress),
  server_name: foreign((logged) => logged.param('SERVER_NAME') ?? hostOf(logged)),
  server_port: own((logged) => logged.param('SERVER_PORT') ?? String(logged.request.socket.localPort ?? '')),
  server_protocol: foreign(({ protocol }) => protocol),
  status,
  time_iso8601: own((_, { time }) => isoTime(time)),
  time_local: own((_, { time }) => commonLogTime(time)),
  uri: foreign(pathOf),
}

const HOSTNAME = hostname()

const FAMILIES: readonly (readonly [prefix: string, make: (rest: string) => Directive])[] = [
  ['sent_http_', (rest) => foreign((logged) => logged.sentHeader(rest.replaceAll('_', '-')))],
  ['http_', (rest) => foreign((logged) => logged.header(rest.replaceAll('_', '-')))],
  ['cookie_', (rest) => foreign((logged) => cookieOf(logged, rest))],
  ['arg_', (rest) => foreign((logged) => queryOf(logged)?.split('&').find((pair) => pair.startsWith(`${rest}=`))?.slice(rest.length + 1))],
  ['param_', (rest) => foreign((logged) => logged.param(rest))],
]

/** A variable of nginx', or of this package. */
export function nginxVariable(name: string): Lookup {
  if (Object.hasOwn(VARIABLES, name)) return VARIABLES[name]
  const family = FAMILIES.find(([prefix]) => name.startsWith(prefix) && name.length > prefix.length)
  return family?.[1](name.slice(family[0].length))
}

/** All variables, for a message. */
export const NGINX_VARIABLES = [...Object.keys(VARIABLES), ...FAMILIES.map(([prefix]) => `${prefix}…`)].map((name) => `$${name}`)
