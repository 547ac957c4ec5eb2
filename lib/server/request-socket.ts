/**
 * The socket of one request and its response. It has what Node's request and response, Express and common
 * middleware ask of a `net.Socket`; the body comes in by its RequestBody, the response leaves by its ResponseWriter.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { CLOSE_HOOK, emitClose, type CloseHook, type HookedSocket } from '../../shared/close-hook.js'
import { RequestParams } from '../fastcgi/params.js'
import { LazyEventEmitter, abortError, closeResponse, detachAbortSignal, emitDrain, type InternalRequest, type InternalResponse } from '../http/node-internals.js'
import type { RequestHead } from '../http/cgi-request.js'
import { FastCgiError } from '../errors.js'
import { ClientAddress } from './client-address.js'
import type { FilterData } from './filter-data.js'
import type { ParamsBuffer } from './params-buffer.js'
import type { ForwardedHeaders } from './options.js'
import type { WriteCallback } from './record-writer.js'
import { countOver, type RequestCounts } from './request-counts.js'
import { RequestBody, type BodyOwner } from './request-body.js'
import { ResponseWriter, type AnsweredRequest, type ResponseCarrier } from './response-writer.js'
import { SocketTimeout } from './socket-timeout.js'

/** What a request's socket needs of the connection that carries it. */
export interface RequestCarrier extends ResponseCarrier {
  readonly server: Server
  readonly socket: Duplex
  /** The id of the latest request, if it asked to keep the connection; otherwise 0. */
  readonly keptId: number
  readonly counts: RequestCounts
  readonly requests: {
    /** The response is complete: ends the request. */
    endRequest(socket: RequestSocket, appStatus: number): void
    /** The response cannot be completed: lets the web server know. */
    breakOff(socket: RequestSocket): void
  }
  readonly flow: {
    /** The body's reader is full, or wants more. */
    pauseInput(socket: RequestSocket): void
    resumeInput(socket: RequestSocket): void
    /** A response waits for 'drain'. */
    wantDrain(): void
  }
  /** Writes all records that the output has buffered. */
  flush(): void
}

/** The property of a request's socket that holds the option `forwardedHeaders`, for code outside of the server. */
export const FORWARDED_HEADERS = Symbol.for('express-responder.forwarded-headers')

/** The `net.Socket` of one request and its response. */
export class RequestSocket extends LazyEventEmitter implements AnsweredRequest, BodyOwner, HookedSocket {
  readonly server: Server
  readonly requestId: number
  readonly role: number
  /** What STDIN brings. */
  readonly body: RequestBody
  /** Takes what the response writes. */
  readonly writer: ResponseWriter
  /** Node's request; undefined before the app was given it. */
  request: InternalRequest | undefined
  /** Node's response finds itself here. */
  _httpMessage: InternalResponse | null = null
  /** The PARAMS stream, each byte as one character; empty until all has come. */
  paramsText = ''
  /** The client's address, as the web server tells it. */
  remoteAddress: string | undefined
  /** The PARAMS that have come, while they are incomplete; undefined after that. */
  openParams: ParamsBuffer | undefined
  /** The second stream of a Filter that the app was given; undefined in other roles. */
  filterData: FilterData | undefined
  /** The head of a request that waits for its first STDIN record, which shows whether it has a body. */
  undecided: RequestHead | undefined
  /** The tick from which `timeouts.body` counts: of the dispatch, or of the latest piece of the body. */
  inputSince = 0
  /** What was published on the diagnostics channel of begun requests: the channel of finished ones tells the same. */
  published: object | undefined
  /** The tick at which the app was given the request. */
  dispatchedAt = 0
  /** The response is complete, and END_REQUEST was given to the connection or waits for the end of STDIN. */
  ended = false
  /** How long END_REQUEST waits for the end of STDIN; undefined where it does not wait. */
  endTimer: NodeJS.Timeout | undefined

  [CLOSE_HOOK]: CloseHook<object> | undefined = undefined
  destroyed = false
  errored: Error | null = null
  readable = true
  writable = true
  closed = false
  timeout = 0

  readonly #carrier: RequestCarrier
  #corks = 0
  #ending = false
  #timeout: SocketTimeout | undefined
  #clientAddress: ClientAddress | undefined
  #encrypted: boolean | undefined
  #params: RequestParams | undefined

  constructor(carrier: RequestCarrier, requestId: number, role: number) {
    super()
    this.#carrier = carrier
    this.server = carrier.server
    this.requestId = requestId
    this.role = role
    this.body = new RequestBody(this)
    this.writer = new ResponseWriter(carrier, this)
  }

  // ---- For the connection ----

  get carrier(): RequestCarrier {
    return this.#carrier
  }

