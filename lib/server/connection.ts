/**
 * One connection from the web server: requests by their ids, keep-conn, management records, limits.
 * A connection that breaks the protocol is closed, and no other with it.
 */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { decodePairs, encodePairs, readPairs } from '../fastcgi/params.js'
import {
  HEADER_LENGTH,
  MANAGEMENT_REQUEST_ID,
  ProtocolStatus,
  RecordReader,
  RecordType,
  Role,
  decodeBeginRequest,
  encodeEndRequest,
  encodeRecord,
  encodeUnknownType,
  type RecordConsumer,
} from '../fastcgi/record.js'
import { CHUNKED, type RequestHead, type RequestHeadReader } from '../http/cgi-request.js'
import { plainResponse } from '../http/cgi-response.js'
import { sendsOnAfterAnswer } from '../http/web-servers.js'
import { FastCgiError, type ErrorCode } from '../errors.js'
import { KeepAliveRelease, releasesWhenAsked, type ReleasableConnection } from './keep-alive-release.js'
import type { ServerConfiguration } from './options.js'
import { runIsolated } from './async-context.js'
import { ParamsBuffer } from './params-buffer.js'
import { HTTP_ANSWER, describeProtocol, isHttp } from './other-protocols.js'
import { RecordWriter } from './record-writer.js'
import {
  INTERNAL_ERROR,
  bodyTimeout,
  contentTooLarge,
  headerFieldsTooLarge,
  errorResponseFor,
  tooManyRequests,
  upgradeRefused,
  wrongBodyLength,
  type ErrorResponse,
} from './error-responses.js'
import type { RequestCounts } from './request-counts.js'
import { RequestSocket, asSocket, type RequestCarrier } from './request-socket.js'
import { RequestMap } from './request-map.js'

/** What a connection needs of the server it belongs to. */
export interface ConnectionHost {
  readonly server: Server
  readonly configuration: ServerConfiguration
  readonly counts: RequestCounts
  /** Reads PARAMS; one for all connections. */
  readonly headReader: RequestHeadReader
  /** Grows by one about every second: time to the precision that limits need. */
  readonly ticks: number
  /** The server stops: no connection is kept. */
  readonly draining: boolean
  /** How long a kept connection may then stay until the web server has let go of it, in milliseconds. */
  readonly drainLinger: number
  /** The request is there as far as its PARAMS: makes request and response, and gives them to the app. */
  dispatch(socket: RequestSocket, head: RequestHead): void
  onConnectionError(error: FastCgiError, socket: Duplex): void
  onConnectionClosed(connection: Connection): void
  warn(error: FastCgiError): void
}

/** More refused requests than this many times the allowed number, unanswered at one time, and the connection is closed. */
const REFUSED_FACTOR = 2

/** Octets of answers that wait for the web server to read them, until its next question waits too. */
const MAX_UNREAD = 1024 * 1024

/** How long a body is waited for after its answer where the web server is not going to send it, in milliseconds. */
const BRIEF_DRAIN = 50

const UNKNOWN_METHOD = ''

interface CarriedSocket {
  _httpMessage: Connection | null
}

export class Connection implements RecordConsumer, RequestCarrier, ReleasableConnection {
  readonly socket: Duplex
  readonly server: Server
  readonly configuration: ServerConfiguration
  readonly counts: RequestCounts
  readonly output: RecordWriter
  /**
   * http-terminator finds this on a connection that has open requests, and waits for it: to it, it is a response whose
   * Connection header can be set.
   */
  readonly headersSent = false
  readonly #host: ConnectionHost
  readonly #reader: RecordReader
  readonly #requests = new RequestMap<RequestSocket>()
  readonly #pausedRequests = new Set<RequestSocket>()
  readonly #carried: CarriedSocket
  /** Whether each request's socket is told of as a connection, because somebody counts requests by their sockets. */
  announces = false
  /** The chunk that is being read, and the PARAMS that are still in it. */
  #chunk: Buffer | undefined
  #borrower: ParamsBuffer | undefined
  /** The app was given a request of the chunk that is being read. */
  #hasDispatched = false
  /** Requests whose END_REQUEST has not been given to the output. */
  #open = 0
  /** Open requests whose PARAMS are not complete. */
  #incomplete = 0
  #closeWhenDone = false
  /** The latest request that asked for the connection to be kept; 0 where none did. */
  #keptId = 0
  /** Whether the web server lets go of a kept connection when it is asked to; undefined until it has said what it is. */
  #letsGo: boolean | undefined
  #release: KeepAliveRelease | undefined
  #closing = false
  #closed = false
  /** STDIN streams that the web server has not ended with an empty record, also of requests that are answered. */
  #openStdins = 0
  /** Answered requests whose END_REQUEST waits for the end of STDIN. */
  #late = 0
  #wantsDrain = false
  /** The peer does not read its answers, so it is not read from; what had been read already. */
  #stalled = false
  #rest: Buffer | undefined
  #hasAnswers = false
  #ignored = 0
  /** The tick since which no request has been open, or the connection has been closing. */
  #since: number
  /** The tick at which a record began while no request was open. */
  #recordSince: number

