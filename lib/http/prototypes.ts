/**
 * Request and response classes that already bear the app's prototypes.
 *
 * Express calls `Object.setPrototypeOf(req, app.request)` and `(res, app.response)` on every request.
 * On Node 20 and 22 this gives each object a V8 map of its own, and all code that touches it becomes
 * megamorphic. Objects that have these prototypes from the start make Express's call a no-op.
 */
import { IncomingMessage, ServerResponse, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import {
  callIncomingMessage,
  callServerResponse,
  storeHeaderAsNode,
  type InternalRequest,
  type InternalResponse,
} from './internals.js'

/** The constructors for `http.createServer()`. */
export interface PreparedConstructors {
  IncomingMessage: typeof IncomingMessage
  ServerResponse: typeof ServerResponse
}

/** The constructors for requests that come over FastCGI. */
export interface ResponderConstructors {
  Request: new (socket: Socket) => InternalRequest
  Response: new (request: IncomingMessage) => InternalResponse
}

const TRAILER = 'trailer'

/** An app that may be Express's: `request` and `response` are the prototypes that it gives to its objects. */
type App = RequestListener & { request?: unknown; response?: unknown }

/**
 * The constructors that let an app on plain HTTP have the gain too:
 * `http.createServer(prepared(app), app)`. For an app without prototypes of its own, Node's are used.
 */
export function prepared(app: RequestListener): PreparedConstructors {
  const { request, response } = prototypesOf(app)
  function PreparedRequest(this: object, socket: Socket): void {
    callIncomingMessage.call(this, socket)
  }
  function PreparedResponse(this: object, incoming: IncomingMessage, options?: object): void {
    callServerResponse.call(this, incoming, options)
  }
  return {
    IncomingMessage: bear(PreparedRequest, IncomingMessage, request) as unknown as typeof IncomingMessage,
    ServerResponse: bear(PreparedResponse, ServerResponse, response) as unknown as typeof ServerResponse,
  }
}

/** The constructors for FastCGI: a response makes up neither Connection nor Transfer-Encoding. */
export function createResponderConstructors(app: RequestListener | undefined): ResponderConstructors {
  const { request, response } = prototypesOf(app)
  function Request(this: object, socket: Socket): void {
    callIncomingMessage.call(this, socket)
  }
  function Response(this: InternalResponse, incoming: IncomingMessage): void {
    callServerResponse.call(this, incoming)
    this._removedConnection = true
    this._removedTE = true
    this.useChunkedEncodingByDefault = true
    this._storeHeader = storeHeader
  }
  return {
    Request: bear(Request, IncomingMessage, request) as unknown as ResponderConstructors['Request'],
    Response: bear(Response, ServerResponse, response) as unknown as ResponderConstructors['Response'],
  }
}

/**
 * Node refuses a Trailer header on a response that is not chunked, so such a response is; the framing and the
 * trailers are taken off again with the other headers of one hop.
 */
function storeHeader(this: InternalResponse, firstLine: string, headers: object | undefined): void {
  if (headers !== undefined && namesTrailer(headers)) this._removedTE = false
  storeHeaderAsNode.call(this, firstLine, headers)
}

/** Headers come as an object, as names and values in turn, or as pairs of them. */
function namesTrailer(headers: object): boolean {
  if (Array.isArray(headers)) return headers.flat().some((name) => typeof name === 'string' && isTrailer(name))
  for (const name in headers) if (isTrailer(name)) return true
  return false
}

function isTrailer(name: string): boolean {
  return name.length === TRAILER.length && name.toLowerCase() === TRAILER
}

function prototypesOf(app: App | undefined): { request: object; response: object } {
  const { request, response } = app ?? {}
  return {
    request: request instanceof IncomingMessage ? request : IncomingMessage.prototype,
    response: response instanceof ServerResponse ? response : ServerResponse.prototype,
  }
}

/** Without the constructor's own prototype set, Node 24 and 26 put its objects into dictionary mode. */
function bear(constructor: object, parent: object, prototype: object): object {
  Reflect.set(constructor, 'prototype', prototype)
  Object.setPrototypeOf(constructor, parent)
  return constructor
}
