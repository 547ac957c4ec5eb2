/** Where the app listens, and how each web server, and the app itself, write that. Pure. */
import { isIPv6 } from 'node:net'
import type { ConfiguredAddress, PortFacts, SocketFacts } from './facts.js'

/** A Unix socket or a TCP port. */
export type AppPlace =
  | { readonly kind: 'socket', readonly path: string }
  | { readonly kind: 'port', readonly host: string, readonly port: number }

/** The address that serve() takes where none is given. */
export const DEFAULT_HOST = '127.0.0.1'
/** An address of this machine that nothing else uses, and no list of web servers has. Linux lets a connection come from any of 127.0.0.0/8. */
export const UNUSED_ADDRESS = '127.77.66.55'

/** As URLs and most configurations have it. */
export function hostPort(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${String(port)}`
}

/** For people: the path, or `host:port`. */
export function shown(place: AppPlace): string {
  return place.kind === 'socket' ? place.path : hostPort(place.host, place.port)
}

/** The line of the app. */
export function serveLine(place: AppPlace): string {
  if (place.kind === 'socket') return `serve(app, { socket: '${place.path}' })`
  return `serve(app, { ${place.host === DEFAULT_HOST ? '' : `host: '${place.host}', `}port: ${String(place.port)} })`
}

/** In `fastcgi_pass` and `server` of nginx. */
export function ofNginx(place: AppPlace): string {
  return place.kind === 'socket' ? `unix:${place.path}` : shown(place)
}

/** In `ProxyPass` and `<Proxy>` of Apache; a socket has a name after the |, a port is its own name. */
export function ofApache(place: AppPlace): string {
  return place.kind === 'socket' ? `unix:${place.path}|fcgi://app/` : `fcgi://${shown(place)}/`
}

/** Whether an address is that of the machine itself and of no network. */
export function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\.|^::1$/.test(address)
}

/** The addresses of what is configured at which the app is not; the host itself where it has none. */
export function missedBy({ listening = [], addresses: own }: PortFacts, { host, addresses }: ConfiguredAddress): string[] {
  if (addresses.length === 0) return [host]
  const places = listening.length > 0 ? listening : own
  return addresses.filter((address) => !places.some((place) => place === address || place === '::' || (place === '0.0.0.0' && !address.includes(':'))))
}

/** What the configuration names, and the app is there, if only at one of its addresses. */
export function leadingTo(place: PortFacts): ConfiguredAddress[] {
  return place.configured.filter((each) => missedBy(place, each).length < Math.max(1, each.addresses.length))
}

/** All names under which the web server may reach the app, as nginx has them. */
export function namesOf(place: SocketFacts | PortFacts): string[] {
  if (place.kind === 'socket') return [ofNginx(place)]
  return [...new Set([place.host, ...place.addresses, ...leadingTo(place).map(({ host }) => host)])].map((host) => hostPort(host, place.port))
}
