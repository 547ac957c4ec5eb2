/**
 * The internals of Node that this package relies on, all of them, each with its reason, and the
 * self-test that names the one that a future Node has changed. Tested on every supported version.
 *
 * Why internals at all: Express replaces the prototypes of request and response, so what a subclass
 * overrides is gone; real objects on a light socket are the one seam that stays.
 */
import { EventEmitter } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { FastCgiError } from '../errors.js'

/** What a response has inside. */
export interface ResponseInternals {
  /** The head as text, once it is made: `HTTP/1.1 200 OK\r\n…\r\n\r\n`. */
  readonly _header: string | null
  /** True from the write that the head begins. Tells it from 1xx text, without a copy of both to compare them. */
  readonly _headerSent: boolean
  /** False for HEAD, 204 and 304: Node then drops the body itself. */
  readonly _hasBody: boolean
  /** The value of Content-Length, set by the app or by `end()`. */
  readonly _contentLength: number | null
  /** Set: no Connection header is made up. */
  _removedConnection: boolean
  /** False lets HTTP/1.0 requests lose the automatic Content-Length. */
  useChunkedEncodingByDefault: boolean
  /** Set instead of calling `assignSocket()`, which adds a listener to every request's socket. */
  socket: Socket | null
  /** True once 'close' was emitted; what `closed` reads. */
  _closed: boolean
  /** Set where the request came with `Expect: 100-continue`. */
  _expect_continue: boolean
}

/** What a request has inside. */
export interface RequestInternals {
  /** Takes raw headers; `headers` and `headersDistinct` are made from them when they are asked for. */
  _addHeaderLines(headers: string[], length: number): void
  /** Reads the rest of the body into nothing. */
  _dump(): void
  /** True once the body has been read from (Node 20 to 26; `_consumed` is its older name). */
  readonly _consuming: boolean
  _dumped: boolean
  /** How many listeners there are; `eventNames()` makes a list to tell the same. */
  readonly _eventsCount: number
  readonly _readableState: {
    readonly resumeScheduled: boolean
    ended: boolean
    endEmitted: boolean
    destroyed: boolean
    closed: boolean
    closeEmitted: boolean
  }
}

/** A response of Node's, with the internals that are used of it. */
export type InternalResponse = Omit<ServerResponse, 'socket'> & ResponseInternals
/** A request of Node's, with the internals that are used of it. */
export type InternalRequest = IncomingMessage & RequestInternals

/** Node's constructors are functions, not classes: they can be called on an object that exists already. */
export const callIncomingMessage = IncomingMessage as unknown as (this: object, socket: Socket) => void
/** As `callIncomingMessage`, for responses. */
export const callServerResponse = ServerResponse as unknown as (
  this: object,
  request: IncomingMessage,
  options?: object,
) => void

/** An EventEmitter that makes its table of listeners with the first one: most requests' sockets have none. */
export const LazyEventEmitter = createLazyEventEmitter()

function createLazyEventEmitter(): new () => EventEmitter {
  function LazyEmitter(): void {
    // EventEmitter's methods look for what its constructor would have set on the prototype.
  }
  LazyEmitter.prototype = EventEmitter.prototype as unknown
  return LazyEmitter as unknown as new () => EventEmitter
}

/** What an EventEmitter has inside. */
export interface EmitterInternals {
  /** The listeners by event: one, or a list. */
  _events: object
  _eventsCount: number
}

/** A table of listeners: without a prototype's properties, as Node's own is, and no hash table. */
const ListenerTable = createListenerTable()

function createListenerTable(): new () => object {
  function Listeners(): void {
    // All properties are events.
  }
  Listeners.prototype = Object.create(null) as unknown
  return Listeners as unknown as new () => object
}

/**
 * Before an emitter's constructor is called: gives it its table of listeners. Node's own for a response is a hash table,
 * which is copied into a larger one with the first listener. The constructor takes one that is there, as Node's streams use.
 */
export function prepareListeners(emitter: EmitterInternals): void {
  emitter._events = new ListenerTable()
  emitter._eventsCount = 0
}

/** `writableNeedDrain` of a response reads this flag, which only Node's own socket listener clears. */
const needDrainSymbol = findSymbol(new ServerResponse(new IncomingMessage(unconnectedSocket())), 'kNeedDrain')
/** Lets go of the socket that `request.signal` listens to (Node 24.16 and later). */
const detachAbortSignalSymbol = findSymbol(IncomingMessage.prototype, 'kDetachAbortSignal')

function unconnectedSocket(): Socket {
  const nothing: unknown = undefined
  return nothing as Socket
}

function findSymbol(target: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(target).find((symbol) => symbol.description === description)
}

/** Emits 'drain' on a response whose `write()` had returned false, and lets `writableNeedDrain` be false again. */
export function emitDrain(response: InternalResponse): void {
  if (!response.writableNeedDrain) return
  if (needDrainSymbol !== undefined) Reflect.set(response, needDrainSymbol, false)
  response.emit('drain')
}

/** The request is answered: its `signal` no longer follows the socket. */
export function detachAbortSignal(request: IncomingMessage): void {
  if (detachAbortSignalSymbol === undefined) return
  const detach: unknown = Reflect.get(request, detachAbortSignalSymbol)
  if (typeof detach === 'function') detach.call(request)
}

/** What Node's HTTP server gives to a request whose client has gone. */
export function abortError(): Error {
  // eslint-disable-next-line no-restricted-syntax -- as Node's HTTP server makes it
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
}

