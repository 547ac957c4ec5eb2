/** The server's options: from what the user gives to one complete configuration; nothing downstream defaults again. */
import { isIP } from 'node:net'
import type { OptionChecks } from '../../shared/option-checks.js'
import { optionChecks } from '../errors.js'

/** Bounds on how much a web server and its clients can make the process hold in memory. */
export interface Limits {
  /**
   * The headers and other params of a request, in bytes. Over it: 431, ERR_FCGI_PARAMS_LIMIT.
   * @defaultValue 128 KiB
   */
  paramsBytes: number
  /**
   * The headers and other params of a request, counted. Over it: 431, ERR_FCGI_PARAMS_LIMIT.
   * @defaultValue 1000
   */
  paramsCount: number
  /**
   * Requests that are open at the same time on one connection. Over it: 503 with Retry-After, ERR_FCGI_REQUESTS_LIMIT. At
   * twice as many the connection is closed.
   * @defaultValue 100
   */
  requestsPerConnection: number
  /**
   * Connections that are open at the same time. Over it: the new one is closed, ERR_FCGI_CONNECTIONS_LIMIT.
   * @defaultValue 4096
   */
  connections: number
  /**
   * The body of a request, in bytes. Over it: 413, ERR_FCGI_BODY_LIMIT. Where the response has begun, it is broken off.
   * @defaultValue 1 GiB
   */
  bodyBytes: number
  /**
   * Body that is held for a slow reader while other requests share the connection, in bytes. Over it: the connection is
   * not read until the reader has caught up.
   * @defaultValue 256 KiB
   */
  bufferedBytes: number
  /**
   * Body that is read and thrown away after an early answer, in bytes. Over it: the connection is closed,
   * ERR_FCGI_BODY_LIMIT.
   * @defaultValue 64 MiB
   */
  drainBytes: number
  /**
   * The head of a response, in bytes. Over it: a warning, ERR_FCGI_HEADER_SIZE, and the response is sent. nginx answers
   * 502 to a head over 4 or 8 kB by default.
   * @defaultValue 4000
   */
  headBytes: number
  /**
   * The headers of a response, counted. Over it: a warning, ERR_FCGI_HEADER_COUNT, and the response is sent. HAProxy and
   * h2o answer 502 or 503 to more than 100, with Status among them.
   * @defaultValue 99
   */
  headerCount: number
}

/** Bounds on time, in milliseconds; 0 is none. */
export interface Timeouts {
  /**
   * From the begin of a request, or of the connection, to the last header. Over it: the connection is closed,
   * ERR_FCGI_PARAMS_TIMEOUT.
   * @defaultValue 10 s
   */
  params: number
  /**
   * A connection without a request. Over it: the connection is closed, ERR_FCGI_IDLE_TIMEOUT.
   * @defaultValue 120 s
   */
  idle: number
  /**
   * A connection that the server has ended, until the web server ends it too. Over it: the connection is closed. 0: no
   * waiting.
   * @defaultValue 5 s
   */
  linger: number
  /**
   * Silence in the middle of a request body that the app would read. Over it: 408, ERR_FCGI_BODY_TIMEOUT. Where the
   * response has begun, it is broken off.
   * @defaultValue 300 s
   */
  body: number
  /**
   * Silence in the rest of a body after an early answer, while the end of the request waits for that rest. Over it: the
   * request ends without it. 0: no waiting.
   * @defaultValue 1 s
   */
  drain: number
  /**
   * From the moment at which the app gets a request until its response begins. Over it: 503, ERR_FCGI_REQUEST_TIMEOUT. A
   * response that has begun is left alone. 0: the app may take as long as it likes.
   * @defaultValue 0
   */
  request: number
}

/** How forwarded headers are used: the values of the option `forwardedHeaders`. */
export type ForwardedHeaders = 'ignore' | 'trust' | 'remove'

/** How kept connections end when the server stops: the values of the option `keepAliveRelease`. */
export type KeepAliveReleaseMode = 'ask' | 'idle' | 'close'

