/** The server's options: from what the user gives to one complete configuration; nothing downstream defaults again. */
import { isIP } from 'node:net'
import { checkNames, wholeNumber, wrongOption } from '../option-checks.js'

/** Bounds on what a web server, and the clients behind it, can make the process hold. */
export interface Limits {
  /** Octets of PARAMS a request; over it: 431. Default 131072. */
  paramsBytes: number
  /** Name-value pairs a request; over it: 431. Default 1000. */
  paramsCount: number
  /** Requests open at the same time on one connection; over it: 503 with Retry-After. Default 100. */
  requestsPerConnection: number
  /** Connections open at the same time; over it: closed. Default 4096. */
  connections: number
  /** Octets of request body; over it: 413. Default 1 GiB. */
  bodyBytes: number
  /** Octets of body held for a request while its connection carries others; then the connection waits. Default 262144. */
  bufferedBytes: number
  /** Octets of body read into nothing after a request was answered early; then the connection is closed. Default 64 MiB. */
  drainBytes: number
  /** Octets of a response's head that bring a warning, because web servers refuse larger ones. Default 4000. */
  headBytes: number
  /** Headers of a response that bring a warning above it: HAProxy and h2o refuse more than 100, Status among them. Default 99. */
  headerCount: number
}

/** Bounds on time, in milliseconds; 0 is none. */
export interface Timeouts {
  /** From the first octet of a request, or of the connection, to complete PARAMS; then closed. Default 10000. */
  params: number
  /** Without an open request; then closed. Default 120000. */
  idle: number
  /** From the last response on a closing connection to the web server's own close. Default 5000. */
  linger: number
  /** Without a piece of a request body that is still to come, while the app would read it; then 408. Default 300000. */
  body: number
  /** After an answer that was given before the body had come, without a piece of it; then it is not waited for. 0: never. Default 1000. */
  drain: number
}

/** What counts of forwarded headers. */
export type ForwardedHeaders = 'ignore' | 'trust' | 'remove'

/** The options of `createServer()`. */
export interface ServerOptions {
  limits?: { [Name in keyof Limits]?: Limits[Name] | undefined } | undefined
  timeouts?: { [Name in keyof Timeouts]?: Timeouts[Name] | undefined } | undefined
  /** `request-uri`: the url as the client sent it (default). `rewritten`: as the server's rewrites left it. */
  url?: 'request-uri' | 'rewritten' | undefined
  /** A path prefix that the app does not see: `req.url` is without it, `req.baseUrl` is it. Default none. */
  mount?: string | undefined
  /** What is done with two headers of a name that carries trust, such as X-Forwarded-For. Default `refuse` (400). */
  ambiguousHeaders?: 'refuse' | 'join' | undefined
  /**
   * What counts of X-Forwarded-For, -Proto and -Host, which clients can send, too. `ignore` (default): Express's `req.ip`,
   * `ips`, `protocol`, `secure`, `host` and `hostname` are the web server's word, whatever the setting 'trust proxy' says.
   * `trust`: 'trust proxy' decides, as over HTTP; for sites where another proxy stands in front of the web server.
   * `remove`: as `ignore`, and no app sees these headers, nor Forwarded and X-Real-IP.
   */
  forwardedHeaders?: ForwardedHeaders | undefined
  /** FastCGI has no 1xx: early hints are dropped (default), or their Link joins the final head. */
  earlyHints?: 'drop' | 'fold' | undefined
  /** Addresses that may connect over TCP. Default: FCGI_WEB_SERVER_ADDRS of the environment; unset, all may. */
  webServerAddresses?: readonly string[] | undefined
}

/** All of it, resolved. */
export interface ServerConfiguration {
  readonly limits: Readonly<Limits>
  readonly timeouts: Readonly<Timeouts>
  readonly url: 'request-uri' | 'rewritten'
  readonly mount: string
  readonly ambiguousHeaders: 'refuse' | 'join'
  readonly forwardedHeaders: ForwardedHeaders
  readonly earlyHints: 'drop' | 'fold'
  readonly webServerAddresses: ReadonlySet<string> | undefined
}

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

const DEFAULT_TIMEOUTS: Readonly<Timeouts> = { params: 10_000, idle: 120_000, linger: 5000, body: 300_000, drain: 1000 }

/** The names of all options. */
export const SERVER_OPTION_NAMES: ReadonlySet<string> = new Set([
  'limits',
  'timeouts',
  'url',
  'mount',
  'ambiguousHeaders',
  'forwardedHeaders',
  'earlyHints',
  'webServerAddresses',
])

/**
 * @throws FastCgiError ERR_FCGI_OPTION naming the option, its value and the remedy.
 */
export function resolveServerOptions(options: ServerOptions, environment: NodeJS.ProcessEnv): ServerConfiguration {
  checkNames('options', options, SERVER_OPTION_NAMES)
  return {
    limits: numbers('limits', options.limits, DEFAULT_LIMITS, 1),
    timeouts: numbers('timeouts', options.timeouts, DEFAULT_TIMEOUTS, 0),
    url: oneOf('url', options.url, ['request-uri', 'rewritten']),
    mount: mountPrefix(options.mount),
    ambiguousHeaders: oneOf('ambiguousHeaders', options.ambiguousHeaders, ['refuse', 'join']),
    forwardedHeaders: oneOf('forwardedHeaders', options.forwardedHeaders, ['ignore', 'trust', 'remove']),
    earlyHints: oneOf('earlyHints', options.earlyHints, ['drop', 'fold']),
    webServerAddresses: addresses(options.webServerAddresses, environment['FCGI_WEB_SERVER_ADDRS']),
  }
}

function numbers<T extends object>(group: string, given: object | undefined, defaults: T, least: number): T {
  const resolved = { ...defaults }
  if (given === undefined) return resolved
  checkNames(group, given, Object.keys(defaults))
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) Object.assign(resolved, { [name]: wholeNumber(`${group}.${name}`, value, least) })
  }
  return resolved
}

function oneOf<T extends string>(name: string, given: T | undefined, choices: readonly [T, ...T[]]): T {
  if (given === undefined) return choices[0]
  if (!choices.includes(given)) throw wrongOption(name, given, `give one of ${choices.join(', ')}`)
  return given
}

function mountPrefix(given: string | undefined): string {
  if (given === undefined || given === '' || given === '/') return ''
  if (typeof given !== 'string' || !/^\/[^?#]*[^/?#]$/.test(given)) {
    throw wrongOption('mount', given, 'give a path that begins with a slash and ends without one, such as /shop')
  }
  return given
}

function addresses(given: readonly string[] | undefined, environment: string | undefined): ReadonlySet<string> | undefined {
  const name = given === undefined ? 'FCGI_WEB_SERVER_ADDRS' : 'webServerAddresses'
  if (given !== undefined && !Array.isArray(given)) throw wrongOption(name, given, 'give an array of IP addresses, such as [\'127.0.0.1\']')
  const list: readonly string[] | undefined = given ?? environment?.split(',').map((address) => address.trim())
  if (list === undefined || (given === undefined && environment?.trim() === '')) return undefined
  for (const address of list) {
    if (isIP(address) === 0) throw wrongOption(name, address, 'give IP addresses, such as 127.0.0.1')
  }
  return new Set(list)
}
