/** The key that a request is counted by. Where it would not be the client's own, the request is refused. */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6, Socket } from 'node:net'
import { inspect } from 'node:util'
import { ipKeyGenerator, type Logger, type ValueDeterminingMiddleware } from 'express-rate-limit'
import { RateLimitKeyError } from './errors.js'
import type { ResolvedRateLimit } from './options.js'

/** Thrown where the client is gone: there is nobody to answer, and nothing to tell. */
// eslint-disable-next-line no-restricted-syntax -- nobody is told
export class ClientLeft extends Error {}

/** In these, all clients have one prefix: link-local addresses, and the IPv4 addresses behind NAT64 (RFC 6052). */
const WITHOUT_PREFIX = new BlockList()
WITHOUT_PREFIX.addSubnet('fe80::', 10, 'ipv6')
WITHOUT_PREFIX.addSubnet('64:ff9b::', 96, 'ipv6')

const TRUST = 'trust that proxy: app.set(\'trust proxy\', 1) in Express, or the option trustedProxies: 1'
const SEND = 'let the proxy send X-Forwarded-For (nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for)'
const OVER_FASTCGI = 'let the web server find the client (nginx: set_real_ip_from and real_ip_header), or give createServer() or serve() the option '
  + `forwardedHeaders: 'trust' and ${TRUST}`
const OWN_KEY = 'or give a keyGenerator, or leave such requests out with skip'

const NO_ADDRESS = 'rateLimit: the client has no address, and everybody would share one count. A Unix socket has none: '
  + `${SEND} and ${TRUST}. Over FastCGI the web server must send REMOTE_ADDR. ${capital(OWN_KEY)}.`

/**
 * The same text without the request that it was cut from. V8 keeps a whole text as long as a part of it is used, and a key is used for
 * a whole window: without this, a key may hold all params of its request.
 */
export function ownText(text: string): string {
  const copy = Buffer.from(text).toString()
  // What is no valid Unicode does not come back as it was.
  return copy === text ? copy : text
}

/** Makes express-rate-limit's `keyGenerator` of the app's own function. */
export function givenKeys(keyGenerator: ValueDeterminingMiddleware<unknown>, { logger }: ResolvedRateLimit): ValueDeterminingMiddleware<string> {
  const operator = new Operator(logger)
  return async (request, response) => {
    const key = await keyGenerator(request, response)
    if (typeof key === 'string' && key !== '') return ownText(key)
    throw operator.told('key', `rateLimit: keyGenerator gave ${inspect(key, { depth: 1 })}, and everybody with it would share one count. Give a string, or leave such requests out with skip.`)
  }
}

/** Makes it of the client's address. @param addressOf from `clientAddresses()` */
export function addressKeys(addressOf: (request: IncomingMessage) => string, { ipv6Subnet }: ResolvedRateLimit): ValueDeterminingMiddleware<string> {
  return async (request, response) => {
    const address = ownText(addressOf(request))
    if (!isIPv6(address) || WITHOUT_PREFIX.check(address, 'ipv6')) return ipKeyGenerator(address, false)
    return ipKeyGenerator(address, typeof ipv6Subnet === 'function' ? await ipv6Subnet(request, response) : ipv6Subnet)
  }
}

/**
 * Makes the function that gives a request's client address. It throws a RateLimitKeyError where that would not be the client's own, and
 * ClientLeft where nobody is there any more.
 */
export function clientAddresses(options: ResolvedRateLimit): (request: IncomingMessage) => string {
  const { trustedProxies } = options
  const operator = new Operator(options.logger)
  return function clientAddress(request) {
    const address = addressOf(request, trustedProxies)
    if (address === undefined && hasLostAddress(request)) throw new ClientLeft()
    if (address === undefined) throw operator.told('none', NO_ADDRESS)
    if (isIP(address) === 0) {
      throw operator.told('no address', `rateLimit: ${inspect(address)} is no address of a client, and others may share it. Look at what the proxy sends, ${OWN_KEY}.`)
    }
    if (address === request.socket.remoteAddress) checkConnection(request, address, options, operator)
    else checkTrust(request, options, operator)
    return address
  }
}

