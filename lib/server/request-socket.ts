/**
 * The socket that one request and its response sit on: stdin in, stdout out, backpressure both ways,
 * abort. It has what Node's request and response, Express and common middleware ask of a socket.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { paramOf, paramsOf } from '../fastcgi/params.js'
import { Role } from '../fastcgi/record.js'
import {
  LazyEventEmitter,
  closeResponse,
  closeUnread,
  detachAbortSignal,
  emitDrain,
  type InternalRequest,
  type InternalResponse,
} from '../http/internals.js'
import { isEncrypted } from '../http/request.js'
import {
  ChunkedDecoder,
  earlyHintLinks,
  largestHeader,
  needsRewriting,
  rewriteHead,
  variableLines,
} from '../http/response.js'
import { FastCgiError } from './errors.js'
import type { ServerConfiguration } from './options.js'
import type { RecordOutput, WriteCallback } from './output.js'

/** A request that is not given to the app, but answered when its PARAMS are complete. */
export interface Refusal {
  readonly status: number
  readonly reason: string
  readonly text: string
  readonly headers: string
  readonly error: FastCgiError
}

/** A request's PARAMS while they come in. */
export interface OpenParams {
  /** Content that was copied. */
  pieces: Buffer[]
  /** Content that is still in the chunk that is being read: from `start` up to `end`. */
  borrowed: Buffer | undefined
  start: number
  end: number
  length: number
  refusal: Refusal | undefined
}

/** What a request's socket needs of the connection that carries it. */
export interface RequestCarrier {
  readonly server: Server
  readonly configuration: ServerConfiguration
  readonly output: RecordOutput
  readonly writableHighWaterMark: number
  readonly readableHighWaterMark: number
  /** Writes what was gathered. */
  flush(): void
  /** The response is complete: ends the request. */
  endRequest(socket: RequestSocket, appStatus: number): void
  /** The response cannot be completed: lets the web server know. */
  breakOff(socket: RequestSocket): void
  /** The body's reader is full, or wants more. */
  pauseInput(socket: RequestSocket): void
  resumeInput(socket: RequestSocket): void
  /** Some response waits for 'drain'. */
  wantDrain(): void
  /** Tells whoever operates the server about a mistake of the app's. */
  warn(error: FastCgiError): void
}

/** How much a request has been read. */
const InputState = { OPEN: 0, ENDED: 1, DELIVERED: 2 } as const

type InputStateValue = (typeof InputState)[keyof typeof InputState]

/** A response without Content-Length may be as long as it likes. */
const UNBOUNDED = Number.POSITIVE_INFINITY

/** A write that waits: a Filter sends nothing before its STDIN is complete. */
type HeldWrite = [data: string | Uint8Array, encoding: BufferEncoding, callback: WriteCallback | undefined]

export class RequestSocket extends LazyEventEmitter {
  readonly server: Server
  readonly requestId: number
  readonly role: number
  readonly keepConnection: boolean
  /** The PARAMS stream as latin1 text; params are read from it when they are asked for. */
  paramsText = ''
  /** What came of PARAMS before it is complete; undefined then. */
  openParams: OpenParams | undefined
  request: InternalRequest | undefined
  /** The Filter role's second stream, FCGI_DATA. */
  data: Readable | undefined
  /** Octets of STDIN so far. */
  received = 0
  /** Octets of STDIN that were announced, or -1. */
  announced = -1
  /** END_REQUEST was given to the connection. */
  ended = false

  /** Node's response finds itself here. */
  _httpMessage: InternalResponse | null = null
  readonly _paused = false
  destroyed = false
  errored: Error | null = null
  readable = true
  writable = true
  closed = false
  readonly connecting = false
  readonly pending = false
  timeout = 0

