/**
 * The requests of one connection: which are open, and how each ends. A request is open from BEGIN_REQUEST until its
 * END_REQUEST was given to the output; one that was answered early is kept while the rest of its STDIN comes.
 */
import { HEADER_LENGTH, ProtocolStatus } from '../fastcgi/record.js'
import { plainResponse } from '../http/cgi-response.js'
import { sendsOnAfterAnswer } from '../http/web-servers.js'
import { FastCgiError } from '../errors.js'
import { INTERNAL_ERROR, requestTimeout, type ErrorResponse } from './error-responses.js'
import type { FlowControl } from './flow-control.js'
import { RequestMap } from './request-map.js'
import type { RequestCarrier, RequestSocket } from './request-socket.js'

/** What the requests of a connection need of it. */
export interface RequestConnection extends RequestCarrier {
  readonly flow: FlowControl
  /** Whether the connection is over: nothing is read from it or written to it. */
  readonly closed: boolean
  /** A request has begun while none was open. */
  onFirstBegun(): void
  /** The last of the open requests has ended; its END_REQUEST has not been written. */
  onLastEnded(): void
  /** Flushes the output now, or at the end of the chunk that is being read, so that several answers leave in one write. */
  flushAfterRead(): void
  /** Closes at once; its requests are given up with this error. */
  destroyWith(error: FastCgiError): void
  onError(error: FastCgiError): void
}

/** How long END_REQUEST waits for the rest of a body that the web server does not send after an answer, in milliseconds. */
const BRIEF_DRAIN = 50
/** END_REQUEST's application status where the web server gave the request up. */
const ABORTED_STATUS = 1
/** END_REQUEST's application status where the response is not whole. */
const BROKEN_OFF_STATUS = 1
/**
 * Eight bytes that are no record, because their version is 0. They make nginx treat the response as failed. Where the
 * connection only closes, nginx takes the close for the end of a response of unknown length, unless the connection is kept
 * and the response is buffered.
 */
const NO_RECORD = new Uint8Array(HEADER_LENGTH)

/** The method of a request whose PARAMS were not read. */
export const UNKNOWN_METHOD = ''

/** The requests of one connection. */
export class ConnectionRequests {
  readonly #connection: RequestConnection
  readonly #byId = new RequestMap<RequestSocket>()
  #open = 0
  /** How many answered requests have an END_REQUEST that waits for the end of STDIN. */
  #late = 0

  constructor(connection: RequestConnection) {
    this.#connection = connection
  }

  /** How many are open. */
  get open(): number {
    return this.#open
  }

  /** Whether some END_REQUEST waits for the end of STDIN. */
  get someEndLate(): boolean {
    return this.#late > 0
  }

  /** How many are open, or are answered while the rest of their STDIN comes. */
  get size(): number {
    return this.#byId.size
  }

  get(requestId: number): RequestSocket | undefined {
    return this.#byId.get(requestId)
  }

  /** All of them, as they are now. */
  list(): RequestSocket[] {
    return this.#byId.list()
  }

  /** A request has begun. */
  add(socket: RequestSocket): void {
    if (this.#open++ === 0) this.#connection.onFirstBegun()
    this.#byId.add(socket)
  }

  /** A request is answered, and its STDIN has ended. */
  remove(socket: RequestSocket): void {
    this.#byId.remove(socket)
  }

  /** Removes a request before its STDIN has ended: the rest of its body is read and thrown away. */
  forget(socket: RequestSocket): void {
    this.#byId.remove(socket)
    this.#connection.flow.resumeInput(socket)
    if (!socket.body.ended) socket.abort(new FastCgiError('ERR_FCGI_ABORTED'))
  }

  /** Forgets the oldest answered request whose STDIN has not ended, because too many of them are kept. */
  forgetOneAnswered(): void {
    const answered = this.list().find((socket) => socket.ended)
    if (answered !== undefined) this.forget(answered)
  }

  /** Emits 'drain' on responses whose `write()` has returned false. */
  drain(): void {
    for (const socket of this.list()) socket.drain()
  }

  // ---- Answers of the server's own ----

  /** Answers a request that the app was not given. */
  refuse(socket: RequestSocket, refusal: ErrorResponse, method: string): void {
    this.#answer(socket, refusal, method)
    this.#connection.onError(refusal.error)
  }

  /** Answers a request that the app was given, if its response has not begun. */
  giveUp(socket: RequestSocket, refusal: ErrorResponse): void {
    if (socket.writer.headSent) socket.destroy(refusal.error)
    else if (!socket.ended) {
      this.#answer(socket, refusal, socket.request?.method)
      socket.abort(refusal.error)
    }
    this.endLate(socket)
    this.#connection.onError(refusal.error)
  }

  /** A body is sent only where the method is known and is not HEAD. */
  #answer(socket: RequestSocket, refusal: ErrorResponse, method = UNKNOWN_METHOD): void {
    const { status, reason, headers } = refusal
    const text = method === 'HEAD' || method === UNKNOWN_METHOD ? '' : refusal.text
    this.#connection.output.head(socket.requestId, plainResponse(status, reason, text, headers), 'utf8')
    this.endRequest(socket, 0)
    this.#connection.flushAfterRead()
  }