/** Whether a proxy's address is taken for that of its clients. */
function checkConnection(request: IncomingMessage, address: string, { trustedProxies, validates }: ResolvedRateLimit, operator: Operator): void {
  const header = trustedProxies === 0 ? undefined : untrustedHeader(request, trustedProxies)
  if (header === undefined) return
  const validation = header === 'forwarded' ? 'forwardedHeader' : 'xForwardedForHeader'
  if (!validates(validation)) return
  const isLocal = isLoopback(address)
  if (!isLocal && operator.knows(header)) return
  const error = operator.told(header, `rateLimit: the header ${header} says for whom the request was sent, and is not believed: all clients of the proxy ${address} share one count. `
    + `If it is your proxy, ${ignoresForwarded(request) ? OVER_FASTCGI : `${SEND} and ${TRUST}`}, ${OWN_KEY}. If clients send that header themselves, give validate: { ${validation}: false }.`)
  // What comes from this machine with such a header comes from a proxy on it. From elsewhere, a client may have made it up.
  if (isLocal) throw error
}

/** Whether clients may choose their key. */
function checkTrust(request: IncomingMessage, { trustedProxies, validates }: ResolvedRateLimit, operator: Operator): void {
  if (trustedProxies !== undefined || !validates('trustProxy') || operator.knows('trust') || !trustsAnybody(request)) return
  operator.told('trust', 'rateLimit: Express\'s setting \'trust proxy\' is true: where a proxy passes on the X-Forwarded-For of a client, that client chooses its own key. '
    + 'Set the number of proxies instead, app.set(\'trust proxy\', 1); or, where the outermost proxy replaces the header, give validate: { trustProxy: false }.')
}