  readonly #carrier: RequestCarrier
  #corks = 0
  #ending = false
  #headSent = false
  #bodyLeft = UNBOUNDED
  #bodyWritten = 0
  #chunked: ChunkedDecoder | undefined
  #hints = ''
  #held: HeldWrite[] | undefined
  #heldLength = 0
  #inputState: InputStateValue = InputState.OPEN
  #dataEnded = false
  #timer: NodeJS.Timeout | undefined
  #params: Readonly<Record<string, string>> | undefined
  #encrypted: boolean | undefined

  constructor(carrier: RequestCarrier, requestId: number, role: number, keepConnection: boolean) {
    super()
    this.#carrier = carrier
    this.server = carrier.server
    this.requestId = requestId
    this.role = role
    this.keepConnection = keepConnection
    if (role === Role.FILTER) this.#held = []
  }

  // ---- What the connection tells ----

  /** Whether the app was given the request. */
  get dispatched(): boolean {
    return this.request !== undefined
  }

  get headSent(): boolean {
    return this.#headSent
  }

  get inputEnded(): boolean {
    return this.#inputState !== InputState.OPEN
  }

  /** Whether the web server has more to send for this request. */
  get expectsInput(): boolean {
    return this.#inputState === InputState.OPEN || (this.data !== undefined && !this.#dataEnded)
  }

  /** Octets of input that the app has not read. */
  get buffered(): number {
    return (this.request?.readableLength ?? 0) + (this.data?.readableLength ?? 0)
  }

  /** False where the body is read into nothing: it need not even be copied. */
  get wantsBody(): boolean {
    const request = this.request
    if (request === undefined || request._dumped || request.destroyed) return false
    return request.readableFlowing !== true || request.listenerCount('data') > 0
  }

  /** Whether somebody is going to read more of the body, now or when he is ready. */
  get hasReader(): boolean {
    const request = this.request
    return request !== undefined && (request.listenerCount('data') > 0 || request.listenerCount('readable') > 0)
  }

  /** Gives the app a piece of its body; false where it has enough for now. */
  pushBody(chunk: Buffer): boolean {
    this.#touch()
    return this.request?.push(chunk) ?? true
  }

  /** Gives the app a piece of FCGI_DATA, or its end. */
  pushData(chunk: Buffer | null): boolean {
    this.#dataEnded ||= chunk === null
    if (this.data === undefined || this.data.destroyed) return true
    return this.data.push(chunk)
  }