  constructor(host: ConnectionHost, socket: Duplex) {
    this.#host = host
    this.server = host.server
    this.configuration = host.configuration
    this.counts = host.counts
    this.socket = socket
    this.output = new RecordWriter(socket)
    this.#reader = new RecordReader(this)
    this.#since = host.ticks
    this.#recordSince = host.ticks
    this.#carried = Object.assign(socket, { _httpMessage: null })
    socket.on('end', () => {
      this.#onPeerEnd()
    })
    socket.on('close', () => {
      this.#onClose()
    })
    // ECONNRESET and EPIPE only say that the web server has gone: 'close' follows.
    socket.on('error', () => undefined)
  }

  get writableHighWaterMark(): number {
    return this.socket.writableHighWaterMark
  }

  get readableHighWaterMark(): number {
    return this.socket.readableHighWaterMark
  }

  /** Without an open request, nor the begin of one. */
  get idle(): boolean {
    return this.#open === 0 && this.#reader.atBoundary
  }

  get done(): boolean {
    return this.#open === 0
  }

  get isShared(): boolean {
    return this.#open > 1 || this.socket.writableLength > 0
  }

  /** Reads what the web server sent. The bytes are only valid during the call. */
  read(chunk: Buffer, start: number, end: number): void {
    let returned = false
    this.#chunk = chunk
    this.#hasDispatched = false
    if (this.idle) this.#recordSince = this.#host.ticks
    try {
      this.#reader.read(chunk, start, end)
      returned = true
    } finally {
      this.#chunk = undefined
      this.#borrower?.keep()
      this.#borrower = undefined
      if (this.#hasAnswers) this.#flushAnswers()
      // Where the web server has still sent what nobody needs, that is over now.
      if (this.#closeWhenDone && this.idle) this.#close()
      if (this.#reader.position < end && !this.#closed) {
        const rest = copyOf(chunk, this.#reader.position, end)
        if (returned) this.#rest = rest
        // An exception of the app's: the rest is read when whoever catches it has had it.
        else process.nextTick(readRest, this, rest)
      }
    }
  }

  /** Closes once no request is open. */
  closeWhenDone(): void {
    this.#closeWhenDone = true
    if (this.idle) this.#close()
  }

  /**
   * Has the web server close the connection once no request is open, so that it sends none into the close; after
   * `linger` milliseconds without one it is closed here. A connection that is not kept closes at once.
   */
  leave(linger: number): void {
    if (linger === 0 || this.#keptId === 0 || this.#closeWhenDone) {
      this.closeWhenDone()
      return
    }
    this.#release ??= new KeepAliveRelease(this, this.#letsGo === true, linger)
    if (this.idle) this.#release.onIdle()
  }

  askToLetGo(): void {
    if (!this.idle || this.#closing || this.#closed) return
    this.#appendRelease()
    this.output.flush()
  }

  /** The record by which a web server lets go of a connection: keep-alive-release.ts. */
  #appendRelease(): void {
    if (this.#keptId !== 0 && this.#letsGo === true) this.output.record(encodeRecord(RecordType.STDERR, this.#keptId))
  }

  /** Closes the connection now. */
  close(): void {
    this.#close()
  }

  /** Closes at once, whatever is open. */
  destroy(): void {
    this.#destroy(new FastCgiError('ERR_FCGI_ABORTED'))
  }

  /** As on a response: `Connection: close` ends the connection with its open requests. */
  setHeader(name: string, value: unknown): void {
    if (name.toLowerCase() === 'connection' && String(value).toLowerCase() === 'close') this.closeWhenDone()
  }

  /** Whether somebody else who ends the socket takes it for idle, though it is not. */
  get isMistakenForIdle(): boolean {
    return this.#open > 0 && !this.#closed && !this.#closing
  }

  /** Checks the time limits; called at every tick. */
  checkTime(millisecondsPerTick: number): void {
    const isOver = (since: number, limit: number): boolean =>
      limit > 0 && (this.#host.ticks - since - 1) * millisecondsPerTick >= limit
    const { params, idle, linger } = this.configuration.timeouts
    if (this.#closing) {
      if (isOver(this.#since, linger)) this.socket.destroy()
    } else if (isOver(this.#incompleteSince(), params)) {
      this.#fail('ERR_FCGI_PARAMS_TIMEOUT', `PARAMS were not complete within ${String(params)} ms`)
    } else if (this.#open === 0 && isOver(this.#since, idle)) {
      this.#close()
      this.#host.onConnectionError(new FastCgiError('ERR_FCGI_IDLE_TIMEOUT', `no request for ${String(idle)} ms`), this.socket)
    } else if (this.#open > 0 && this.#openStdins > 0) this.#checkBodies(isOver)
  }

  /** Bodies of which nothing comes. */
  #checkBodies(isOver: (since: number, limit: number) => boolean): void {
    const { body } = this.configuration.timeouts
    const isHeldUp = this.#stalled || this.#pausedRequests.size > 0
    for (const socket of this.#requests.list()) {
      if (socket.undecided !== undefined) {
        // Whatever comes is read, and no harm is done if nothing does.
        if (socket.inputSince < this.#host.ticks - 1) this.#decide(socket, true)
      } else if (isHeldUp) socket.inputSince = this.#host.ticks
      else if (socket.awaitsInput && isOver(socket.inputSince, body)) this.#giveUp(socket, bodyTimeout(body))
    }
  }

  /** The tick since which a request, or the first record of one, has been incomplete; never where none is. */
  #incompleteSince(): number {
    // What is left of a body that was answered early is no request.
    if (this.#open === 0) return this.#reader.atBoundary || this.#openStdins > 0 ? Infinity : this.#recordSince
    if (this.#incomplete === 0) return Infinity
    return Math.min(...this.#requests.list().map(({ openParams }) => openParams?.since ?? Infinity))
  }

  // ---- Records ----

  onRecord(type: number, requestId: number, chunk: Uint8Array, start: number, end: number): boolean {
    if (this.#closed) return false
    if (requestId === MANAGEMENT_REQUEST_ID) this.#onManagement(type, chunk, start, end)
    else if (type === RecordType.STDIN) this.#onStdin(requestId, chunk, start, end)
    else if (type === RecordType.PARAMS) this.#onParams(requestId, chunk, start, end)
    else if (type === RecordType.BEGIN_REQUEST) this.#onBeginRequest(requestId, chunk, start, end)
    else if (type === RecordType.ABORT_REQUEST) this.#onAbortRequest(requestId)
    else if (type === RecordType.DATA) this.#onData(requestId, chunk, start, end)
    // Any other type is the application's to send; one that comes is ignored.
    return !this.#closed
  }

  onBadVersion(version: number): void {
    if (this.#closed) return
    const message = describeProtocol(version)
    if (isHttp(version)) this.#answerHttp(new FastCgiError('ERR_FCGI_BAD_VERSION', message))
    else this.#fail('ERR_FCGI_BAD_VERSION', message)
  }

  /** Whoever has mixed up the two reads it in his browser. */
  #answerHttp(error: FastCgiError): void {
    this.#abortAll(error)
    this.#closing = true
    this.#since = this.#host.ticks
    this.socket.end(HTTP_ANSWER)
    this.#host.onConnectionError(error, this.socket)
  }

  /** Section 4: GET_VALUES is answered with what is known, any other type with UNKNOWN_TYPE. */
  #onManagement(type: number, chunk: Uint8Array, start: number, end: number): void {
    this.#stallWhileUnread()
    if (type !== RecordType.GET_VALUES) {
      this.output.record(encodeUnknownType(type))
      this.#flushAnswers()
      return
    }
    const wanted = decodePairs(chunk, start, end)
    if (wanted === undefined) {
      this.#fail('ERR_FCGI_BAD_PARAMS', 'GET_VALUES with name-value pairs that cannot be read')
      return
    }
    const { connections, requestsPerConnection } = this.configuration.limits
    const values = new Map([
      ['FCGI_MAX_CONNS', String(connections)],
      ['FCGI_MAX_REQS', String(connections * requestsPerConnection)],
      ['FCGI_MPXS_CONNS', '1'],
    ])
    const names = new Set(wanted.map(([name]) => name))
    const answer = encodePairs([...names].map((name) => [name, values.get(name)] as const))
    this.output.record(encodeRecord(RecordType.GET_VALUES_RESULT, MANAGEMENT_REQUEST_ID, answer))
    this.#flushAnswers()
  }

  #onBeginRequest(requestId: number, chunk: Uint8Array, start: number, end: number): void {
    // It could not be answered any more, so the app must not run for it. The web server sees the end, and may ask elsewhere.
    if (this.#closing) return
    const begin = decodeBeginRequest(chunk, start, end)
    if (begin === undefined) {
      this.#fail('ERR_FCGI_BAD_RECORD', 'a BEGIN_REQUEST that is too short')
      return
    }
    const known = this.#requests.get(requestId)
    if (known !== undefined) {
      if (!known.ended) {
        this.#fail('ERR_FCGI_BAD_RECORD', `BEGIN_REQUEST for the request ${String(requestId)}, which is active`)
        return
      }
      this.#forget(known)
    }
    this.#stallWhileUnread()
    this.#keptId = begin.keepConnection ? requestId : 0
    if (!begin.keepConnection) this.#closeWhenDone = true
    if (begin.role < Role.RESPONDER || begin.role > Role.FILTER) {
      this.output.record(encodeEndRequest(requestId, { appStatus: 0, protocolStatus: ProtocolStatus.UNKNOWN_ROLE }))
      this.#flushAnswers()
      this.#closeIfDone()
      return
    }
    this.#begin(requestId, begin.role)
  }

  #begin(requestId: number, role: number): void {
    const { requestsPerConnection } = this.configuration.limits
    if (this.#open >= requestsPerConnection * REFUSED_FACTOR) {
      this.#fail('ERR_FCGI_REQUESTS_LIMIT', `more than ${String(this.#open)} requests open`)
      return
    }
    if (this.#requests.size > requestsPerConnection * REFUSED_FACTOR) this.#forgetOneAnswered()
    const refusal = this.#open >= requestsPerConnection ? tooManyRequests(requestsPerConnection) : undefined
    if (this.#open++ === 0) {
      this.#carried._httpMessage = this
      this.#openStdins = 0
    }
    this.#openStdins++
    this.#incomplete++
    this.#ignored = 0
    const socket = new RequestSocket(this, requestId, role)
    socket.openParams = new ParamsBuffer(this.#host.ticks, refusal)
    this.#requests.add(socket)
  }

  #onParams(requestId: number, chunk: Uint8Array, start: number, end: number): void {
    const socket = this.#requests.get(requestId)
    const params = socket?.openParams
    if (socket === undefined || params === undefined) return
    if (start === end) {
      this.#completeParams(socket)
      this.#onParamsComplete(socket, params)
      return
    }
    params.length += end - start
    if (params.refusal !== undefined) return
    const { paramsBytes } = this.configuration.limits
    if (params.length > paramsBytes) {
      params.refuse(headerFieldsTooLarge(`more than ${String(paramsBytes)} octets of params`))
    } else if (chunk === this.#chunk && this.#borrower === undefined && params.isEmpty) {
      // Most often all PARAMS are in one record, and its end is in the same chunk: nothing is copied.
      this.#borrower = params
      params.borrow(this.#chunk, start, end)
    } else {
      params.keep()
      params.add(copyOf(chunk, start, end))
    }
  }

  #completeParams(socket: RequestSocket): void {
    if (socket.openParams === undefined) return
    if (this.#borrower === socket.openParams) this.#borrower = undefined
    socket.openParams = undefined
    this.#incomplete--
  }

  #onParamsComplete(socket: RequestSocket, params: ParamsBuffer): void {
    if (params.refusal !== undefined) {
      this.#refuse(socket, params.refusal, UNKNOWN_METHOD)
      return
    }
    params.join()
    this.#onHead(socket, params.bytes, params.start, params.end)
  }

  #onHead(socket: RequestSocket, bytes: Buffer, start: number, end: number): void {
    const reader = this.#host.headReader
    reader.begin(bytes, start, end)
    const readTo = readPairs(bytes, start, end, reader)
    const problem = reader.complete()
    if (readTo !== end && !reader.refused) {
      this.#fail('ERR_FCGI_BAD_PARAMS', 'PARAMS with name-value pairs that cannot be read')
      return
    }
    const refusal = problem === undefined ? this.#refusalOf(reader, socket.role) : errorResponseFor(problem, reader, this.configuration.limits.paramsCount)
    if (refusal !== undefined) {
      this.#refuse(socket, refusal, reader.method)
      return
    }
    socket.params = reader.params
    if (this.#keptId !== 0) this.#letsGo ??= releasesWhenAsked(reader.params.get('SERVER_SOFTWARE'))
    socket.inputSince = this.#host.ticks
    // An Authorizer has no STDIN (section 6.3).
    if (socket.role !== Role.AUTHORIZER) {
      socket.body.announced = reader.contentLength
      socket.body.exists = reader.contentLength > 0 || reader.body === 'unknown-length'
      if (reader.body === 'untold') {
        socket.undecided = reader.copy()
        return
      }
    }
    this.#dispatch(socket, reader)
    // HAProxy sends no empty STDIN where it has announced an empty body.
    if (socket.role === Role.AUTHORIZER || socket.body.announced === 0) this.#completeInput(socket)
  }

  /** The first STDIN record tells whether there is a body that the params say nothing of. Body parsers read only if they are told. */
  #decide(socket: RequestSocket, hasBody: boolean): void {
    const head = socket.undecided
    if (head === undefined) return
    socket.undecided = undefined
    socket.body.exists = hasBody
    socket.inputSince = this.#host.ticks
    if (hasBody) head.rawHeaders.push(...CHUNKED)
    this.#dispatch(socket, head)
  }

  #dispatch(socket: RequestSocket, head: RequestHead): void {
    if (this.announces) this.server.emit('connection', asSocket(socket))
    if (this.#hasDispatched) this.#dispatchApart(socket, head)
    else {
      this.#hasDispatched = true
      this.#host.dispatch(socket, head)
    }
  }

  #dispatchApart(socket: RequestSocket, head: RequestHead): void {
    runIsolated(() => {
      this.#host.dispatch(socket, head)
    })
  }

  #refusalOf(head: RequestHeadReader, role: number): ErrorResponse | undefined {
    const { bodyBytes } = this.configuration.limits
    if (role !== Role.AUTHORIZER && head.contentLength > bodyBytes) return contentTooLarge(bodyBytes)
    if (head.method === 'CONNECT') return upgradeRefused('CONNECT')
    // As in Node's HTTP server, a request to upgrade is a request where nobody listens for it.
    if (head.upgrade !== '' && this.server.listenerCount('upgrade') > 0) return upgradeRefused(`an upgrade to ${head.upgrade}`)
    return undefined
  }

  #onStdin(requestId: number, chunk: Uint8Array, start: number, end: number): void {
    if (start === end) this.#openStdins--
    const socket = this.#requests.get(requestId)
    if (socket === undefined || socket.body.ended || socket.openParams !== undefined) {
      this.#ignore(end - start)
      return
    }
    if (socket.undecided !== undefined) this.#decide(socket, start !== end)
    if (start === end) this.#onStdinEnd(socket)
    else this.#onStdinContent(socket, chunk, start, end)
  }

  #onStdinContent(socket: RequestSocket, chunk: Uint8Array, start: number, end: number): void {
    socket.body.received += end - start
    socket.endTimer?.refresh()
    socket.inputSince = this.#host.ticks
    if (!socket.dispatched || (socket.ended && !socket.body.isWanted)) this.#ignore(end - start)
    if (socket.destroyed || !socket.dispatched) return
    if (socket.body.announced >= 0 && socket.body.received > socket.body.announced) {
      this.#giveUp(socket, wrongBodyLength(socket.body.received, socket.body.announced))
      return
    }
    if (socket.body.received > this.configuration.limits.bodyBytes) {
      this.#giveUp(socket, contentTooLarge(this.configuration.limits.bodyBytes))
      return
    }
    if (socket.body.isWanted) {
      const wantsMore = socket.pushBody(copyOf(chunk, start, end))
      // After the answer a body that nobody reads must not hold up the connection.
      if (wantsMore || !socket.ended || socket.body.hasReader) this.#pausedUnless(wantsMore, socket)
      else socket.request?._dump()
    }
    if (socket.body.received === socket.body.announced) this.#completeInput(socket)
  }

  #onStdinEnd(socket: RequestSocket): void {
    if (socket.dispatched && !socket.destroyed && socket.body.announced >= 0 && socket.body.received !== socket.body.announced) {
      this.#giveUp(socket, wrongBodyLength(socket.body.received, socket.body.announced))
      return
    }
    this.#completeInput(socket)
  }

  #completeInput(socket: RequestSocket): void {
    socket.endBody()
    if (socket.endTimer !== undefined) this.#endLate(socket)
    if (socket.ended) this.#requests.remove(socket)
  }

  #onData(requestId: number, chunk: Uint8Array, start: number, end: number): void {
    const socket = this.#requests.get(requestId)
    const data = socket?.filterData
    if (socket === undefined || data === undefined || data.ended) {
      this.#ignore(end - start)
      return
    }
    data.received += end - start
    socket.inputSince = this.#host.ticks
    const { announced, received } = data
    if (announced >= 0 && (start === end ? received !== announced : received > announced)) {
      this.#giveUp(socket, wrongBodyLength(received, announced))
    } else if (start === end) data.push(null)
    else this.#pausedUnless(data.push(copyOf(chunk, start, end)), socket)
  }

  /** The request ends soon after (section 5.4). */
  #onAbortRequest(requestId: number): void {
    const socket = this.#requests.get(requestId)
    if (socket !== undefined) this.#endLate(socket)
    if (socket === undefined || socket.ended) return
    this.#completeParams(socket)
    socket.abort(new FastCgiError('ERR_FCGI_ABORTED'))
    this.endRequest(socket, ABORTED_STATUS)
    this.flush()
    this.#forget(socket)
  }

  /** Input that nobody wants: read into nothing, but not without end. */
  #ignore(length: number): void {
    this.#ignored += length
    const { drainBytes } = this.configuration.limits
    if (this.#ignored <= drainBytes) return
    if (this.#late > 0) {
      for (const socket of this.#requests.list()) this.#endLate(socket)
      this.#ignored = 0
    } else this.#fail('ERR_FCGI_BODY_LIMIT', `more than ${String(drainBytes)} octets that nobody reads`)
  }

  // ---- Answers of the server's own ----

  /** Answers a request that the app was not given. */
  #refuse(socket: RequestSocket, refusal: ErrorResponse, method: string): void {
    this.#answer(socket, refusal, method)
    this.#host.onConnectionError(refusal.error, this.socket)
  }

  /** Answers a request that the app was given, if its response has not begun. */
  #giveUp(socket: RequestSocket, refusal: ErrorResponse): void {
    if (socket.writer.headSent) socket.destroy(refusal.error)
    else if (!socket.ended) {
      this.#answer(socket, refusal, socket.request?.method)
      socket.abort(refusal.error)
    }
    this.#endLate(socket)
    this.#host.onConnectionError(refusal.error, this.socket)
  }

  /** Only what is known to be no HEAD gets a body. */
  #answer(socket: RequestSocket, refusal: ErrorResponse, method = UNKNOWN_METHOD): void {
    const { status, reason, headers } = refusal
    const text = method === 'HEAD' || method === UNKNOWN_METHOD ? '' : refusal.text
    this.output.head(socket.requestId, plainResponse(status, reason, text, headers), 'utf8')
    this.endRequest(socket, 0)
    this.#flushAnswers()
  }