/** Is told everything once. */
class Operator {
  readonly #logger: Logger
  readonly #told = new Set<string>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  knows(what: string): boolean {
    return this.#told.has(what)
  }

  told(what: string, message: string): RateLimitKeyError {
    const error = new RateLimitKeyError(message)
    if (!this.#told.has(what)) this.#logger.error(error)
    this.#told.add(what)
    return error
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/* The address of the client that asks, as far as it can be told: from Express, from trusted proxies, from the connection. */

/** What Express adds, if it is there. */
interface MaybeExpress {
  ip?: unknown
  app?: { get?: (name: string) => unknown }
}

/** Headers in which a proxy says whom it asks for. */
const CLIENT_HEADERS = ['x-forwarded-for', 'forwarded', 'x-real-ip'] as const
/** A header by which proxies tell the client's address. */
export type ClientHeader = (typeof CLIENT_HEADERS)[number]

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Where a request over FastCGI says what its server makes of such headers: clients can send them, too. */
const FORWARDED_HEADERS = Symbol.for('express-responder.forwarded-headers')

/** Whether the connection's address is the client's by the web server's word, and forwarded headers are only the client's. */
export function ignoresForwarded({ socket }: IncomingMessage): boolean {
  const counts: unknown = Reflect.get(socket, FORWARDED_HEADERS)
  return counts !== undefined && counts !== 'trust'
}

/**
 * The client's address; undefined where nobody says it. `trustedProxies`: how many entries of X-Forwarded-For proxies
 * of one's own have written.
 */
export function addressOf(request: IncomingMessage & MaybeExpress, trustedProxies: number | undefined): string | undefined {
  if (trustedProxies !== undefined) return withoutPort(forwardedAddress(request, trustedProxies))
  if (goesByConnection(request)) return withoutPort(request.socket.remoteAddress)
  // Without Express there is none; nor is there on a Unix socket, which has no address either.
  return typeof request.ip === 'string' ? withoutPort(request.ip) : request.socket.remoteAddress
}

/** The prototype of the last request that had Express's own `ip`. The next request nearly always has the same. */
let latestPrototype: object | null = null

/**
 * Whether Express's `ip` is sure to be the connection's address: no proxy is trusted, and nobody has put an `ip` of their own in its place.
 * It reads and parses X-Forwarded-For even then.
 */
function goesByConnection(request: IncomingMessage & MaybeExpress): boolean {
  if (request.app?.get?.('trust proxy') !== false || Object.hasOwn(request, 'ip')) return false
  const prototype = Object.getPrototypeOf(request) as object | null
  if (prototype !== latestPrototype) {
    if (!hasExpressIp(prototype)) return false
    latestPrototype = prototype
  }
  return true
}

/** Express 4 and 5 ask the setting 'trust proxy fn' in it. */
function hasExpressIp(prototype: object | null): boolean {
  let owner = prototype
  while (owner !== null && !Object.hasOwn(owner, 'ip')) owner = Object.getPrototypeOf(owner) as object | null
  const descriptor = owner === null ? {} : Object.getOwnPropertyDescriptor(owner, 'ip') ?? {}
  return String(Reflect.get(descriptor, 'get')).includes('trust proxy fn')
}

/** Whether there is no address because nobody is there any more: TCP connections lose it when they are reset. */
export function hasLostAddress({ socket }: IncomingMessage): boolean {
  return socket.destroyed || (socket instanceof Socket && socket.localAddress !== undefined && socket.remoteAddress === undefined)
}

/**
 * The header in which a proxy tells whom it asks for, though the connection's own address was taken: nobody trusts the
 * proxy, or it is a header that neither Express nor `trustedProxies` looks at.
 */
export function untrustedHeader(request: IncomingMessage & MaybeExpress, trustedProxies: number | undefined): ClientHeader | undefined {
  const telling = clientHeaderOf(request.headers)
  if (telling === undefined) return undefined
  if (ignoresForwarded(request)) return agreesWithConnection(request, telling) ? undefined : telling
  return telling === 'x-forwarded-for' && (trustedProxies !== undefined || isTrusted(request)) ? undefined : telling
}

function clientHeaderOf(headers: IncomingMessage['headers']): ClientHeader | undefined {
  for (const name of CLIENT_HEADERS) {
    if (headers[name] !== undefined) return name
  }
  return undefined
}

/** Over FastCGI some web servers tell in the header what they tell in REMOTE_ADDR, too. */
function agreesWithConnection({ headers, socket }: IncomingMessage, header: ClientHeader): boolean {
  return String(headers[header]).split(',').at(-1)?.trim() === socket.remoteAddress
}

function isTrusted({ app, socket }: IncomingMessage & MaybeExpress): boolean {
  const trusts = app?.get?.('trust proxy fn')
  return typeof trusts === 'function' && Reflect.apply(trusts, undefined, [socket.remoteAddress, 0]) === true
}

/** Whether Express takes the first address in X-Forwarded-For, which a client may write there. */
export function trustsAnybody({ app }: IncomingMessage & MaybeExpress): boolean {
  return app?.get?.('trust proxy') === true
}

/** Whether an address is of this machine: 127.0.0.0/8 (RFC 1122, 3.2.1.3) or ::1 (RFC 4291, 2.5.3). */
export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** Each proxy adds at the end whom it was asked by: from there, one step for each that is trusted. */
function forwardedAddress(request: IncomingMessage, trustedProxies: number): string | undefined {
  const { headers, socket } = request
  const header = [headers['x-forwarded-for'] ?? []].flat().join(',')
  if (header !== '' && ignoresForwarded(request)) return socket.remoteAddress
  const told = header === '' ? [] : header.split(',').map((address) => address.trim()).reverse()
  const steps = Math.min(trustedProxies, told.length)
  return steps === 0 ? socket.remoteAddress : told[steps - 1]
}

/** Some proxies add the client's port, which changes with each connection. */
function withoutPort(address: string | undefined): string | undefined {
  if (address?.includes(':') !== true) return address
  return address.replace(/^\[([^\]]*)\](:\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
}
