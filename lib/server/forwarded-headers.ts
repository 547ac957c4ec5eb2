/**
 * Keeps Express's 'trust proxy' from using X-Forwarded-For, -Proto and -Host as the client has sent them.
 *
 * Over HTTP the setting 'trust proxy' lets Express believe what the proxy in front has written into these headers. Over
 * FastCGI web servers write into params, and pass such headers on as the client sent them: a client could choose
 * `req.ip`. So the getters of Express read a request that has such headers as if it had none. The app still sees them
 * in `req.headers`.
 *
 * Only requests that have such a header are changed. The getters are defined on the request itself and not on its
 * prototype: each mounted Express app sets another prototype, and the server cannot know which apps there are.
 */
import type { IncomingMessage, Server } from 'node:http'
import { FastCgiError } from '../errors.js'
import { RequestSocket } from './request-socket.js'

/** The properties that Express computes from forwarded headers. It computes `secure` and `subdomains` from these. */
const PROPERTIES = { ip: 'X-Forwarded-For', ips: 'X-Forwarded-For', protocol: 'X-Forwarded-Proto', host: 'X-Forwarded-Host', hostname: 'X-Forwarded-Host' } as const
type Property = keyof typeof PROPERTIES

/** The property of a view (a request without forwarded headers) that holds the request itself. */
const VIEWED = Symbol('viewed')
const NOT_THERE = { value: undefined }
const WITHOUT_FORWARDED = { 'x-forwarded-for': NOT_THERE, 'x-forwarded-proto': NOT_THERE, 'x-forwarded-host': NOT_THERE }

/** Servers that have given the warning: it is given once. */
const warned = new WeakSet<Server>()

const descriptors: PropertyDescriptorMap = Object.fromEntries(
  Object.keys(PROPERTIES).map((name) => [name, descriptorOf(name as Property)]),
)

/** Makes `req.ip`, `ips`, `protocol`, `host` and `hostname` what the web server's params say. */
export function ignoreForwardedHeaders(request: IncomingMessage): void {
  Object.defineProperties(request, descriptors)
}

function descriptorOf(name: Property): PropertyDescriptor {
  return {
    configurable: true,
    enumerable: false,
    get(this: IncomingMessage) {
      return read(this, name)
    },
    // As without this property: setting one that Express defines by a getter alone does nothing; any other is set.
    set(this: IncomingMessage, value: unknown) {
      if (name in prototypeOf(this)) return
      Object.defineProperty(this, name, { configurable: true, enumerable: true, writable: true, value })
    },
  }
}

function read(request: IncomingMessage & { [VIEWED]?: IncomingMessage }, name: Property): unknown {
  const viewed = request[VIEWED]
  // This is a view already: one of Express's getters reads another of these properties.
  if (viewed !== undefined) return Reflect.get(prototypeOf(viewed), name, request)
  const prototype = prototypeOf(request)
  if (!(name in prototype)) return undefined
  const headers: unknown = Object.create(request.headers, WITHOUT_FORWARDED)
  const view: unknown = Object.create(request, { headers: { value: headers }, [VIEWED]: { value: request } })
  const value: unknown = Reflect.get(prototype, name, view)
  const { socket } = request
  if (socket instanceof RequestSocket && !warned.has(socket.server)) warnIfTrusted(socket, name, value, Reflect.get(prototype, name, request))
  return value
}

/** Warns where 'trust proxy' would have given another value than the web server's params; equal values do no harm. */
function warnIfTrusted(socket: RequestSocket, name: Property, value: unknown, trusted: unknown): void {
  const isSame = Array.isArray(trusted) ? trusted.every((address) => address === socket.remoteAddress) : trusted === value
  if (isSame) return
  warned.add(socket.server)
  socket.warn(
    new FastCgiError(
      'ERR_FCGI_TRUST_PROXY',
      `with Express's setting 'trust proxy' a client would have chosen req.${name} by the header ${PROPERTIES[name]}; it was ignored. ` +
        'Over FastCGI the web server tells the client\'s address in REMOTE_ADDR: leave the setting out. If another proxy stands in ' +
        'front of the web server, and each request comes through it, give the server the option forwardedHeaders: \'trust\'.',
    ),
  )
}

function prototypeOf(request: IncomingMessage): object {
  return Object.getPrototypeOf(request) as object
}
