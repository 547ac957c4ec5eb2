/**
 * One HTTP request answered by the application: its params and body go out as records, the records that come back
 * become the response. Backpressure, aborts and failures are passed on in both directions.
 */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { encodePairs } from '../fastcgi/params.js'
import {
  decodeEndRequest,
  encodeBeginRequest,
  encodeRecord,
  encodeStream,
  ProtocolStatus,
  RecordReader,
  RecordType,
  Role,
  type RecordConsumer,
} from '../fastcgi/record.js'
import { FastCgiError, type ErrorCode } from '../errors.js'
import { describeAnswer } from '../server/other-protocols.js'
import { paramsFailure, type GatewayParams, type ResolvedOptions } from './options.js'
import { paramsOf } from './nginx-params.js'
import { ResponseReader, type ResponseHead } from './response-reader.js'
import type { ConnectionUser, Upstream, UpstreamConnection } from './upstream.js'

/** The only request on its connection: nginx uses 1 too. */
const REQUEST_ID = 1
const REFUSALS: Record<number, string> = {
  [ProtocolStatus.CANT_MPX_CONN]: 'CANT_MPX_CONN',
  [ProtocolStatus.OVERLOADED]: 'OVERLOADED',
  [ProtocolStatus.UNKNOWN_ROLE]: 'UNKNOWN_ROLE',
}

/** What is answered for failures that are not 502. */
const FAILURE_STATUSES: Partial<Record<ErrorCode, number>> = { ERR_FCGI_UPSTREAM_TIMEOUT: 504, ERR_FCGI_OPTION: 500 }

/** What exchanges have in common. */
export interface ProxyContext {
  options: ResolvedOptions
  upstream: Upstream
  /** Told of every failure that the application is to answer for. */
  onError(error: FastCgiError, req: IncomingMessage): void
  /** Told of what the application writes to STDERR. */
  onStderr(text: Buffer, req: IncomingMessage): void
}