/** The options of `createServer()`. */
export interface ServerOptions {
  /**
   * Bounds on what is held, by name.
   * @defaultValue all are on
   */
  limits?: { [Name in keyof Limits]?: Limits[Name] | undefined } | undefined
  /**
   * Bounds on time, by name, in milliseconds.
   * @defaultValue all are on
   */
  timeouts?: { [Name in keyof Timeouts]?: Timeouts[Name] | undefined } | undefined
  /**
   * `'request-uri'`: `req.url` is REQUEST_URI, as the client sent it. `'rewritten'`: it is what the web server's rewrites
   * left (SCRIPT_NAME, PATH_INFO, DOCUMENT_URI), for sites whose rewrites matter.
   * @defaultValue `'request-uri'`
   */
  url?: 'request-uri' | 'rewritten' | undefined
  /**
   * A path prefix such as `'/shop'` that the app does not see. `req.url` is without it, `req.baseUrl` is the prefix,
   * `req.originalUrl` has both.
   * @defaultValue none
   */
  mount?: string | undefined
  /**
   * What happens to two headers of a name that carries trust (Host, Authorization, Forwarded, X-Forwarded-*, X-Real-IP).
   * `'refuse'`: the answer is 400. `'join'`: the app gets both, by Node's rules.
   * @defaultValue `'refuse'`
   */
  ambiguousHeaders?: 'refuse' | 'join' | undefined
  /**
   * How X-Forwarded-For, -Proto and -Host are used. Clients can send them too. `'ignore'`: `req.ip`, `ips`, `protocol`,
   * `secure`, `host` and `hostname` are what the web server says, even with Express's setting 'trust proxy'. The headers
   * stay in `req.headers`. `'trust'`: 'trust proxy' decides. This is for sites where another proxy stands in front of the
   * web server. `'remove'`: as `'ignore'`, and these headers, Forwarded and X-Real-IP are removed from `req.headers`.
   * @defaultValue `'ignore'`
   */
  forwardedHeaders?: ForwardedHeaders | undefined
  /**
   * FastCGI has no early hints. `'drop'`: they are dropped. `'fold'`: their Link headers join the final response.
   * @defaultValue `'drop'`
   */
  earlyHints?: 'drop' | 'fold' | undefined
  /**
   * The IP addresses that may connect over TCP, as a list. The environment variable FCGI_WEB_SERVER_ADDRS has them
   * separated by commas. Without either, all may.
   * @defaultValue `FCGI_WEB_SERVER_ADDRS`
   */
  webServerAddresses?: readonly string[] | undefined
  /**
   * How a stop, a reload and the balance of workers end connections that the web server keeps. `'ask'`: nginx, HAProxy, h2o,
   * lighttpd and Caddy are asked to close them, by an empty STDERR record, and no request is lost; others as `'idle'`. `'idle'`:
   * no web server is sent that record; a connection is closed once it has been idle for longer than is usual for it, and a
   * request may rarely be lost. This is for a web server that does something else with the record. `'close'`: closed with the
   * answer, and at once where it is idle, as most servers do; the stop is quick, and requests that are on their way are lost.
   * @defaultValue `'ask'`
   */
  keepAliveRelease?: KeepAliveReleaseMode | undefined
}

/** The options of `createServer()` with all defaults filled in. */
export interface ServerConfiguration {
  readonly limits: Readonly<Limits>
  readonly timeouts: Readonly<Timeouts>
  readonly url: 'request-uri' | 'rewritten'
  readonly mount: string
  readonly ambiguousHeaders: 'refuse' | 'join'
  readonly forwardedHeaders: ForwardedHeaders
  readonly earlyHints: 'drop' | 'fold'
  readonly webServerAddresses: ReadonlySet<string> | undefined
  readonly keepAliveRelease: KeepAliveReleaseMode
}

/** The values of `keepAliveRelease`. */
export const KEEP_ALIVE_RELEASE_MODES = ['ask', 'idle', 'close'] as const satisfies readonly KeepAliveReleaseMode[]

