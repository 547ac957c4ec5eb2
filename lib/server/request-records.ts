/**
 * The records by which the web server sends the requests of one connection: BEGIN_REQUEST, PARAMS, STDIN, DATA and
 * ABORT_REQUEST (FastCGI specification, section 5). Limits on what comes are checked here.
 */
import { readPairs, type RequestParams } from '../fastcgi/params.js'
import { ProtocolStatus, RecordType, Role, decodeBeginRequest, encodeEndRequest } from '../fastcgi/record.js'
import { CHUNKED, type RequestHead, type RequestHeadReader } from '../http/cgi-request.js'
import type { ErrorCode } from '../errors.js'
import { runIsolated } from './async-context.js'
import { UNKNOWN_METHOD, type ConnectionRequests, type RequestConnection } from './connection-requests.js'
import {
  bodyTimeout,
  contentTooLarge,
  errorResponseFor,
  headerFieldsTooLarge,
  tooManyRequests,
  upgradeRefused,
  wrongBodyLength,
  type ErrorResponse,
} from './error-responses.js'
import { ParamsBuffer } from './params-buffer.js'
import { RequestSocket, asSocket } from './request-socket.js'

/** What reading requests needs from the server. */
export interface RequestHost {
  /** Reads PARAMS; one for all connections. */
  readonly headReader: RequestHeadReader
  /** Grows by one each tick, 10 to 1000 ms: a quarter of the shortest time limit, within these bounds. Time limits count it. */
  readonly ticks: number
  /** PARAMS are complete: makes request and response, and gives them to the app. */
  dispatch(socket: RequestSocket, head: RequestHead): void
}

/** What the reading of requests needs of the connection that carries them. */
export interface RecordConnection extends RequestConnection {
  readonly host: RequestHost
  readonly requests: ConnectionRequests
  /** The chunk that is being read; undefined in between. */
  readonly chunk: Buffer | undefined
  /** Whether no new request is taken. */
  readonly closing: boolean
  /** A request begins: its flag FCGI_KEEP_CONN says whether the connection is kept after it. */
  setKeepConnection(requestId: number, keepConnection: boolean): void
  /** Finds out from a request's params which web server this is. */
  learnWebServer(head: { readonly params: RequestParams }): void
  closeIfDone(): void
  /** The web server has broken the protocol. */
  fail(code: ErrorCode, message: string): void
}

/** At this many times `limits.requestsPerConnection` open requests, the connection is closed. */
const REFUSED_FACTOR = 2

/** Reads the requests of one connection. */
export class RequestRecords {
  /** Whether each request's socket is emitted as 'connection', for packages that count open requests by socket. */
  emitsConnections = false
  readonly #connection: RecordConnection
  readonly #requests: ConnectionRequests
  /** PARAMS whose bytes are not copied, but still in the chunk that is being read. */
  #borrower: ParamsBuffer | undefined
  /** Of a request that the app has been given: for the next one. */
  #spareParams: ParamsBuffer | undefined
  /** The app was given a request of the chunk that is being read. */
  #hasDispatched = false
  /** Open requests whose PARAMS are not complete. */
  #incomplete = 0
  /** STDIN streams that the web server has not ended with an empty record, also of requests that are answered. */
  #openStdins = 0
  /** Bytes that were thrown away since the latest request began. */
  #ignored = 0

  constructor(connection: RecordConnection) {
    this.#connection = connection
    this.#requests = connection.requests
  }

  /** Whether the web server has not ended some STDIN stream; the app may have no use for it. */
  get someStdinOpen(): boolean {
    return this.#openStdins > 0
  }