  /** The body is complete. Its end is delivered when somebody reads: most requests have no body and no reader. */
  endInput(): void {
    if (this.#inputState !== InputState.OPEN) return
    this.#inputState = InputState.ENDED
    const request = this.request
    if (request === undefined) return
    request.complete = true
    if (request._consuming || request.readableLength > 0) this.#deliverEnd()
    this.#releaseHeld()
  }

  /** The web server, or the connection to it, has given up this request. */
  abort(error: Error): void {
    if (this.destroyed) return
    this.#close(error)
    const request = this.request
    if (request !== undefined && !(this.ended && request.complete)) request.destroy(abortError())
    this.#destroyData(error)
    this.#emitClose(false)
  }

  /** The response has left, all of it. Node's HTTP server does the same as the first to hear of 'finish'. */
  complete(response: InternalResponse): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.request !== undefined) detachAbortSignal(this.request)
    this.writable = false
    this.closed = true
    response.socket = null
    this._httpMessage = null
    process.nextTick(settle, this, response)
  }

  /** The response has closed. A body that nobody has read is read into nothing; whoever began to listen hears of it. */
  settle(): void {
    const request = this.request
    if (request !== undefined) this.#settleRequest(request)
    this.emit('close', false)
  }

  /** Bytes have left: a response that was told to wait may go on. */
  drain(): void {
    if (this._httpMessage !== null) emitDrain(this._httpMessage)
  }

  // ---- What Node's response does with its socket ----

  get writableLength(): number {
    return this.destroyed ? 0 : this.#carrier.output.length + this.#heldLength
  }

  get writableHighWaterMark(): number {
    return this.#carrier.writableHighWaterMark
  }

  get readableHighWaterMark(): number {
    return this.#carrier.readableHighWaterMark
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

  /** The response sets `corked` here when, and only when, it ends. */
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
      if (callback) process.nextTick(callback, this.errored ?? new Error('the request was given up'))
      return false
    }
    this.#touch()
    if (this.#held !== undefined) return this.#hold(this.#held, data, encoding ?? 'utf8', callback ?? undefined)
    this.#pass(data, encoding ?? 'utf8', callback ?? undefined)
    if (this.#corks === 0) this.#carrier.flush()
    return this.#mayWriteOn()
  }

  /** A socket of one request has no end of its own: the response's is. */
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
    if (!ended) this.#carrier.breakOff(this)
    this.#destroyData(error)
    if (error !== undefined && this.listenerCount('error') > 0) this.emit('error', error)
    // As over HTTP, where the handle's close takes a turn of the loop, and then tells request and response.
    setImmediate(() => {
      if (!ended) this.request?.destroy(abortError())
      this.#emitClose(error !== undefined)
    })
    return this
  }

  // ---- What Node's request does with its socket ----

  pause(): this {
    this.#carrier.pauseInput(this)
    return this
  }

  /** Called whenever the request is read. */
  resume(): this {
    if (this.#inputState === InputState.ENDED) this.#deliverEnd()
    else if (this.#inputState === InputState.OPEN) this.#carrier.resumeInput(this)
    return this
  }

  // ---- What apps ask ----

  get params(): Readonly<Record<string, string>> {
    this.#params ??= paramsOf(this.paramsText)
    return this.#params
  }

  get encrypted(): boolean {
    return this.#encrypted ?? isEncrypted((name) => paramOf(this.paramsText, name))
  }

  /** Over HTTP it is a plain property, and some middleware sets it. */
  set encrypted(value: boolean) {
    this.#encrypted = value
  }

  get remoteAddress(): string | undefined {
    return paramOf(this.paramsText, 'REMOTE_ADDR')
  }

  get remotePort(): number | undefined {
    return portOf(paramOf(this.paramsText, 'REMOTE_PORT'))
  }

  get remoteFamily(): string | undefined {
    return familyOf(this.remoteAddress)
  }

  get localAddress(): string | undefined {
    return paramOf(this.paramsText, 'SERVER_ADDR')
  }

  get localPort(): number | undefined {
    return portOf(paramOf(this.paramsText, 'SERVER_PORT'))
  }

  get localFamily(): string | undefined {
    return familyOf(this.localAddress)
  }

  get bytesRead(): number {
    return this.received
  }

  get bytesWritten(): number {
    return this.#bodyWritten
  }

  get readyState(): string {
    if (this.destroyed) return 'closed'
    return 'open'
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
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.timeout = milliseconds
    if (milliseconds > 0 && !this.destroyed) {
      this.#timer = setTimeout(() => {
        this.#onTimeout()
      }, milliseconds)
      this.#timer.unref()
    }
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
    this.#carrier.resumeInput(this)
  }

  // ---- Inside ----

  /** With the error only for who listens: an app need not know that there is such a stream. */
  #destroyData(error: Error | undefined): void {
    if (this.data === undefined || this.data.listenerCount('error') === 0) this.data?.destroy()
    else this.data.destroy(error)
  }

  #mayWriteOn(): boolean {
    const mayWriteOn = this.#carrier.output.length < this.#carrier.writableHighWaterMark
    if (!mayWriteOn) this.#carrier.wantDrain()
    return mayWriteOn
  }

  #hold(held: HeldWrite[], data: string | Uint8Array, encoding: BufferEncoding, callback: WriteCallback | undefined): boolean {
    held.push([data, encoding, callback])
    this.#heldLength += data.length
    return this.#heldLength < this.#carrier.writableHighWaterMark
  }

  /** A Filter may answer now. */
  #releaseHeld(): void {
    const held = this.#held
    if (held === undefined) return
    this.#held = undefined
    this.#heldLength = 0
    for (const [data, encoding, callback] of held) this.#pass(data, encoding, callback)
    if (this.#ending && !this.ended && !this.destroyed) this.#finish()
    if (held.length > 0) {
      this.#carrier.wantDrain()
      this.#carrier.flush()
    }
  }

  #pass(data: string | Uint8Array, encoding: BufferEncoding, callback: WriteCallback | undefined): void {
    if (this.#headSent) this.#body(data, encoding)
    else this.#head(typeof data === 'string' ? data : Buffer.from(data).toString('latin1'), encoding)
    if (callback !== undefined) this.#carrier.output.onFlushed(callback)
  }

  /** The first write is the response's head, with or without some of its body; before it may come 1xx texts. */
  #head(text: string, encoding: BufferEncoding): void {
    const response = this._httpMessage
    if (response === null) return
    const original = response._header
    if (original === null || !text.startsWith(original)) {
      if (this.#carrier.configuration.earlyHints === 'fold') this.#hints += earlyHintLinks(text)
      return
    }
    this.#headSent = true
    if (response.chunkedEncoding) this.#chunked = new ChunkedDecoder()
    else if (response._contentLength !== null && response._hasBody) this.#bodyLeft = response._contentLength
    this.#writeHead(original, response, encoding)
    if (text.length > original.length) this.#body(text.slice(original.length), encoding)
  }

  #writeHead(original: string, response: InternalResponse, encoding: BufferEncoding): void {
    const { output, configuration } = this.#carrier
    if (original.length > configuration.limits.headBytes) this.#warnOfSize(original)
    const isPlain = response.statusCode >= 200 && this.#hints === '' && this.role !== Role.AUTHORIZER
    if (isPlain && !needsRewriting(original)) output.head(this.requestId, original, encoding)
    else output.stdoutText(this.requestId, this.#rewrittenHead(original, response), encoding)
  }

  #rewrittenHead(original: string, response: InternalResponse): string {
    if (response.statusCode < 200) {
      const status = `${String(response.statusCode)} ${response.statusMessage}`
      this.#carrier.warn(new FastCgiError('ERR_FCGI_STATUS', `a response to ${this.request?.url ?? '?'} ends with status ${status}; 500 was sent`))
      return rewriteHead(original, '', 'last', '500 Internal Server Error')
    }
    if (this.role !== Role.AUTHORIZER) return rewriteHead(original, this.#hints, 'last')
    const variables = response.statusCode === 200 ? this.#variables(response) : ''
    // Nobody is let on without what the app says of him.
    if (variables === undefined) return rewriteHead(original, '', 'first', '500 Internal Server Error')
    return rewriteHead(original, variables, 'first')
  }

  /** The variables of an authorizer that its app left in `res.locals.variables`; undefined where they cannot be sent. */
  #variables(response: InternalResponse): string | undefined {
    const locals: unknown = Reflect.get(response, 'locals')
    const variables: unknown = typeof locals === 'object' && locals !== null ? Reflect.get(locals, 'variables') : undefined
    if (typeof variables !== 'object' || variables === null) return ''
    try {
      const entries = Object.entries(variables).map(([name, value]) => [name, String(value)])
      return variableLines(Object.fromEntries(entries) as Record<string, string>)
    } catch (cause) {
      this.#carrier.warn(new FastCgiError('ERR_FCGI_BAD_VARIABLE', `res.locals.variables: ${String(cause)}`, { cause }))
      return undefined
    }
  }

  #warnOfSize(head: string): void {
    const { name, length } = largestHeader(head)
    this.#carrier.warn(
      new FastCgiError(
        'ERR_FCGI_HEADER_SIZE',
        `the head of a response to ${this.request?.url ?? '?'} takes ${String(head.length)} octets, ${String(length)} of them ` +
          `the header ${name}; nginx refuses more than fastcgi_buffer_size (4 or 8 kB by default), HAProxy more than 16 kB`,
      ),
    )
  }

  #body(data: string | Uint8Array, encoding: BufferEncoding): void {
    if (data.length === 0) return
    if (this.#chunked !== undefined) {
      const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data
      for (const piece of this.#chunked.decode(bytes)) this.#content(piece, encoding, piece.length)
    } else if (this.#bodyLeft === UNBOUNDED) this.#content(data, encoding, data.length)
    else this.#boundedContent(data, encoding)
  }

  /** The app said how long its body is: no octet more. */
  #boundedContent(data: string | Uint8Array, encoding: BufferEncoding): void {
    const length = typeof data === 'string' ? Buffer.byteLength(data, encoding) : data.length
    if (length <= this.#bodyLeft) {
      this.#bodyLeft -= length
      this.#content(data, encoding, length)
      return
    }
    const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data
    const allowed = bytes.subarray(0, this.#bodyLeft)
    this.#bodyLeft = 0
    if (allowed.length > 0) this.#content(allowed, encoding, allowed.length)
    this.#warnOfLength('longer', 'the rest was cut off')
  }

  #content(data: string | Uint8Array, encoding: BufferEncoding, length: number): void {
    this.#bodyWritten += length
    if (typeof data === 'string') this.#carrier.output.stdoutText(this.requestId, data, encoding)
    else this.#carrier.output.stdout(this.requestId, data)
  }

  #warnOfLength(relation: string, outcome: string): void {
    this.#carrier.warn(
      new FastCgiError(
        'ERR_FCGI_CONTENT_LENGTH',
        `the body of the response to ${this.request?.url ?? '?'} is ${relation} than its Content-Length; ${outcome}`,
      ),
    )
  }

  /** The response has ended: END_REQUEST goes out with what is left of it. */
  #finish(): void {
    if (this.#held !== undefined) return
    if (this.#bodyLeft > 0 && this.#bodyLeft !== UNBOUNDED) {
      this.#warnOfLength('shorter', 'the response was broken off, so that the client can tell')
      this.destroy()
      return
    }
    this.#carrier.endRequest(this, 0)
  }

  /** The response was cut off before it had finished. */
  #emitClose(hadError: boolean): void {
    this.emit('close', hadError)
    if (this._httpMessage !== null) closeResponse(this._httpMessage)
  }

  #settleRequest(request: InternalRequest): void {
    if (request._consuming || request._readableState.resumeScheduled || request.destroyed) return
    if (this.#inputState === InputState.ENDED && request._eventsCount === 0) {
      this.#inputState = InputState.DELIVERED
      closeUnread(request)
    } else request._dump()
  }

  #deliverEnd(): void {
    if (this.#inputState !== InputState.ENDED) return
    this.#inputState = InputState.DELIVERED
    this.request?.push(null)
  }

  #close(error: Error | null): void {
    this.destroyed = true
    this.errored = error
    this.readable = false
    this.writable = false
    this.closed = true
    this.#held = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #touch(): void {
    this.#timer?.refresh()
  }

  /** As Node's HTTP server: whoever listens decides, else the socket is destroyed. */
  #onTimeout(): void {
    this.emit('timeout')
    const request = this.request
    const socket = asSocket(this)
    const heardByRequest = request !== undefined && !request.complete && request.emit('timeout', socket)
    const heardByResponse = this._httpMessage?.emit('timeout', socket) ?? false
    const heardByServer = this.server.emit('timeout', socket)
    if (!heardByRequest && !heardByResponse && !heardByServer) this.destroy()
  }
}

/** After 'finish': the response closes, and with it the socket that it had for itself. */
function settle(socket: RequestSocket, response: InternalResponse): void {
  closeResponse(response)
  socket.settle()
}

/** It has what Node's request and response use of a socket, which is not all that a Socket has. */
export function asSocket(socket: RequestSocket): Socket {
  return socket as unknown as Socket
}

/** What Node's HTTP server gives to a request whose client has gone. */
function abortError(): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
}

function portOf(text: string | undefined): number | undefined {
  const port = Number(text)
  return text !== undefined && text !== '' && Number.isInteger(port) ? port : undefined
}

function familyOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined
  return address.includes(':') ? 'IPv6' : 'IPv4'
}