const DEFAULT_LIMITS: Readonly<Limits> = {
  paramsBytes: 128 * 1024,
  paramsCount: 1000,
  requestsPerConnection: 100,
  connections: 4096,
  bodyBytes: 1024 ** 3,
  bufferedBytes: 256 * 1024,
  drainBytes: 64 * 1024 ** 2,
  headBytes: 4000,
  headerCount: 99,
}

const DEFAULT_TIMEOUTS: Readonly<Timeouts> = { params: 10_000, idle: 120_000, linger: 5000, body: 300_000, drain: 1000, request: 0 }

/** The names of all options. */
export const SERVER_OPTION_NAMES: readonly (keyof ServerOptions)[] = [
  'limits',
  'timeouts',
  'url',
  'mount',
  'ambiguousHeaders',
  'forwardedHeaders',
  'earlyHints',
  'webServerAddresses',
  'keepAliveRelease',
]

/**
 * @param owner whose options they are, for messages
 * @throws FastCgiError ERR_FCGI_OPTION naming the option, its value and the remedy.
 */
export function resolveServerOptions(given: ServerOptions | undefined, environment: NodeJS.ProcessEnv, owner = 'createServer'): ServerConfiguration {
  const checks = optionChecks(owner)
  const options = checks.object<ServerOptions>('options', given, SERVER_OPTION_NAMES)
  const { url = 'request-uri', ambiguousHeaders = 'refuse', forwardedHeaders = 'ignore', earlyHints = 'drop', keepAliveRelease = 'ask' } = options
  return {
    limits: numbers(checks, 'limits', options.limits, DEFAULT_LIMITS, 1),
    timeouts: numbers(checks, 'timeouts', options.timeouts, DEFAULT_TIMEOUTS, 0),
    url: checks.oneOf('url', url, ['request-uri', 'rewritten']),
    mount: mountPrefix(checks, options.mount),
    ambiguousHeaders: checks.oneOf('ambiguousHeaders', ambiguousHeaders, ['refuse', 'join']),
    forwardedHeaders: checks.oneOf('forwardedHeaders', forwardedHeaders, ['ignore', 'trust', 'remove']),
    earlyHints: checks.oneOf('earlyHints', earlyHints, ['drop', 'fold']),
    webServerAddresses: addresses(checks, options.webServerAddresses, environment['FCGI_WEB_SERVER_ADDRS']),
    keepAliveRelease: checks.oneOf('keepAliveRelease', keepAliveRelease, KEEP_ALIVE_RELEASE_MODES),
  }
}

function numbers<T extends object>(checks: OptionChecks, group: string, given: { [Name in keyof T]?: unknown } | undefined, defaults: T, least: number): T {
  const resolved = { ...defaults }
  const names = Object.keys(defaults) as (keyof T & string)[]
  for (const [name, value] of Object.entries(checks.object<{ [Name in keyof T]?: unknown }>(group, given, names))) {
    if (value !== undefined) Object.assign(resolved, { [name]: checks.wholeNumber(`${group}.${name}`, value, least) })
  }
  return resolved
}

function mountPrefix(checks: OptionChecks, given: string | undefined): string {
  if (given === undefined || given === '' || given === '/') return ''
  if (typeof given !== 'string' || !/^\/[^?#]*[^/?#]$/.test(given)) {
    throw checks.wrong('mount', given, 'give a path that begins with a slash and ends without one, such as /shop')
  }
  return given
}

function addresses(checks: OptionChecks, given: readonly string[] | undefined, environment: string | undefined): ReadonlySet<string> | undefined {
  const name = given === undefined ? 'FCGI_WEB_SERVER_ADDRS' : 'webServerAddresses'
  if (given !== undefined && !Array.isArray(given)) throw checks.wrong(name, given, 'give an array of IP addresses, such as [\'127.0.0.1\']')
  const list: readonly string[] | undefined = given ?? environment?.split(',').map((address) => address.trim())
  if (list === undefined || (given === undefined && environment?.trim() === '')) return undefined
  for (const address of list) {
    if (isIP(address) === 0) throw checks.wrong(name, address, 'give IP addresses, such as 127.0.0.1')
  }
  return new Set(list)
}