  // ---- What request sockets ask ----

  /** Answers of the connection's own leave together when the chunk that asked for them has been read. */
  #flushAnswers(): void {
    this.#hasAnswers = this.#chunk !== undefined
    if (!this.#hasAnswers) this.flush()
  }

  flush(): void {
    if (this.#closed) return
    // The rest of the body may be in what is being read: then all leaves in one write.
    if (this.#late > 0 && this.#chunk !== undefined) {
      this.#hasAnswers = true
      return
    }
    if (this.#wantsDrain) {
      this.output.onFlushed((error) => {
        if (!error) this.#drained()
      })
    }
    this.output.flush()
    if (this.#open === 0) this.#onDone()
  }

  endRequest(socket: RequestSocket, appStatus: number): void {
    if (socket.ended) return
    socket.ended = true
    if (this.#pausedRequests.delete(socket)) this.#resumeUnlessPaused()
    if (appStatus !== 0 || !socket.body.exists || socket.body.ended || socket.destroyed) this.#end(socket, appStatus)
    else this.#endWithInput(socket)
  }

  /**
   * The answer came before the body: END_REQUEST waits for it, as long as more of it comes. HAProxy has no use any more
   * for its client's connection whose request has ended before its body was sent.
   */
  #endWithInput(socket: RequestSocket): void {
    const { drain } = this.configuration.timeouts
    const wait = sendsOnAfterAnswer((name) => socket.params.get(name)) ? drain : Math.min(drain, BRIEF_DRAIN)
    if (wait === 0) {
      this.#end(socket, 0)
      return
    }
    this.#late++
    socket.endTimer = setTimeout(endLate, wait, this, socket).unref()
  }

  /** Nothing more of the body has come in time. */
  endLate(socket: RequestSocket): void {
    this.#endLate(socket)
  }

  #end(socket: RequestSocket, appStatus: number): void {
    this.output.end(socket.requestId, appStatus, ProtocolStatus.REQUEST_COMPLETE)
    if (--this.#open === 0) {
      this.#since = this.#host.ticks
      if (this.#release !== undefined || this.#host.draining) this.#appendRelease()
    }
    if (socket.body.ended) this.#requests.remove(socket)
  }

  /** END_REQUEST waits no longer. */
  #endLate(socket: RequestSocket): void {
    if (socket.endTimer === undefined) return
    clearTimeout(socket.endTimer)
    socket.endTimer = undefined
    this.#late--
    this.#end(socket, 0)
    this.#flushAnswers()
  }

  /**
   * The client must be able to tell that the response is not whole: alone on its connection, the connection
   * ends without END_REQUEST and with octets that are no record. Among others it must not end, so the status
   * in END_REQUEST says that the response failed.
   */
  breakOff(socket: RequestSocket): void {
    if (this.#closed || socket.ended) return
    if (!socket.writer.headSent) {
      this.#answer(socket, INTERNAL_ERROR, socket.request?.method)
      return
    }
    if (this.#open > 1) {
      this.endRequest(socket, BROKEN_OFF_STATUS)
      this.flush()
      return
    }
    this.output.record(NO_RECORD)
    this.output.flush()
    this.#destroy(new FastCgiError('ERR_FCGI_ABORTED', 'the app destroyed the response'))
  }

  pauseInput(socket: RequestSocket): void {
    if (!socket.expectsInput) return
    this.#pausedRequests.add(socket)
    this.socket.pause()
  }

  resumeInput(socket: RequestSocket): void {
    if (this.#pausedRequests.delete(socket)) this.#resumeUnlessPaused()
  }

  wantDrain(): void {
    this.#wantsDrain = true
  }

  warn(error: FastCgiError): void {
    this.#host.warn(error)
  }

  // ---- Inside ----

  /** With other requests on the connection, a reader that is slow may hold more before they all have to wait. */
  #pausedUnless(wantsMore: boolean, socket: RequestSocket): void {
    if (wantsMore) return
    if (this.#open > 1 && socket.buffered < this.configuration.limits.bufferedBytes) return
    this.pauseInput(socket)
  }

  #resumeUnlessPaused(): void {
    if (this.#pausedRequests.size === 0 && !this.#stalled) this.socket.resume()
  }

  /**
   * A peer that asks without reading the answers is not read from either. Called where it asks for something
   * new, so that one which sends a whole body before it reads the answer is never kept waiting.
   */
  #stallWhileUnread(): void {
    if (this.#stalled || this.output.length < MAX_UNREAD) return
    this.#stalled = true
    this.#reader.pause()
    this.socket.pause()
    this.output.onFlushed((error) => {
      if (!error) this.#unstall()
    })
    this.output.flush()
  }

  #unstall(): void {
    const rest = this.#rest
    this.#stalled = false
    this.#rest = undefined
    this.#reader.resume()
    this.#resumeUnlessPaused()
    if (rest !== undefined) this.read(rest, 0, rest.length)
  }

  #drained(): void {
    if (this.output.length > 0) return
    this.#wantsDrain = false
    for (const socket of this.#requests.list()) socket.drain()
  }

  /** Answered requests whose STDIN goes on are kept for it, but not without end: the oldest goes. */
  #forgetOneAnswered(): void {
    const answered = this.#requests.list().find((socket) => socket.ended)
    if (answered !== undefined) this.#forget(answered)
  }

  #forget(socket: RequestSocket): void {
    this.#requests.remove(socket)
    if (!socket.body.ended) socket.abort(new FastCgiError('ERR_FCGI_ABORTED'))
  }