/** One HTTP request on its way to the application, and the application's answer on its way back. */
export class ProxiedRequest implements RecordConsumer, ConnectionUser {
  readonly #context: ProxyContext
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #response: ResponseReader
  readonly #hasBody: boolean
  #records: RecordReader
  #connection: UpstreamConnection | undefined
  #over = false
  #answered = false
  #stdinEnded = false
  #stdoutEnded = false
  #ended = false
  #headWaits = false
  /** Body bytes that would complete the response: they wait until the application has said that it is whole. */
  #last: Buffer[] = []
  readonly #onClientGone = (): void => {
    this.#abort()
  }

  constructor(context: ProxyContext, req: IncomingMessage, res: ServerResponse) {
    this.#context = context
    this.#req = req
    this.#res = res
    this.#hasBody = req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
    this.#records = new RecordReader(this)
    this.#response = new ResponseReader(req.method ?? 'GET', context.options.headBytes)
  }

  /** Begins. `expectsContinue`: the client waits for 100 Continue before it sends the body. */
  async run(expectsContinue: boolean): Promise<void> {
    this.#res.on('close', this.#onClientGone)
    // On Node 20 and 22 a response that waits behind another one on its connection (pipelining) does not emit 'close'.
    this.#req.socket.once('close', this.#onClientGone)
    this.#res.on('drain', () => this.#connection?.socket.resume())
    // If the client's connection fails, 'close' is emitted too, and handled above.
    this.#req.on('error', () => undefined)
    this.#res.on('error', () => undefined)
    if ((await this.#send(false)) && this.#hasBody) this.#sendBody(expectsContinue)
  }

  onData(chunk: Buffer): void {
    this.#answered = true
    try {
      this.#records.read(chunk)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (!this.#ended) this.#flushHead()
    else if (this.#records.atBoundary) this.#finish()
  }

  onDrain(): void {
    this.#req.resume()
  }

  onTimeout(): void {
    const { socket } = this.#connection ?? {}
    const clientIsSlow = socket?.isPaused() === true || (!this.#stdinEnded && !this.#req.isPaused())
    if (clientIsSlow) socket?.setTimeout(this.#context.options.timeout)
    else this.#fail(new FastCgiError('ERR_FCGI_UPSTREAM_TIMEOUT'))
  }

  onClosed(error: Error | undefined): void {
    if (this.#ended) {
      this.#finish()
      return
    }
    const retry = this.#connection?.reused === true && !this.#answered && !this.#hasBody
    this.#connection?.socket.destroy()
    this.#connection = undefined
    if (retry) {
      this.#records = new RecordReader(this)
      void this.#send(true)
      return
    }
    const reason = error === undefined ? 'closed the connection' : `closed the connection (${error.message})`
    this.#fail(new FastCgiError('ERR_FCGI_UPSTREAM_CLOSED', `the application ${reason} before its response was complete`))
  }

  onBadVersion(version: number): void {
    throw new FastCgiError('ERR_FCGI_BAD_VERSION', describeAnswer(version))
  }

  onRecord(type: number, requestId: number, chunk: Uint8Array, start: number, end: number, more: boolean): boolean {
    if (this.#ended) throw recordError(`a record of type ${String(type)} after END_REQUEST`)
    if (requestId !== REQUEST_ID) {
      throw recordError(`a record of type ${String(type)} for id ${String(requestId)}, which has no request`)
    }
    const content = Buffer.from(chunk.buffer, chunk.byteOffset + start, end - start)
    if (type === RecordType.STDOUT) this.#readStdout(content, more)
    else if (type === RecordType.STDERR) {
      if (content.length > 0) this.#context.onStderr(content, this.#req)
    } else if (type === RecordType.END_REQUEST) this.#readEnd(content)
    else throw recordError(`a record of type ${String(type)}, which no application sends for a request`)
    return true
  }

  /** Sends the request's params; those and the empty STDIN in one write where there is no body. */
  async #send(fresh: boolean): Promise<boolean> {
    const { upstream, options } = this.#context
    try {
      const start = this.#encodeStart()
      const connection = await upstream.acquire(fresh)
      if (this.#over) {
        upstream.discard(connection)
        return false
      }
      this.#connection = connection
      connection.user = this
      connection.socket.setTimeout(options.timeout)
      connection.socket.write(start)
      this.#stdinEnded = !this.#hasBody
      return true
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  #encodeStart(): Buffer {
    const { documentRoot, keepConnection } = this.#context.options
    const pairs = encodePairs(paramsOf(this.#req, documentRoot, this.#extraParams()))
    return Buffer.concat([
      encodeBeginRequest(REQUEST_ID, { role: Role.RESPONDER, keepConnection }),
      encodeStream(RecordType.PARAMS, REQUEST_ID, pairs),
      encodeRecord(RecordType.PARAMS, REQUEST_ID),
      ...(this.#hasBody ? [] : [encodeRecord(RecordType.STDIN, REQUEST_ID)]),
    ])
  }

  #extraParams(): GatewayParams {
    try {
      return this.#context.options.params(this.#req)
    } catch (error) {
      throw paramsFailure(error)
    }
  }

  #sendBody(expectsContinue: boolean): void {
    if (expectsContinue) this.#res.writeContinue()
    this.#req.on('data', (chunk: Buffer) => {
      const socket = this.#connection?.socket
      if (socket?.write(encodeStream(RecordType.STDIN, REQUEST_ID, chunk)) === false) this.#req.pause()
    })
    this.#req.on('end', () => {
      if (this.#connection === undefined) return
      this.#stdinEnded = true
      this.#connection.socket.write(encodeRecord(RecordType.STDIN, REQUEST_ID))
    })
  }

  #readStdout(content: Buffer, more: boolean): void {
    if (this.#stdoutEnded) throw recordError('STDOUT after its end')
    if (content.length === 0 && !more) {
      this.#stdoutEnded = true
      return
    }
    const hadHead = this.#response.head !== undefined
    const body = this.#response.push(content)
    const { head } = this.#response
    // A head that no body follows completes the response: it waits for END_REQUEST.
    if (!hadHead && head !== undefined && head.bodyLength !== 0) this.#writeHead(head)
    if (body.length === 0) return
    if (this.#response.full) this.#last.push(body)
    else {
      this.#headWaits = false
      if (!this.#res.write(body)) this.#connection?.socket.pause()
    }
  }

  #writeHead(head: ResponseHead): void {
    this.#headWaits = true
    if (head.message === '') this.#res.writeHead(head.status, head.headers)
    else this.#res.writeHead(head.status, head.message, head.headers)
  }

  /** Lets a head go on its own whose body does not come with it. */
  #flushHead(): void {
    if (!this.#headWaits) return
    this.#headWaits = false
    this.#res.flushHeaders()
  }

  #readEnd(content: Buffer): void {
    const end = content.length === 8 ? decodeEndRequest(content) : undefined
    if (end === undefined) throw recordError(`an END_REQUEST of ${String(content.length)} bytes`)
    if (end.protocolStatus !== ProtocolStatus.REQUEST_COMPLETE) {
      const name = REFUSALS[end.protocolStatus]
      if (name === undefined) throw recordError(`an END_REQUEST of protocol status ${String(end.protocolStatus)}`)
      throw new FastCgiError('ERR_FCGI_UPSTREAM_STATUS', `the application refuses the request: ${name}`)
    }
    if (end.appStatus !== 0) {
      throw new FastCgiError('ERR_FCGI_UPSTREAM_STATUS', `the application ends with status ${String(end.appStatus)}`)
    }
    if (!this.#stdoutEnded) throw recordError('an END_REQUEST before the empty STDOUT record')
    this.#response.end()
    this.#ended = true
  }

  #finish(): void {
    const connection = this.#leave()
    const { head } = this.#response
    if (head?.bodyLength === 0) this.#writeHead(head)
    if (this.#last.length === 0) this.#res.end()
    else this.#res.end(Buffer.concat(this.#last))
    if (connection === undefined) return
    if (this.#stdinEnded) this.#context.upstream.release(connection)
    else this.#context.upstream.discard(connection)
  }

  /** The client is gone before the response was complete. */
  #abort(): void {
    if (this.#over) return
    const connection = this.#leave()
    if (connection !== undefined) this.#context.upstream.discard(connection, encodeRecord(RecordType.ABORT_REQUEST, REQUEST_ID))
  }

  /**
   * Answers 502 or 504 where there is no head yet that a body is to follow; else sends that head and breaks the
   * client's connection, so that it can tell: the same whether the bytes came together or not.
   */
  #fail(reason: unknown): void {
    if (this.#over) return
    const error = reason instanceof FastCgiError ? reason : new FastCgiError('ERR_FCGI_UPSTREAM_CLOSED', String(reason))
    this.#leave()?.socket.destroy()
    this.#context.onError(error, this.#req)
    const res = this.#res
    const { head } = this.#response
    if (head !== undefined && head.bodyLength !== 0) {
      if (!res.headersSent) this.#writeHead(head)
      this.#flushHead()
      breakOff(this.#req, res)
      return
    }
    const status = FAILURE_STATUSES[error.code] ?? 502
    const body = `${String(status)} ${STATUS_CODES[status] ?? ''}\n${error.code}: ${error.message}\n`
    res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(body) })
    res.end(body)
  }

  /** Lets go of the connection; what the client still uploads is read and dropped. */
  #leave(): UpstreamConnection | undefined {
    const connection = this.#connection
    this.#over = true
    this.#connection = undefined
    if (connection !== undefined) connection.user = undefined
    this.#req.socket.removeListener('close', this.#onClientGone)
    this.#req.removeAllListeners('data')
    this.#req.resume()
    return connection
  }
}

/**
 * Breaks the client's connection once it has what the application sent. A plain FIN would make a body look whole
 * that ends with the connection, as those of HTTP/1.0 do.
 */
function breakOff({ httpVersionMinor, socket }: IncomingMessage, res: ServerResponse): void {
  const mustReset = httpVersionMinor === 0 && socket instanceof Socket && socket.remoteAddress !== undefined
  socket.write('', () => {
    if (mustReset) socket.resetAndDestroy()
    else res.destroy()
  })
}

function recordError(message: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_UPSTREAM_RECORD', message)
}
