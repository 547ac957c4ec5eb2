/**
 * The requests of one connection: which are open, and how each ends. A request is open from BEGIN_REQUEST until its
 * END_REQUEST was given to the output; one that was answered early is kept while the rest of its STDIN comes.
 */
import { HEADER_LENGTH, ProtocolStatus } from '../fastcgi/record.js'
import { plainResponse } from '../http/cgi-response.js'
import { sendsOnAfterAnswer } from '../http/web-servers.js'
import { FastCgiError } from '../errors.js'
import { INTERNAL_ERROR, type ErrorResponse } from './error-responses.js'
import type { FlowControl } from './flow-control.js'
import { RequestMap } from './request-map.js'
import type { RequestCarrier, RequestSocket } from './request-socket.js'

/** What the requests of a connection need of it. */
export interface RequestConnection extends RequestCarrier {
  readonly flow: FlowControl
  /** Whether nothing goes out or comes in any more. */
  readonly closed: boolean
  /** The first request of several, or the only one, begins. */
  onFirstBegun(): void
  /** The last of the open requests has ended; its END_REQUEST has not been written. */
  onLastEnded(): void
  /** Writes what was gathered, where a chunk is being read at its end: the server's own answers leave together. */
  flushAfterRead(): void
  /** Closes at once; its requests are given up with this error. */
  destroyWith(error: FastCgiError): void
  onError(error: FastCgiError): void
}

/** How long a body is waited for after its answer where the web server is not going to send it, in milliseconds. */
const BRIEF_DRAIN = 50
/** END_REQUEST's application status where the web server gave the request up. */
const ABORTED_STATUS = 1
/** END_REQUEST's application status where the response is not whole. */
const BROKEN_OFF_STATUS = 1
/**
 * No record header has version 0. Without it nginx takes a connection that just closes for the end of a response
 * of unknown length, unless it is kept and the response buffered.
 */
const NO_RECORD = new Uint8Array(HEADER_LENGTH)

/** The method of a request whose PARAMS were not read. */
export const UNKNOWN_METHOD = ''

/** Those of one connection. */
export class ConnectionRequests {
  readonly #connection: RequestConnection
  readonly #byId = new RequestMap<RequestSocket>()
  #open = 0
  /** Answered requests whose END_REQUEST waits for the end of STDIN. */
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

  /** How many there are, with those that were answered while their STDIN comes. */
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

  /** Nothing more is to come for it. */
  remove(socket: RequestSocket): void {
    this.#byId.remove(socket)
  }

  /** Its id is used anew, or there are too many of its kind: what still comes of its body is read into nothing. */
  forget(socket: RequestSocket): void {
    this.#byId.remove(socket)
    this.#connection.flow.resumeInput(socket)
    if (!socket.body.ended) socket.abort(new FastCgiError('ERR_FCGI_ABORTED'))
  }

  /** Answered requests whose STDIN goes on are kept for it, but not without end: the oldest goes. */
  forgetOneAnswered(): void {
    const answered = this.list().find((socket) => socket.ended)
    if (answered !== undefined) this.forget(answered)
  }

  /** Lets responses that were told to wait go on. */
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

  /** Only what is known to be no HEAD gets a body. */
  #answer(socket: RequestSocket, refusal: ErrorResponse, method = UNKNOWN_METHOD): void {
    const { status, reason, headers } = refusal
    const text = method === 'HEAD' || method === UNKNOWN_METHOD ? '' : refusal.text
    this.#connection.output.head(socket.requestId, plainResponse(status, reason, text, headers), 'utf8')
    this.endRequest(socket, 0)
    this.#connection.flushAfterRead()
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
   * The answer came before the body: END_REQUEST waits for it, as long as more of it comes. HAProxy has no use any more
   * for its client's connection whose request has ended before its body was sent.
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

  /** END_REQUEST waits no longer, if it does: the body is complete, or nothing more of it has come in time. */
  endLate(socket: RequestSocket): void {
    if (socket.endTimer === undefined) return
    clearTimeout(socket.endTimer)
    socket.endTimer = undefined
    this.#late--
    this.#end(socket, 0)
    this.#connection.flushAfterRead()
  }

  /** The web server gives the request up: it ends soon after (section 5.4). */
  abort(socket: RequestSocket): void {
    socket.abort(new FastCgiError('ERR_FCGI_ABORTED'))
    this.endRequest(socket, ABORTED_STATUS)
    this.#connection.flush()
    this.forget(socket)
  }

  /**
   * The client must be able to tell that the response is not whole: alone on its connection, the connection
   * ends without END_REQUEST and with bytes that are no record. Among others it must not end, so the status
   * in END_REQUEST says that the response failed.
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