/** Emits 'close' on a response that has not closed, as Node's HTTP server does after 'finish'. */
export function closeResponse(response: InternalResponse): void {
  response.destroyed = true
  response._closed = true
  response.emit('close')
}

/**
 * Brings a request that was not read, and has no listeners, into the state that it would have after reading it to its
 * end, without the five `process.nextTick` callbacks that reading takes.
 */
export function closeUnread(request: InternalRequest): void {
  const state = request._readableState
  request._dumped = true
  state.ended = true
  state.endEmitted = true
  state.destroyed = true
  state.closed = true
  state.closeEmitted = true
}

/** A socket that keeps what is written to it. */
interface RecordingSocket {
  written: string
  /** Tells whether the head has been sent, and what it told at the latest write. */
  headerWasSent: () => boolean
  sentWhenWritten: boolean | undefined
  corkedWhenEnded: number | undefined
  _httpMessage: unknown
}

/**
 * Bun's http module has Node's names but makes its responses itself: what is written to them never reaches the socket
 * that they sit on, so every request would wait for ever. The check below does not see that.
 *
 * @throws FastCgiError ERR_FCGI_UNSUPPORTED_NODE on Bun
 */
export function checkRuntime(versions: Readonly<Record<string, string | undefined>> = process.versions): void {
  if (versions['bun'] === undefined) return
  throw new FastCgiError('ERR_FCGI_UNSUPPORTED_NODE',
    `Bun ${versions['bun']} cannot serve FastCGI: its http module does not write to the sockets it is given. Run the app with node.`)
}

/**
 * Checks every internal above once, on a response and a request made for the purpose.
 *
 * @throws FastCgiError ERR_FCGI_UNSUPPORTED_NODE naming what this Node lacks.
 */
export function checkInternals(
  createRequest: (socket: Socket) => InternalRequest,
  createResponse: (request: InternalRequest) => InternalResponse,
): void {
  const missing = findMissing(createRequest, createResponse)
  if (missing.length === 0) return
  throw new FastCgiError(
    'ERR_FCGI_UNSUPPORTED_NODE',
    `Node.js ${process.version} has changed what express-responder needs of it: ${missing.join(', ')}. ` +
      'Use a version of Node.js that the package supports, or a newer version of the package.',
  )
}

function findMissing(
  createRequest: (socket: Socket) => InternalRequest,
  createResponse: (request: InternalRequest) => InternalResponse,
): string[] {
  const missing: string[] = []
  const expect = (name: string, holds: boolean): void => {
    if (!holds) missing.push(name)
  }
  let emitted = 0
  try {
    const socket = createRecordingSocket()
    const request = createRequest(socket as unknown as Socket)
    request.method = 'GET'
    request.httpVersionMajor = 1
    request.httpVersionMinor = 1
    request._addHeaderLines(['Host', 'a', 'Host', 'b'], 4)
    expect('IncomingMessage._addHeaderLines', request.headers.host === 'a')
    expect('EventEmitter._eventsCount', request._eventsCount === 0)
    const emitter = new LazyEventEmitter()
    emitter.on('event', (value: number) => (emitted = value))
    emitter.emit('event', 1)
    expect('EventEmitter.prototype', emitted === 1 && new LazyEventEmitter().listenerCount('event') === 0)
    expect('IncomingMessage._dump', typeof request._dump === 'function')
    const response = createResponse(request)
    response.on('unused', () => undefined)
    expect('EventEmitter._events', Object.keys((response as unknown as EmitterInternals)._events).join() === 'unused' && response.eventNames().join() === 'unused')
    response.removeAllListeners()
    expect('OutgoingMessage kNeedDrain', needDrainSymbol !== undefined)
    expect('OutgoingMessage._header', response._header === null)
    expect('OutgoingMessage._closed', !response._closed)
    socket.headerWasSent = () => response._headerSent
    socket._httpMessage = response
    response.socket = socket as unknown as Socket
    response.sendDate = false
    response.writeContinue()
    expect('OutgoingMessage._headerSent', socket.sentWhenWritten === false)
    socket.written = ''
    response.end('hello')
    expect('OutgoingMessage._headerSent', socket.sentWhenWritten === true)
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
    expect('OutgoingMessage._header', response._header === head)
    expect('OutgoingMessage._removedConnection', socket.written === `${head}hello`)
    expect('OutgoingMessage._contentLength', response._contentLength === 5)
    expect('OutgoingMessage._hasBody', response._hasBody)
    expect('ServerResponse.end: socket._writableState.corked', socket.corkedWhenEnded === 1)
    closeUnread(request)
    expect('Readable state of IncomingMessage', request.readableEnded && request.destroyed && request.closed)
  } catch (error) {
    missing.push(`a response on a light socket (${String(error)})`)
  }
  return missing
}

function createRecordingSocket(): RecordingSocket {
  const socket = {
    written: '',
    headerWasSent: () => false,
    sentWhenWritten: undefined as boolean | undefined,
    corkedWhenEnded: undefined as number | undefined,
    _httpMessage: null as unknown,
    writable: true,
    readable: true,
    destroyed: false,
    writableLength: 0,
    writableCorked: 0,
    on: () => socket,
    cork: () => undefined,
    uncork: () => undefined,
    write: (data: string) => {
      socket.written += data
      socket.sentWhenWritten = socket.headerWasSent()
      return true
    },
    _writableState: {
      set corked(value: number) {
        socket.corkedWhenEnded = value
      },
    },
  }
  return socket
}
