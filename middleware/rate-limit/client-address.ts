/** The address of the client that asks, as far as it can be told: from Express, from trusted proxies, from the connection. */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIPv6, Socket } from 'node:net'

/** What Express adds, if it is there. */
interface MaybeExpress {
  ip?: unknown
  app?: { get?: (name: string) => unknown }
}

/** Headers in which a proxy says whom it asks for. */
const TELLING = ['x-forwarded-for', 'forwarded', 'x-real-ip'] as const
export type Telling = (typeof TELLING)[number]

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

export function addressOf(request: IncomingMessage & MaybeExpress, trustedProxies: number | undefined): string | undefined {
  if (trustedProxies !== undefined) return withoutPort(forwardedAddress(request, trustedProxies))
  // Without Express there is none; nor is there on a Unix socket, which has no address either.
  return typeof request.ip === 'string' ? withoutPort(request.ip) : request.socket.remoteAddress
}

/** Whether there is no address because nobody is there any more: TCP connections lose it when they are reset. */
export function hasLeft({ socket }: IncomingMessage): boolean {
  return socket.destroyed || (socket instanceof Socket && socket.localAddress !== undefined && socket.remoteAddress === undefined)
}

/**
 * The header in which a proxy tells whom it asks for, though the connection's own address was taken: nobody trusts the
 * proxy, or it is a header that neither Express nor `trustedProxies` looks at.
 */
export function unbelievedHeader(request: IncomingMessage & MaybeExpress, trustedProxies: number | undefined): Telling | undefined {
  const telling = TELLING.find((name) => request.headers[name] !== undefined)
  if (telling === undefined) return undefined
  if (ignoresForwarded(request)) return saysTheSame(request, telling) ? undefined : telling
  return telling === 'x-forwarded-for' && (trustedProxies !== undefined || isTrusted(request)) ? undefined : telling
}

/** Over FastCGI some web servers tell in the header what they tell in REMOTE_ADDR, too. */
function saysTheSame({ headers, socket }: IncomingMessage, header: Telling): boolean {
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
  return address?.replace(/^\[([^\]]*)\](:\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
}
