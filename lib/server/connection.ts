/**
 * One connection from the web server: what is read, when it is kept, closed or released, time limits, management records.
 * A connection that breaks the protocol is closed, and no other with it.
 */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RequestParams } from '../fastcgi/params.js'
import { MANAGEMENT_REQUEST_ID, RecordReader, RecordType, encodeRecord, type RecordConsumer } from '../fastcgi/record.js'
import { FastCgiError, type ErrorCode } from '../errors.js'
import { ConnectionRequests } from './connection-requests.js'
import { FlowControl, type FlowConnection } from './flow-control.js'
import { AcceptedSocket } from './accepted-socket.js'
import { KeepAliveRelease, closesWhenAsked, type ReleasableConnection } from './keep-alive-release.js'
import { answerManagementRecord } from './management-records.js'
import type { ServerConfiguration } from './options.js'
import { HTTP_ANSWER, describeProtocol, isHttp } from './other-protocols.js'
import { RecordWriter } from './record-writer.js'
import type { RequestCounts } from './request-counts.js'
import { RequestRecords, type RecordConnection, type RequestHost } from './request-records.js'

/** What a connection needs of the server it belongs to. */
export interface ConnectionHost extends RequestHost {
  readonly server: Server
  readonly configuration: ServerConfiguration
  readonly counts: RequestCounts
  /** The server is stopping: each connection is closed once its open requests are answered. */
  readonly draining: boolean
  /** How long the web server has to close a kept connection while the server is stopping, in milliseconds. */
  readonly drainLinger: number
  onConnectionError(error: FastCgiError, socket: Duplex): void
  onConnectionClosed(connection: Connection): void
  warn(error: FastCgiError): void
}

/** Where http-terminator looks for the response that a connection is busy with. */
interface TerminableSocket {
  _httpMessage: Connection | null
}

/** One connection from the web server, and the requests on it. */
export class Connection implements RecordConsumer, RecordConnection, FlowConnection, ReleasableConnection {
  readonly host: ConnectionHost
  readonly socket: Duplex
  readonly server: Server
  readonly configuration: ServerConfiguration
  readonly counts: RequestCounts
  readonly output: RecordWriter
  readonly requests: ConnectionRequests
  readonly records: RequestRecords
  readonly flow: FlowControl
  /**
   * http-terminator waits for sockets whose `_httpMessage` is a response, and sets its Connection header unless
   * `headersSent`. While requests are open this connection stands there: see {@link setHeader}.
   */
  readonly headersSent = false
  readonly #reader: RecordReader
  readonly #terminable: TerminableSocket
  #chunk: Buffer | undefined
  #closing = false
  #closed = false
  /** The output is to be flushed once the present chunk has been read. */
  #flushesAfterRead = false
  #closesWhenDone = false
  /** The id of the latest request, if it asked to keep the connection (FCGI_KEEP_CONN); otherwise 0. */
  #keptId = 0
  /** Whether this web server closes a kept connection when asked to; undefined until a request's params name the web server. */
  #closesWhenAsked: boolean | undefined
  #release: KeepAliveRelease | undefined
  /** The tick (see `RequestHost.ticks`) since which no request has been open, or the connection has been closing. */
  #since: number
  /** The tick at which a record began while no request was open. */
  #recordSince: number