  /** No request is open. http-terminator must not take the connection for idle before the last response has left. */
  #onDone(): void {
    if (this.output.length === 0) this.#carried._httpMessage = null
    else {
      this.output.onFlushed(() => {
        if (this.#open === 0) this.#carried._httpMessage = null
      })
      this.output.flush()
    }
    this.#closeIfDone()
  }

  #closeIfDone(): void {
    if (this.#open > 0 || this.#closing) return
    if (this.#closeWhenDone) this.#close()
    else if (this.#release !== undefined) this.#release.onAnswered()
    else if (this.#host.draining) this.leave(this.#host.drainLinger)
  }

  /** Closes when what was read and written in this tick is done with. */
  #close(): void {
    if (this.#closing || this.#closed) return
    this.#closing = true
    this.#since = this.#host.ticks
    process.nextTick(closeNow, this)
  }

  /**
   * With input still to come, closing at once could cost the web server the response: it is told that nothing
   * more comes, and is read until it closes.
   */
  closeNow(): void {
    if (this.#openStdins <= 0 && this.#reader.atBoundary && this.output.length === 0) this.socket.destroy()
    else {
      this.socket.end()
      this.socket.resume()
    }
  }

  /** The web server has closed: whoever it was for does not wait any more. */
  #onPeerEnd(): void {
    if (this.#open > 0) this.#destroy(new FastCgiError('ERR_FCGI_ABORTED'))
    else if (this.output.length === 0) this.socket.destroy()
    else if (!this.socket.writableEnded) this.socket.end()
  }

  #onClose(): void {
    if (!this.#requests.isEmpty) this.#abortAll(new FastCgiError('ERR_FCGI_ABORTED'))
    this.#closed = true
    this.#release?.end()
    this.#host.onConnectionClosed(this)
  }

  #fail(code: ErrorCode, message: string): void {
    const error = new FastCgiError(code, message)
    this.#destroy(error)
    this.#host.onConnectionError(error, this.socket)
  }

  #destroy(error: Error): void {
    this.#abortAll(error)
    this.socket.destroy()
  }

  #abortAll(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.output.discard(error)
    for (const socket of this.#requests.list()) {
      clearTimeout(socket.endTimer)
      socket.endTimer = undefined
      socket.abort(error)
    }
    this.#requests.clear()
    this.#incomplete = 0
    this.#late = 0
    this.#borrower = undefined
    this.#pausedRequests.clear()
  }
}

function readRest(connection: Connection, rest: Buffer): void {
  connection.read(rest, 0, rest.length)
}

function endLate(connection: Connection, socket: RequestSocket): void {
  connection.endLate(socket)
}

function closeNow(connection: Connection): void {
  connection.closeNow()
}

/** END_REQUEST's application status where the web server gave the request up. */
const ABORTED_STATUS = 1
/**
 * No record header has version 0. Without it nginx takes a connection that just closes for the end of a response
 * of unknown length, unless it is kept and the response buffered.
 */
const NO_RECORD = new Uint8Array(HEADER_LENGTH)
/** END_REQUEST's application status where the response is not whole. */
const BROKEN_OFF_STATUS = 1

/** Content outlives the call that it came with, the bytes that were read do not. */
function copyOf(chunk: Uint8Array, start: number, end: number): Buffer {
  return Buffer.from(chunk.subarray(start, end))
}