  /** The params; none until all have come. */
  get params(): RequestParams {
    return (this.#params ??= new RequestParams(this.paramsText))
  }

  /** False in other roles than Filter, and after the end of FCGI_DATA. */
  get #expectsData(): boolean {
    return this.filterData?.ended === false
  }

  /** Whether the web server has more to send for this request. */
  get expectsInput(): boolean {
    return !this.body.ended || this.#expectsData
  }

  /** Whether the app waits for a body, or a file, of which more is to come. */
  get awaitsInput(): boolean {
    if (this.ended || this.destroyed || this.request === undefined) return false
    return (this.body.exists && !this.body.ended) || this.#expectsData
  }

  /** Bytes of input that the app has not read. */
  get buffered(): number {
    return this.body.buffered + (this.filterData?.stream.readableLength ?? 0)
  }

  /** Gives the app a piece of its body; false where it has enough for now. */
  pushBody(chunk: Buffer): boolean {
    this.#timeout?.refresh()
    return this.body.push(chunk)
  }

  /** All of STDIN has come. */
  endBody(): void {
    if (this.body.ended) return
    this.body.end()
    if (this.request !== undefined) this.#releaseHeld()
  }

  /** The web server, or the connection to it, has given up this request. */
  abort(error: Error): void {
    if (this.destroyed) return
    this.#close(error)
    const request = this.request
    if (request !== undefined && !(this.ended && request.complete)) request.destroy(abortError())
    this.filterData?.destroy(error)
    this.#emitClose(false)
  }

  /** The whole response has left. Called before the app's listeners of 'finish', as in Node's HTTP server. */
  complete(response: InternalResponse): void {
    this.#timeout?.stop()
    if (this.request !== undefined) detachAbortSignal(this.request)
    this.writable = false
    this.closed = true
    response.socket = null
    this._httpMessage = null
    process.nextTick(settle, this, response)
  }

  /** After 'finish': the response closes, and with it this socket; a body that the app has not read is thrown away. */
  settle(response: InternalResponse): void {
    this.#closeResponse(response)
    this.body.settle()
    emitClose(this, false)
  }

  /** Bytes have left: emits 'drain' on the response, if its `write()` has returned false. */
  drain(): void {
    if (this._httpMessage !== null) emitDrain(this._httpMessage)
  }

  // ---- For Node's response ----

  /** Writes that a Filter holds do not count: Node 26 emits 'drain' only when this is 0, and the app would wait for ever. */
  get writableLength(): number {
    return this.destroyed || this.writer.isHeld ? 0 : this.#carrier.output.length
  }

  get writableHighWaterMark(): number {
    return this.#carrier.socket.writableHighWaterMark
  }

  get readableHighWaterMark(): number {
    return this.#carrier.socket.readableHighWaterMark
  }

  get writableCorked(): number {
    return this.#corks
  }

  get writableNeedDrain(): boolean {
    return this._httpMessage?.writableNeedDrain ?? false
  }

  get writableEnded(): boolean {
    return this.ended
  }

  get writableFinished(): boolean {
    return this.ended && this.closed
  }

  /** Node's `response.end()` sets `socket._writableState.corked`, and nothing else does: so the socket notices the end. */
  get _writableState(): this {
    return this
  }

  set corked(value: number) {
    this.#corks = value
    this.#ending = true
  }

  cork(): void {
    this.#corks++
  }