  /** The tick since which PARAMS of a request have been incomplete; Infinity where none are. */
  get incompleteSince(): number {
    if (this.#incomplete === 0) return Infinity
    return Math.min(...this.#requests.list().map(({ openParams }) => openParams?.since ?? Infinity))
  }

  /** A chunk is going to be read. */
  onChunkStart(): void {
    this.#hasDispatched = false
  }

  /** A chunk was read: its bytes are not valid any more. */
  onChunkEnd(): void {
    this.#borrower?.keep()
    this.#borrower = undefined
  }

  /** Content of a record of a request: `chunk` from `start` up to `end`. */
  onRecord(type: number, requestId: number, chunk: Uint8Array, start: number, end: number): void {
    if (type === RecordType.STDIN) this.#onStdin(requestId, chunk, start, end)
    else if (type === RecordType.PARAMS) this.#onParams(requestId, chunk, start, end)
    else if (type === RecordType.BEGIN_REQUEST) this.#onBeginRequest(requestId, chunk, start, end)
    else if (type === RecordType.ABORT_REQUEST) this.#onAbortRequest(requestId)
    else if (type === RecordType.DATA) this.#onData(requestId, chunk, start, end)
    // Any other type is the application's to send; one that comes is ignored.
  }

  /**
   * Gives up requests whose bodies have brought nothing for too long.
   *
   * @param isOver whether a limit in milliseconds has passed since a tick
   */
  checkBodies(isOver: (since: number, limit: number) => boolean): void {
    const { host, flow, configuration } = this.#connection
    const { body } = configuration.timeouts
    const { isHeldUp } = flow
    for (const socket of this.#requests.list()) {
      if (socket.undecided !== undefined) {
        // No STDIN has come for a tick. The app gets the request as one with a body: that is right if one comes, and an
        // empty body if none does.
        if (socket.inputSince < host.ticks - 1) this.#decide(socket, true)
      } else if (isHeldUp) socket.inputSince = host.ticks
      else if (socket.awaitsInput && isOver(socket.inputSince, body)) this.#requests.giveUp(socket, bodyTimeout(body))
    }
  }

  /** The connection is gone. */
  clear(): void {
    this.#incomplete = 0
    this.#borrower = undefined
  }

  // ---- BEGIN_REQUEST and ABORT_REQUEST ----

  #onBeginRequest(requestId: number, chunk: Uint8Array, start: number, end: number): void {
    const connection = this.#connection
    // It could not be answered, so the app must not run for it. The web server sees the close, and may retry elsewhere.
    if (connection.closing) return
    const begin = decodeBeginRequest(chunk, start, end)
    if (begin === undefined) {
      connection.fail('ERR_FCGI_BAD_RECORD', 'a BEGIN_REQUEST that is too short')
      return
    }
    const known = this.#requests.get(requestId)
    if (known !== undefined) {
      if (!known.ended) {
        connection.fail('ERR_FCGI_BAD_RECORD', `BEGIN_REQUEST for the request ${String(requestId)}, which is active`)
        return
      }
      this.#requests.forget(known)
    }
    connection.flow.stallWhileUnread()
    connection.setKeepConnection(requestId, begin.keepConnection)
    if (begin.role < Role.RESPONDER || begin.role > Role.FILTER) {
      connection.output.record(encodeEndRequest(requestId, { appStatus: 0, protocolStatus: ProtocolStatus.UNKNOWN_ROLE }))
      connection.flushAfterRead()
      connection.closeIfDone()
      return
    }
    this.#begin(requestId, begin.role)
  }

  #begin(requestId: number, role: number): void {
    const connection = this.#connection
    const requests = this.#requests
    const { requestsPerConnection } = connection.configuration.limits
    const { open } = requests
    if (open >= requestsPerConnection * REFUSED_FACTOR) {
      connection.fail('ERR_FCGI_REQUESTS_LIMIT', `more than ${String(open)} requests open`)
      return
    }
    if (requests.size > requestsPerConnection * REFUSED_FACTOR) requests.forgetOneAnswered()
    const refusal = open >= requestsPerConnection ? tooManyRequests(requestsPerConnection) : undefined
    this.#openStdins = open === 0 ? 1 : this.#openStdins + 1
    this.#incomplete++
    this.#ignored = 0
    const socket = new RequestSocket(connection, requestId, role)
    socket.openParams = this.#spareParams ?? new ParamsBuffer()
    socket.openParams.begin(connection.host.ticks, refusal)
    this.#spareParams = undefined
    requests.add(socket)
  }

