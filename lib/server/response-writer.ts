/**
 * What Node's response writes to its socket leaves as STDOUT: with a `Status:` head, without 1xx, without framing, and with
 * as much body as its Content-Length says.
 */
import { AsyncResource } from 'node:async_hooks'
import { encodeUtf8, type RequestParams } from '../fastcgi/params.js'
import { Role } from '../fastcgi/record.js'
import type { InternalRequest, InternalResponse } from '../http/node-internals.js'
import {
  ChunkedDecoder,
  closesConnection,
  earlyHintLinks,
  hasMoreHeaders,
  isEventStream,
  largestHeader,
  needsRewriting,
  rewriteHead,
  variableLines,
  withoutLocation,
} from '../http/cgi-response.js'
import { redirectsByLocation } from '../http/web-servers.js'
import { FastCgiError } from '../errors.js'
import type { ServerConfiguration } from './options.js'
import type { RecordWriter, WriteCallback } from './record-writer.js'

/** What writing a response needs of the connection that carries it. */
export interface ResponseCarrier {
  readonly configuration: ServerConfiguration
  readonly output: RecordWriter
  /** Whether the connection carries other requests, or bytes of theirs that have not left. */
  readonly isShared: boolean
  /** Closes the connection once no request is open. */
  closeWhenDone(): void
  /** Emits 'warning' about a mistake of the app's. */
  warn(error: FastCgiError): void
}

/** The request that a response answers. */
export interface AnsweredRequest {
  readonly requestId: number
  readonly role: number
  readonly params: RequestParams
  readonly request: InternalRequest | undefined
  /** The response, until it has left. */
  readonly _httpMessage: InternalResponse | null
}

/** A response without Content-Length may be as long as it likes. */
const UNBOUNDED = -1

/** A write that waits: a Filter sends nothing before its STDIN is complete. */
type HeldWrite = [data: string | Uint8Array, encoding: BufferEncoding, callback: WriteCallback | undefined]

/** The response to one request, on its way out. */
export class ResponseWriter {
  /** The head has left, so no other can. */
  headSent = false
  /** Of the response's body, in units of what was written: bytes, or characters of a text. */
  bytesWritten = 0
  /** Whether the head is large on purpose, as the doctor's are: then no warning is given. */
  largeOnPurpose = false
  readonly #carrier: ResponseCarrier
  readonly #request: AnsweredRequest
  #bodyLeft = UNBOUNDED
  #chunked: ChunkedDecoder | undefined
  #hints = ''
  #held: HeldWrite[] | undefined

  constructor(carrier: ResponseCarrier, request: AnsweredRequest) {
    this.#carrier = carrier
    this.#request = request
    if (request.role === Role.FILTER) this.#held = []
  }

  /** Whether what is written waits for {@link release}. */
  get isHeld(): boolean {
    return this.#held !== undefined
  }

  /** Whether the body has ended before its Content-Length. If so, it warns. */
  endsShort(): boolean {
    if (this.#bodyLeft === 0 || this.#bodyLeft === UNBOUNDED) return false
    this.#warnOfLength('shorter', 'the response was broken off, so that the client can tell')
    return true
  }

  /** Passes on what Node's response writes, or holds it. */
  write(data: string | Uint8Array, encoding: BufferEncoding, callback: WriteCallback | undefined): void {
    if (this.#held !== undefined) {
      this.#held.push([data, encoding, callback])
      return
    }
    if (this.headSent) this.#body(data, encoding)
    else this.#head(typeof data === 'string' ? data : Buffer.from(data).toString('latin1'), encoding)
    // One write calls the callbacks of several requests, and each has to run in its own asynchronous context.
    if (callback !== undefined) this.#carrier.output.onFlushed(this.#carrier.isShared ? AsyncResource.bind(callback) : callback)
  }

  /** Passes on what was held; from here on nothing is. @returns how many writes there were. */
  release(): number {
    const held = this.#held ?? []
    this.#held = undefined
    for (const [data, encoding, callback] of held) this.write(data, encoding, callback)
    return held.length
  }

  /** Forgets what is held. */
  discard(): void {
    this.#held = undefined
  }

  /** The url of the request, for messages. */
  get #url(): string {
    return this.#request.request?.url ?? '?'
  }