  uncork(): void {
    if (this.#corks === 0 || --this.#corks > 0) return
    if (this.#ending && !this.ended && !this.destroyed) this.#finish()
    this.#carrier.flush()
  }

  write(data: string | Uint8Array, encoding?: BufferEncoding | WriteCallback | null, callback?: WriteCallback | null): boolean {
    if (typeof encoding === 'function') return this.write(data, undefined, encoding)
    if (this.destroyed) {
      if (callback) process.nextTick(callback, this.errored ?? new FastCgiError('ERR_FCGI_ABORTED', 'the request was given up'))
      return false
    }
    this.#timeout?.refresh()
    this.writer.write(data, encoding ?? 'utf8', callback ?? undefined)
    // Never false while writes are held: an app that waits for 'drain' might not read STDIN, whose end they wait for.
    if (this.writer.isHeld) return true
    if (this.#corks === 0) this.#carrier.flush()
    const mayWriteOn = this.#carrier.output.length < this.writableHighWaterMark
    if (!mayWriteOn) this.#carrier.flow.wantDrain()
    return mayWriteOn
  }

  /** Ending the socket ends the response. */
  end(): this {
    this._httpMessage?.end()
    return this
  }

  destroySoon(): void {
    this.end()
  }

  /** The app gives up: the response is broken off so that the client can tell. */
  destroy(error?: Error): this {
    if (this.destroyed) return this
    const { ended } = this
    this.#close(error ?? null)
    if (ended) this.#carrier.flow.resumeInput(this)
    else this.#carrier.requests.breakOff(this)
    this.filterData?.destroy(error)
    if (error !== undefined && this.listenerCount('error') > 0) this.emit('error', error)
    // As over HTTP: there the handle closes one event-loop turn later, and then request and response close.
    setImmediate(() => {
      if (!ended) this.request?.destroy(abortError())
      this.#emitClose(error !== undefined)
    })
    return this
  }

  // ---- For Node's request ----

  pause(): this {
    this.#carrier.flow.pauseInput(this)
    return this
  }

  /** Called whenever the request is read. */
  resume(): this {
    if (this.body.ended) this.body.deliverEnd()
    else this.#carrier.flow.resumeInput(this)
    return this
  }

  // ---- For apps ----

  get encrypted(): boolean {
    return this.#encrypted ?? this.#addresses.encrypted
  }

  /** Over HTTP it is a plain property, and some middleware sets it. */
  set encrypted(value: boolean) {
    this.#encrypted = value
  }

  get #addresses(): ClientAddress {
    this.#clientAddress ??= new ClientAddress(this.params)
    return this.#clientAddress
  }

  get remotePort(): number | undefined {
    return this.#addresses.remotePort
  }

  get remoteFamily(): string | undefined {
    return this.#addresses.remoteFamily
  }

  get localAddress(): string | undefined {
    return this.#addresses.localAddress
  }

  get localPort(): number | undefined {
    return this.#addresses.localPort
  }

  get localFamily(): string | undefined {
    return this.#addresses.localFamily
  }

  get bytesRead(): number {
    return this.body.received
  }

  get bytesWritten(): number {
    return this.writer.bytesWritten
  }

  get readyState(): string {
    return this.destroyed ? 'closed' : 'open'
  }

  /** Emits 'warning' about a mistake of the app's. */
  warn(error: FastCgiError): void {
    this.#carrier.warn(error)
  }

  /** For middleware that reads X-Forwarded-* itself. */
  get [FORWARDED_HEADERS](): ForwardedHeaders {
    return this.#carrier.configuration.forwardedHeaders
  }

  address(): { address?: string | undefined; port?: number | undefined; family?: string | undefined } {
    return { address: this.localAddress, port: this.localPort, family: this.localFamily }
  }

  /** As on a socket: 'timeout' after so many milliseconds without reading or writing; 0 for never. */
  setTimeout(milliseconds: number, callback?: () => void): this {
    if (callback !== undefined) {
      if (milliseconds > 0) this.once('timeout', callback)
      else this.removeListener('timeout', callback)
    }
    this.timeout = milliseconds
    this.#timeout ??= new SocketTimeout(this)
    this.#timeout.start(this.destroyed ? 0 : milliseconds)
    return this
  }

  setKeepAlive(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  /** Called whenever FCGI_DATA is read. */
  resumeData(): void {
    this.#carrier.flow.resumeInput(this)
  }

  // ---- Inside ----

  /** A Filter may answer now. */
  #releaseHeld(): void {
    if (!this.writer.isHeld) return
    const writes = this.writer.release()
    if (this.#ending && !this.ended && !this.destroyed) this.#finish()
    if (writes > 0) {
      this.#carrier.flow.wantDrain()
      this.#carrier.flush()
    }
  }

  /** The response has ended: END_REQUEST goes out with what is left of it. */
  #finish(): void {
    if (this.writer.isHeld) return
    if (this.writer.endsShort()) {
      this.destroy()
      return
    }
    this.#carrier.requests.endRequest(this, 0)
  }

  /** The response was cut off before it had finished. */
  #emitClose(hadError: boolean): void {
    emitClose(this, hadError)
    if (this._httpMessage !== null) this.#closeResponse(this._httpMessage)
  }

  /** The response is over, whether complete or cut off: counts the request. */
  #closeResponse(response: InternalResponse): void {
    if (response._closed) return
    countOver(this.#carrier.counts, response.statusCode)
    closeResponse(response)
  }

  #close(error: Error | null): void {
    this.destroyed = true
    this.errored = error
    this.readable = false
    this.writable = false
    this.closed = true
    this.writer.discard()
    this.#timeout?.stop()
  }
}

// The same for all.
Object.assign(RequestSocket.prototype, { _paused: false, connecting: false, pending: false })

/** After 'finish', as in Node's HTTP server: the response closes, and with it the socket that it had for itself. */
const settle = (socket: RequestSocket, response: InternalResponse): void => { socket.settle(response) }

/** For Node's request and response: a RequestSocket has all that they use of a Socket, but not all of a Socket. */
export function asSocket(socket: RequestSocket): Socket {
  return socket as unknown as Socket
}