  constructor(host: ConnectionHost, socket: Duplex) {
    this.host = host
    this.server = host.server
    this.configuration = host.configuration
    this.counts = host.counts
    this.socket = socket
    this.output = new RecordWriter(socket)
    this.#reader = new RecordReader(this)
    this.flow = new FlowControl(this, this.#reader)
    this.requests = new ConnectionRequests(this)
    this.records = new RequestRecords(this)
    this.#since = host.ticks
    this.#recordSince = host.ticks
    this.#terminable = socket as Duplex & TerminableSocket
    this.#terminable._httpMessage = null
    socket.on('end', () => {
      this.#onPeerEnd()
    })
    socket.on('close', () => {
      this.#onClose()
    })
    // ECONNRESET and EPIPE only say that the web server has gone: 'close' follows.
    socket.on('error', () => undefined)
  }

  /** The chunk that is being read; undefined in between. */
  get chunk(): Buffer | undefined {
    return this.#chunk
  }

  get closing(): boolean {
    return this.#closing
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whether no request is open, and no record has been read in part. */
  get idle(): boolean {
    return this.requests.open === 0 && this.#reader.atBoundary
  }

  get done(): boolean {
    return this.requests.open === 0
  }

  get isShared(): boolean {
    return this.requests.open > 1 || this.socket.writableLength > 0
  }

  /** Whether the web server keeps this connection, closes it when it is asked to, and has not been asked. */
  get canBeReleased(): boolean {
    return this.#keptId !== 0 && this.#closesWhenAsked === true && this.#release === undefined && !this.#closesWhenDone && !this.#closing
  }

  /** Whether requests are open on a socket that packages for graceful stops take for idle: see letConnectionsAnswer(). */
  get isMistakenForIdle(): boolean {
    return this.requests.open > 0 && !this.#closed && !this.#closing
  }

  // ---- Reading ----

  /** Reads what the web server sent. The bytes are only valid during the call. */
  read(chunk: Buffer, start: number, end: number): void {
    let returned = false
    this.#chunk = chunk
    this.records.onChunkStart()
    if (this.idle) this.#recordSince = this.host.ticks
    try {
      this.#reader.read(chunk, start, end)
      returned = true
    } finally {
      this.#chunk = undefined
      this.records.onChunkEnd()
      if (this.#flushesAfterRead) this.flushAfterRead()
      // The connection is to close, and the rest of a body that was not needed has been read: it can close now.
      if (this.#closesWhenDone && this.idle) this.close()
      if (this.#reader.position < end && !this.#closed) {
        const rest = Buffer.from(chunk.subarray(this.#reader.position, end))
        if (returned) this.flow.keepRest(rest)
        // The app has thrown: the rest is read after handlers of 'uncaughtException' have run.
        else process.nextTick(readRest, this, rest)
      }
    }
  }

  onRecord(type: number, requestId: number, chunk: Uint8Array, start: number, end: number): boolean {
    if (this.#closed) return false
    if (requestId === MANAGEMENT_REQUEST_ID) this.#onManagementRecord(type, chunk, start, end)
    else this.records.onRecord(type, requestId, chunk, start, end)
    return !this.#closed
  }

  #onManagementRecord(type: number, chunk: Uint8Array, start: number, end: number): void {
    this.flow.stallWhileUnread()
    const answer = answerManagementRecord(type, chunk, start, end, this.configuration.limits)
    if (answer === undefined) {
      this.fail('ERR_FCGI_BAD_PARAMS', 'GET_VALUES with name-value pairs that cannot be read')
      return
    }
    this.output.record(answer)
    this.flushAfterRead()
  }

  onBadVersion(version: number): void {
    if (this.#closed) return
    const message = describeProtocol(version)
    if (isHttp(version)) this.#answerHttp(new FastCgiError('ERR_FCGI_BAD_VERSION', message))
    else this.fail('ERR_FCGI_BAD_VERSION', message)
  }

  /** Answers by HTTP, so that a browser shows the message to the person who has configured HTTP by mistake. */
  #answerHttp(error: FastCgiError): void {
    this.#abortAll(error)
    this.#closing = true
    this.#since = this.host.ticks
    this.socket.end(HTTP_ANSWER)
    this.onError(error)
  }

  // ---- Writing ----

  /** Writes all records that the output has buffered. */
  flush(): void {
    if (this.#closed) return
    // END_REQUEST waits for the end of a body, which may be in the present chunk: then both leave in one write.
    if (this.requests.someEndLate && this.#chunk !== undefined) {
      this.#flushesAfterRead = true
      return
    }
    this.flow.beforeFlush()
    this.output.flush()
    if (this.requests.open === 0) this.#onDone()
  }

  /** Flushes now, or at the end of the chunk that is being read. */
  flushAfterRead(): void {
    this.#flushesAfterRead = this.#chunk !== undefined
    if (!this.#flushesAfterRead) this.flush()
  }

  // ---- Requests begin and end ----

  get keptId(): number {
    return this.#keptId
  }

  setKeepConnection(requestId: number, keepConnection: boolean): void {
    this.#keptId = keepConnection ? requestId : 0
    if (!keepConnection) this.#closesWhenDone = true
  }

  learnWebServer(head: { readonly params: RequestParams }): void {
    if (this.#keptId !== 0) this.#closesWhenAsked ??= this.configuration.keepAliveRelease === 'ask' && closesWhenAsked(head.params.get('SERVER_SOFTWARE'))
  }

  onFirstBegun(): void {
    this.#terminable._httpMessage = this
  }

  onLastEnded(): void {
    this.#since = this.host.ticks
    if (this.#release !== undefined || this.host.draining) this.#appendRelease()
  }

  /** No request is open. http-terminator must not see the connection as idle before the last response has left the process. */
  #onDone(): void {
    if (this.output.length === 0) this.#terminable._httpMessage = null
    else {
      this.output.onFlushed(() => {
        if (this.requests.open === 0) this.#terminable._httpMessage = null
      })
      this.output.flush()
    }
    this.closeIfDone()
  }

  closeIfDone(): void {
    if (this.requests.open > 0 || this.#closing) return
    if (this.#closesWhenDone) this.close()
    else if (this.#release !== undefined) this.#release.onAnswered()
    else if (this.host.draining) this.release(this.host.drainLinger)
  }

  // ---- Release ----

  /**
   * Asks the web server to close the connection once no request is open, because a request that it sends while this side
   * closes is lost. After `linger` milliseconds without a request, this side closes. A connection that is not kept is
   * closed without asking, once no request is open; so is each with the option `keepAliveRelease: 'close'`.
   */
  release(linger: number): void {
    if (linger === 0 || this.#keptId === 0 || this.#closesWhenDone || this.configuration.keepAliveRelease === 'close') {
      this.closeWhenDone()
      return
    }
    this.#release ??= new KeepAliveRelease(this, this.#closesWhenAsked === true, linger)
    if (this.idle) this.#release.onIdle()
  }

  askToClose(): void {
    if (!this.idle || this.#closing || this.#closed) return
    this.#appendRelease()
    this.output.flush()
  }

  /** Adds the record that makes a web server close the connection; keep-alive-release.ts explains it. */
  #appendRelease(): void {
    if (this.#keptId !== 0 && this.#closesWhenAsked === true) this.output.record(encodeRecord(RecordType.STDERR, this.#keptId))
  }

  // ---- Closing ----

  /** Closes once no request is open. */
  closeWhenDone(): void {
    this.#closesWhenDone = true
    if (this.idle) this.close()
  }

  /** http-terminator calls it with `Connection: close`, as on a response: the connection closes once no request is open. */
  setHeader(name: string, value: unknown): void {
    if (name.toLowerCase() === 'connection' && String(value).toLowerCase() === 'close') this.closeWhenDone()
  }

  /** Closes at the next `process.nextTick`, so that the present chunk is read and its responses are written first. */
  close(): void {
    if (this.#closing || this.#closed) return
    this.#closing = true
    this.#since = this.host.ticks
    process.nextTick(closeNow, this)
  }

  /**
   * Closing a socket that has unread input makes the kernel send a reset, by which the web server could lose the response.
   * So where more input may come, or output is left, this side only ends its output, and reads until the web server closes.
   *
   * A web server may send the next request on a connection that it keeps until it hears of the close. On a machine that is busy
   * with something else, that may be long after this process has looked for one: so it looks at the very last, too.
   */
  closeNow(): void {
    if (!this.records.someStdinOpen && this.#reader.atBoundary && this.output.length === 0) {
      if (this.#takeLastRequest()) return
      if (this.#release !== undefined) this.counts.closedKept++
      this.socket.destroy()
    } else {
      this.socket.end()
      this.socket.resume()
    }
  }

  /** Whether a request has come on a kept connection: it is answered, and the connection closes after it if it is to. */
  #takeLastRequest(): boolean {
    if (this.#keptId === 0 || !AcceptedSocket.isLean(this.socket)) return false
    this.#closing = false
    const hasCome = this.socket.takeArrived()
    if (!hasCome) this.#closing = true
    return hasCome
  }

  /** Closes at once, whatever is open. */
  destroy(): void {
    this.destroyWith(new FastCgiError('ERR_FCGI_ABORTED'))
  }

  destroyWith(error: FastCgiError): void {
    this.#abortAll(error)
    this.socket.destroy()
  }

  /** Closes at once with an error, and reports it as 'clientError'. */
  fail(code: ErrorCode, message: string): void {
    const error = new FastCgiError(code, message)
    this.destroyWith(error)
    this.onError(error)
  }

  /** The web server has ended its side. It waits for no response any more, so open requests are given up. */
  #onPeerEnd(): void {
    if (this.requests.open > 0) this.destroy()
    else if (this.output.length === 0) this.socket.destroy()
    else if (!this.socket.writableEnded) this.socket.end()
  }

  #onClose(): void {
    if (this.requests.size > 0) this.#abortAll(new FastCgiError('ERR_FCGI_ABORTED'))
    this.#closed = true
    this.#release?.end()
    this.host.onConnectionClosed(this)
  }

  #abortAll(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.output.discard(error)
    this.requests.abortAll(error)
    this.records.clear()
    this.flow.clear()
  }

  onError(error: FastCgiError): void {
    this.host.onConnectionError(error, this.socket)
  }

  /** Emits 'warning' about a mistake of the app's. */
  warn(error: FastCgiError): void {
    this.host.warn(error)
  }

  // ---- Time limits ----

  /** Checks the time limits; called at every tick. */
  checkTime(millisecondsPerTick: number): void {
    const isOver = (since: number, limit: number): boolean =>
      limit > 0 && (this.host.ticks - since - 1) * millisecondsPerTick >= limit
    const { params, idle, linger, request } = this.configuration.timeouts
    const { open } = this.requests
    if (this.#closing) {
      if (isOver(this.#since, linger)) this.socket.destroy()
    } else if (isOver(open === 0 ? this.#beginIncompleteSince() : this.records.incompleteSince, params)) {
      this.fail('ERR_FCGI_PARAMS_TIMEOUT', `PARAMS were not complete within ${String(params)} ms`)
    } else if (open === 0 && isOver(this.#since, idle)) {
      this.close()
      this.onError(new FastCgiError('ERR_FCGI_IDLE_TIMEOUT', `no request for ${String(idle)} ms`))
    } else if (open > 0 && this.records.someStdinOpen) this.records.checkBodies(isOver)
    if (request > 0 && open > 0) this.requests.checkAges(isOver)
  }

  /** The tick since which the first record of a request has been incomplete; Infinity where none is. */
  #beginIncompleteSince(): number {
    // An incomplete record may also be the rest of a body whose request was answered early: that has no limit here.
    return this.#reader.atBoundary || this.records.someStdinOpen ? Infinity : this.#recordSince
  }
}

function readRest(connection: Connection, rest: Buffer): void {
  connection.read(rest, 0, rest.length)
}

function closeNow(connection: Connection): void {
  connection.closeNow()
}