  /**
   * Gives up requests that the app has not begun to answer for too long.
   *
   * @param isOver whether a limit in milliseconds has passed since a tick
   */
  checkAges(isOver: (since: number, limit: number) => boolean): void {
    const { request: limit } = this.#connection.configuration.timeouts
    for (const socket of this.list()) {
      const { request } = socket
      if (request === undefined || socket.ended || socket.writer.headSent || !isOver(socket.dispatchedAt, limit)) continue
      this.giveUp(socket, requestTimeout(limit, `${request.method ?? ''} ${request.url ?? ''}`))
    }
  }

  // ---- How a request ends ----

  /** The response is complete, or there will be none. */
  endRequest(socket: RequestSocket, appStatus: number): void {
    if (socket.ended) return
    socket.ended = true
    this.#connection.flow.resumeInput(socket)
    if (appStatus !== 0 || !socket.body.exists || socket.body.ended || socket.destroyed) this.#end(socket, appStatus)
    else this.#endWithBody(socket)
  }

  /**
   * The response is complete before the request body is. END_REQUEST waits for the rest of the body, as long as more of it
   * comes. The reason is HAProxy: it closes the client's connection if the request ends before its body was sent.
   */
  #endWithBody(socket: RequestSocket): void {
    const { drain } = this.#connection.configuration.timeouts
    const wait = sendsOnAfterAnswer((name) => socket.params.get(name)) ? drain : Math.min(drain, BRIEF_DRAIN)
    if (wait === 0) {
      this.#end(socket, 0)
      return
    }
    this.#late++
    socket.endTimer = setTimeout(endLate, wait, this, socket).unref()
  }

  #end(socket: RequestSocket, appStatus: number): void {
    this.#connection.output.end(socket.requestId, appStatus, ProtocolStatus.REQUEST_COMPLETE)
    if (--this.#open === 0) this.#connection.onLastEnded()
    if (socket.body.ended) this.remove(socket)
  }

  /** Sends an END_REQUEST that waits: the body is complete, or nothing more of it has come in time. */
  endLate(socket: RequestSocket): void {
    if (socket.endTimer === undefined) return
    clearTimeout(socket.endTimer)
    socket.endTimer = undefined
    this.#late--
    this.#end(socket, 0)
    this.#connection.flushAfterRead()
  }

  /** The web server has sent ABORT_REQUEST, which END_REQUEST answers (section 5.4). */
  abort(socket: RequestSocket): void {
    socket.abort(new FastCgiError('ERR_FCGI_ABORTED'))
    this.endRequest(socket, ABORTED_STATUS)
    this.#connection.flush()
    this.forget(socket)
  }

  /**
   * Ends a request whose response is incomplete, in a way that lets the client notice. A request that is alone on its
   * connection ends with bytes that are no record, and the connection closes without END_REQUEST. Where other requests
   * are open the connection has to stay, so only the status in END_REQUEST says that the response failed.
   */
  breakOff(socket: RequestSocket): void {
    const connection = this.#connection
    if (connection.closed || socket.ended) return
    if (!socket.writer.headSent) {
      this.#answer(socket, INTERNAL_ERROR, socket.request?.method)
      return
    }
    if (this.#open > 1) {
      this.endRequest(socket, BROKEN_OFF_STATUS)
      connection.flush()
      return
    }
    connection.output.record(NO_RECORD)
    connection.output.flush()
    connection.destroyWith(new FastCgiError('ERR_FCGI_ABORTED', 'the app destroyed the response'))
  }

  /** The connection is gone, and with it all of them. */
  abortAll(error: Error): void {
    for (const socket of this.list()) {
      clearTimeout(socket.endTimer)
      socket.endTimer = undefined
      socket.abort(error)
    }
    this.#byId.clear()
    this.#late = 0
  }
}

function endLate(requests: ConnectionRequests, socket: RequestSocket): void {
  requests.endLate(socket)
}