  /** The first write is the response's head, with or without some of its body; before it may come 1xx texts. */
  #head(text: string, encoding: BufferEncoding): void {
    const response = this.#request._httpMessage
    if (response === null) return
    const original = response._header
    // What a Filter has held comes after Node has sent the head.
    const isHead = original !== null && (this.#request.role === Role.FILTER ? text.startsWith(original) : response._headerSent)
    if (!isHead) {
      if (this.#carrier.configuration.earlyHints === 'fold') this.#hints += earlyHintLinks(text)
      return
    }
    this.headSent = true
    if (response.chunkedEncoding) this.#chunked = new ChunkedDecoder()
    else if (response._hasBody && Number.isFinite(response._contentLength)) this.#bodyLeft = response._contentLength ?? UNBOUNDED
    this.#writeHead(original, response, encoding)
    if (text.length > original.length) this.#body(text.slice(original.length), encoding)
  }

  #writeHead(original: string, response: InternalResponse, encoding: BufferEncoding): void {
    const { output, configuration } = this.#carrier
    const isPlain = response.statusCode >= 200 && this.#hints === '' && this.#request.role !== Role.AUTHORIZER && !needsRewriting(original)
    // As over HTTP, where Node closes the connection then.
    if (!response.shouldKeepAlive || (!isPlain && closesConnection(original))) this.#carrier.closeWhenDone()
    if (original.length > configuration.limits.headBytes) this.#warnOfSize(original)
    if (hasMoreHeaders(original, configuration.limits.headerCount)) this.#warnOfCount(configuration.limits.headerCount)
    if (isPlain) output.head(this.#request.requestId, original, encoding)
    // With a body of UTF-8 Node would write the head as UTF-8, too, of which each character of a variable is one byte.
    else output.stdoutText(this.#request.requestId, this.#rewrittenHead(original, response), this.#request.role === Role.AUTHORIZER ? 'latin1' : encoding)
  }

  #rewrittenHead(original: string, response: InternalResponse): string {
    if (response.statusCode < 200) {
      const status = `${String(response.statusCode)} ${response.statusMessage}`
      this.#carrier.warn(new FastCgiError('ERR_FCGI_STATUS', `a response to ${this.#url} ends with status ${status}; 500 was sent`))
      return rewriteHead(original, '', 'last', '500 Internal Server Error')
    }
    if (this.#request.role !== Role.AUTHORIZER) {
      return rewriteHead(this.#withoutRedirect(original, response), this.#hints + this.#unbuffered(original), 'last')
    }
    const variables = response.statusCode === 200 ? this.#variables(response) : ''
    // The web server would let the client in without the variables by which the app describes it: refuse it instead.
    if (variables === undefined) return rewriteHead(original, '', 'first', '500 Internal Server Error')
    return rewriteHead(original, variables, 'first')
  }

  /**
   * nginx buffers a response before it passes it on, so that an event stream would never begin. X-Accel-Buffering turns
   * this off. It is sent to nginx alone, which removes it; other web servers would pass it on to the client.
   */
  #unbuffered(original: string): string {
    if (this.#chunked === undefined || !isEventStream(original)) return ''
    return this.#request.params.get('SERVER_SOFTWARE')?.startsWith('nginx') === true ? 'X-Accel-Buffering: no\r\n' : ''
  }

  /** Removes Location from a 200: Apache's mod_fcgid would take it for a redirect, repeat the request and answer 500. */
  #withoutRedirect(head: string, response: InternalResponse): string {
    if (response.statusCode !== 200 || !response.hasHeader('location') || !redirectsByLocation((name) => this.#request.params.get(name))) return head
    this.#carrier.warn(
      new FastCgiError(
        'ERR_FCGI_LOCATION',
        `a response to ${this.#url} has the status 200 and the header Location, which Apache's mod_fcgid and mod_cgi ` +
          'take for a redirect; it was sent without it. Give it another status, such as 201 or 303, or use Content-Location',
      ),
    )
    return withoutLocation(head)
  }

  /** The variables of an authorizer that its app left in `res.locals.variables`; undefined where they cannot be sent. */
  #variables(response: InternalResponse): string | undefined {
    const locals: unknown = Reflect.get(response, 'locals')
    const variables: unknown = typeof locals === 'object' && locals !== null ? Reflect.get(locals, 'variables') : undefined
    if (typeof variables !== 'object' || variables === null) return ''
    try {
      const entries = Object.entries(variables).map(([name, value]) => [name, encodeUtf8(String(value))])
      return variableLines(Object.fromEntries(entries) as Record<string, string>)
    } catch (cause) {
      this.#carrier.warn(new FastCgiError('ERR_FCGI_BAD_VARIABLE', `res.locals.variables: ${String(cause)}`, { cause }))
      return undefined
    }
  }

  #warnOfSize(head: string): void {
    if (this.largeOnPurpose) return
    const { name, length } = largestHeader(head)
    this.#carrier.warn(
      new FastCgiError(
        'ERR_FCGI_HEADER_SIZE',
        `the head of a response to ${this.#url} takes ${String(head.length)} bytes, ${String(length)} of them ` +
          `the header ${name}; nginx refuses more than fastcgi_buffer_size (4 or 8 kB by default), HAProxy more than 16 kB`,
      ),
    )
  }

  #warnOfCount(allowed: number): void {
    if (this.largeOnPurpose) return
    this.#carrier.warn(
      new FastCgiError(
        'ERR_FCGI_HEADER_COUNT',
        `a response to ${this.#url} has more than ${String(allowed)} headers; HAProxy (tune.http.maxhdr) and h2o ` +
          'answer with an error of their own to more than 100, Status among them',
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

  /** Sends no more of the body than its Content-Length says. */
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
    this.bytesWritten += length
    if (typeof data === 'string') this.#carrier.output.stdoutText(this.#request.requestId, data, encoding)
    else this.#carrier.output.stdout(this.#request.requestId, data)
  }

  #warnOfLength(relation: string, outcome: string): void {
    this.#carrier.warn(
      new FastCgiError(
        'ERR_FCGI_CONTENT_LENGTH',
        `the body of the response to ${this.#url} is ${relation} than its Content-Length; ${outcome}`,
      ),
    )
  }
}
