/**
 * Keeps Express from believing X-Forwarded-For, -Proto and -Host of the client.
 *
 * Over HTTP the setting 'trust proxy' lets Express believe what the proxy in front has written into these headers. Over
 * FastCGI web servers write into params, and pass such headers on as the client sent them: a client could choose
 * `req.ip`. So the getters of Express read a request that has such headers as if it had none. The app still sees them
 * in `req.headers`.
 *
 * Only requests that have such a header are touched. The properties are the request's own, because each mounted app
 * gives it another prototype, and an app mounted in a plain listener is not known before.
 */
import type { IncomingMessage, Server } from 'node:http'
import { FastCgiError } from '../errors.js'
import { RequestSocket } from './request-socket.js'

/** What Express takes from forwarded headers; `secure` and `subdomains` follow from these. */
const PROPERTIES = { ip: 'X-Forwarded-For', ips: 'X-Forwarded-For', protocol: 'X-Forwarded-Proto', host: 'X-Forwarded-Host', hostname: 'X-Forwarded-Host' } as const
type Property = keyof typeof PROPERTIES

/** In a view of a request without forwarded headers: the request. */
const VIEWED = Symbol('viewed')
const NOT_THERE = { value: undefined }
const WITHOUT_FORWARDED = { 'x-forwarded-for': NOT_THERE, 'x-forwarded-proto': NOT_THERE, 'x-forwarded-host': NOT_THERE }

/** Servers whose operator was told. */
const told = new WeakSet<Server>()

const descriptors: PropertyDescriptorMap = Object.fromEntries(
  Object.keys(PROPERTIES).map((name) => [name, descriptorOf(name as Property)]),
)

/** From here on Express's properties of the request are the web server's word. */
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
    // As without it: what has only a getter stays as it is, and a plain request takes any property.
    set(this: IncomingMessage, value: unknown) {
      if (name in prototypeOf(this)) return
      Object.defineProperty(this, name, { configurable: true, enumerable: true, writable: true, value })
    },
  }
}

function read(request: IncomingMessage & { [VIEWED]?: IncomingMessage }, name: Property): unknown {
  const viewed = request[VIEWED]
  // A getter of Express's asks for another property.
  if (viewed !== undefined) return Reflect.get(prototypeOf(viewed), name, request)
  const prototype = prototypeOf(request)
  if (!(name in prototype)) return undefined
  const headers: unknown = Object.create(request.headers, WITHOUT_FORWARDED)
  const view: unknown = Object.create(request, { headers: { value: headers }, [VIEWED]: { value: request } })
  const value: unknown = Reflect.get(prototype, name, view)
  const { socket } = request
  if (socket instanceof RequestSocket && !told.has(socket.server)) tellIfBelieved(socket, name, value, Reflect.get(prototype, name, request))
  return value
}

/** What the headers say may be what the web server says: then nobody has chosen anything. */
function tellIfBelieved(socket: RequestSocket, name: Property, value: unknown, believed: unknown): void {
  const isSame = Array.isArray(believed) ? believed.every((address) => address === socket.remoteAddress) : believed === value
  if (isSame) return
  told.add(socket.server)
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
