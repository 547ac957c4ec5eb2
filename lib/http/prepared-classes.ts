/**
 * Request and response classes that have the app's prototypes from the start.
 *
 * Express calls `Object.setPrototypeOf(req, app.request)` and `(res, app.response)` on every request.
 * On Node 20 and 22 this gives each object a V8 map of its own, and all code that touches it becomes
 * megamorphic. Objects that have these prototypes from the start make Express's call a no-op.
 *
 * A mounted app (`app.use('/api', express())`) has prototypes of its own, and the call for it is none. What costs is not the
 * call, but each property that an object gets for the first time after it: only then has it a map of its own. So the
 * properties that Express and Node add in a mounted app are there from the start, with the values that they are read as.
 */
import { IncomingMessage, ServerResponse, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { callIncomingMessage, callServerResponse, prepareListeners, type EmitterInternals, type InternalRequest, type InternalResponse } from './node-internals.js'

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

/** What Express's routes and the first listener add to a request. */
interface AddedToRequests {
  route: unknown
  _eventsCount: number
}

/** What `writeHead()` adds to a response; until then a response has them from Node's prototype, with the same values. */
interface AddedToResponses extends EmitterInternals {
  statusCode: number
  statusMessage: string | undefined
}

const USUAL_STATUS = 200

/** An app that may be Express's: `request` and `response` are the prototypes that it gives to its objects. */
type App = RequestListener & { request?: unknown; response?: unknown }

/**
 * Constructors with the app's prototypes for `http.createServer()`. For an app that has none, such as a plain listener, they
 * have Node's.
 *
 * @param app an Express app
 * @returns the options `IncomingMessage` and `ServerResponse` of `http.createServer()`
 *
 * @example
 * ```ts
 * import http from 'node:http'
 * import { prepared } from 'express-responder'
 *
 * http.createServer(prepared(app), app).listen(3000)
 * ```
 */
export function prepared(app: RequestListener): PreparedConstructors {
  const { request, response } = prototypesOf(app)
  function PreparedRequest(this: AddedToRequests, socket: Socket): void {
    callIncomingMessage.call(this, socket)
    addEarly(this)
  }
  function PreparedResponse(this: AddedToResponses, incoming: IncomingMessage, options?: object): void {
    prepareListeners(this)
    callServerResponse.call(this, incoming, options)
    this.statusCode = USUAL_STATUS
    this.statusMessage = undefined
  }
  return {
    IncomingMessage: withPrototype(PreparedRequest, IncomingMessage, request) as unknown as typeof IncomingMessage,
    ServerResponse: withPrototype(PreparedResponse, ServerResponse, response) as unknown as typeof ServerResponse,
  }
}

/** The constructors for FastCGI: a response adds no Connection header, and is chunked for any version of HTTP. */
export function createResponderConstructors(app: RequestListener | undefined): ResponderConstructors {
  const { request, response } = prototypesOf(app)
  function Request(this: AddedToRequests, socket: Socket): void {
    callIncomingMessage.call(this, socket)
    addEarly(this)
  }
  function Response(this: Omit<InternalResponse, keyof AddedToResponses> & AddedToResponses, incoming: IncomingMessage): void {
    prepareListeners(this)
    callServerResponse.call(this, incoming)
    this.statusCode = USUAL_STATUS
    this.statusMessage = undefined
    this._removedConnection = true
    this.useChunkedEncodingByDefault = true
  }
  return {
    Request: withPrototype(Request, IncomingMessage, request) as unknown as ResponderConstructors['Request'],
    Response: withPrototype(Response, ServerResponse, response) as unknown as ResponderConstructors['Response'],
  }
}

function addEarly(request: AddedToRequests): void {
  const { _eventsCount } = request
  request.route = undefined
  request._eventsCount = _eventsCount
}

function prototypesOf(app: App | undefined): { request: object; response: object } {
  const { request, response } = app ?? {}
  return {
    request: request instanceof IncomingMessage ? request : IncomingMessage.prototype,
    response: response instanceof ServerResponse ? response : ServerResponse.prototype,
  }
}

/** Without the constructor's own prototype set, Node 24 and 26 put its objects into dictionary mode. */
function withPrototype(constructor: object, parent: object, prototype: object): object {
  Reflect.set(constructor, 'prototype', prototype)
  Object.setPrototypeOf(constructor, parent)
  return constructor
}