  #onAbortRequest(requestId: number): void {
    const socket = this.#requests.get(requestId)
    if (socket !== undefined) this.#requests.endLate(socket)
    if (socket === undefined || socket.ended) return
    this.#completeParams(socket)
    this.#requests.abort(socket)
  }

  // ---- PARAMS ----

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
    const current = this.#connection.chunk
    const { paramsBytes } = this.#connection.configuration.limits
    if (params.length > paramsBytes) {
      params.refuse(headerFieldsTooLarge(`more than ${String(paramsBytes)} bytes of params`))
    } else if (chunk === current && this.#borrower === undefined && params.isEmpty) {
      // Most often all PARAMS are in one record, and its end is in the same chunk: nothing is copied.
      this.#borrower = params
      params.borrow(current, start, end)
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
      this.#requests.refuse(socket, params.refusal, UNKNOWN_METHOD)
      return
    }
    params.join()
    this.#onHead(socket, params.bytes, params.start, params.end)
    params.begin(0, undefined)
    this.#spareParams = params
  }

  #onHead(socket: RequestSocket, bytes: Buffer, start: number, end: number): void {
    const connection = this.#connection
    const reader = connection.host.headReader
    reader.begin(bytes, start, end)
    const readTo = readPairs(bytes, start, end, reader)
    const problem = reader.complete()
    if (readTo !== end && !reader.refused) {
      connection.fail('ERR_FCGI_BAD_PARAMS', 'PARAMS with name-value pairs that cannot be read')
      return
    }
    const { paramsCount } = connection.configuration.limits
    const refusal = problem === undefined ? this.#refusalOf(reader, socket.role) : errorResponseFor(problem, reader, paramsCount)
    if (refusal !== undefined) {
      this.#requests.refuse(socket, refusal, reader.method)
      return
    }
    socket.paramsText = reader.text
    socket.remoteAddress = reader.remoteAddress
    connection.learnWebServer(reader)
    socket.inputSince = connection.host.ticks
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
    if (socket.role === Role.AUTHORIZER || socket.body.announced === 0) this.#endBody(socket)
  }

  #refusalOf(head: RequestHeadReader, role: number): ErrorResponse | undefined {
    const { configuration, server } = this.#connection
    const { bodyBytes } = configuration.limits
    if (role !== Role.AUTHORIZER && head.contentLength > bodyBytes) return contentTooLarge(bodyBytes)
    if (head.method === 'CONNECT') return upgradeRefused('CONNECT')
    // As in Node's HTTP server: without a listener for 'upgrade', the app gets it as a usual request.
    if (head.upgrade !== '' && server.listenerCount('upgrade') > 0) return upgradeRefused(`an upgrade to ${head.upgrade}`)
    return undefined
  }

  /** The first STDIN record shows whether a request without CONTENT_LENGTH has a body. Body parsers look for a header. */
  #decide(socket: RequestSocket, hasBody: boolean): void {
    const head = socket.undecided
    if (head === undefined) return
    socket.undecided = undefined
    socket.body.exists = hasBody
    socket.inputSince = this.#connection.host.ticks
    if (hasBody) head.rawHeaders.push(...CHUNKED)
    this.#dispatch(socket, head)
  }

  #dispatch(socket: RequestSocket, head: RequestHead): void {
    const { host, server } = this.#connection
    socket.dispatchedAt = host.ticks
    if (this.emitsConnections) server.emit('connection', asSocket(socket))
    if (this.#hasDispatched) dispatchIsolated(host, socket, head)
    else {
      this.#hasDispatched = true
      host.dispatch(socket, head)
    }
  }

  // ---- STDIN and DATA ----

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
    const { body } = socket
    body.received += end - start
    socket.endTimer?.refresh()
    socket.inputSince = this.#connection.host.ticks
    const { request } = socket
    if (request === undefined || (socket.ended && !body.isWanted)) this.#ignore(end - start)
    if (socket.destroyed || request === undefined) return
    if (body.announced >= 0 && body.received > body.announced) {
      this.#requests.giveUp(socket, wrongBodyLength(body.received, body.announced))
      return
    }
    const { bodyBytes } = this.#connection.configuration.limits
    if (body.received > bodyBytes) {
      this.#requests.giveUp(socket, contentTooLarge(bodyBytes))
      return
    }
    if (body.isWanted) {
      const wantsMore = socket.pushBody(copyOf(chunk, start, end))
      // After the response, a body without a reader must not pause the connection.
      if (wantsMore || !socket.ended || body.hasReader) this.#pauseUnless(wantsMore, socket)
      else request._dump()
    }
    if (body.received === body.announced) this.#endBody(socket)
  }

  #onStdinEnd(socket: RequestSocket): void {
    const { announced, received } = socket.body
    if (socket.request !== undefined && !socket.destroyed && announced >= 0 && received !== announced) {
      this.#requests.giveUp(socket, wrongBodyLength(received, announced))
      return
    }
    this.#endBody(socket)
  }

  #endBody(socket: RequestSocket): void {
    socket.endBody()
    this.#connection.flow.onInputEnd(socket)
    this.#requests.endLate(socket)
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
    socket.inputSince = this.#connection.host.ticks
    const { announced, received } = data
    if (announced >= 0 && (start === end ? received !== announced : received > announced)) {
      this.#requests.giveUp(socket, wrongBodyLength(received, announced))
    } else if (start === end) {
      data.push(null)
      this.#connection.flow.onInputEnd(socket)
    } else this.#pauseUnless(data.push(copyOf(chunk, start, end)), socket)
  }

  #pauseUnless(wantsMore: boolean, socket: RequestSocket): void {
    if (!wantsMore) this.#connection.flow.pauseInputWithinLimit(socket)
  }

  /** Counts input that is thrown away. Over `limits.drainBytes`, an END_REQUEST that waits is sent, or else the connection fails. */
  #ignore(length: number): void {
    this.#ignored += length
    const { drainBytes } = this.#connection.configuration.limits
    if (this.#ignored <= drainBytes) return
    if (this.#requests.someEndLate) {
      for (const socket of this.#requests.list()) this.#requests.endLate(socket)
      this.#ignored = 0
    } else this.#connection.fail('ERR_FCGI_BODY_LIMIT', `more than ${String(drainBytes)} bytes that nobody reads`)
  }
}

function dispatchIsolated(host: RequestHost, socket: RequestSocket, head: RequestHead): void {
  runIsolated(() => {
    host.dispatch(socket, head)
  })
}

/** The app keeps content for longer than the call; the bytes of the chunk are only valid during it. */
function copyOf(chunk: Uint8Array, start: number, end: number): Buffer {
  return Buffer.from(chunk.subarray(start, end))
}
