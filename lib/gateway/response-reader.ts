/**
 * Reads what an application writes to STDOUT: a CGI header block, then the body (RFC 3875, 6). Pure: bytes in,
 * values out. Strict: whatever a web server could misread is an error.
 */
import { FastCgiError } from '../errors.js'

/** The head of a response. */
export interface ResponseHead {
  status: number
  /** The reason phrase of `Status:`, '' where it has none. */
  message: string
  /** Names and values in turn, in order, names as sent, without `Status`. */
  headers: string[]
  /** The value of Content-Length. */
  contentLength: number | undefined
  /** Bytes of body that must follow: 0 where there must be none; undefined where the end of STDOUT decides. */
  bodyLength: number | undefined
}

const LF = 10
const CR = 13
const COLON = ':'
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for (RFC 9110, 5.5)
const FORBIDDEN_IN_VALUE = /[\0-\x08\x0a-\x1f\x7f]/
const STATUS = /^([2-9]\d\d)(?: (.*))?$/
const DIGITS = /^\d{1,15}$/
/** Headers about the connection to the client, which is not the application's (RFC 3875, 6.3.4). */
const OF_THE_CONNECTION = new Set(['transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'proxy-connection'])

const EMPTY = Buffer.alloc(0)

/** Reads one response from STDOUT, as strictly as the strictest web server would. */
export class ResponseReader {
  readonly #method: string
  readonly #headBytes: number
  #head: ResponseHead | undefined
  #held = EMPTY
  #bodyLength = 0

  /** @param method of the request; @param headBytes the largest header block that is read. */
  constructor(method: string, headBytes: number) {
    this.#method = method
    this.#headBytes = headBytes
  }

  /** The head, once it is whole. */
  get head(): ResponseHead | undefined {
    return this.#head
  }

  /** Whether the head is there and as much body as it announced. */
  get full(): boolean {
    return this.#head !== undefined && this.#head.bodyLength === this.#bodyLength
  }

  /**
   * Takes bytes of STDOUT.
   *
   * @returns the bytes of the body among them; they share the memory of `chunk`.
   * @throws FastCgiError ERR_FCGI_UPSTREAM_HEAD, ERR_FCGI_CONTENT_LENGTH.
   */
  push(chunk: Buffer): Buffer {
    if (this.#head !== undefined) return this.#body(this.#head, chunk)
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    const [linesEnd, headEnd] = findHeadEnd(bytes)
    if (headEnd > this.#headBytes || (headEnd < 0 && bytes.length > this.#headBytes)) {
      throw new FastCgiError('ERR_FCGI_UPSTREAM_HEAD', `a header block of more than ${String(this.#headBytes)} bytes`)
    }
    if (headEnd < 0) {
      this.#held = Buffer.from(bytes)
      return EMPTY
    }
    this.#held = EMPTY
    this.#head = parseHead(bytes.toString('latin1', 0, linesEnd), this.#method)
    return this.#body(this.#head, bytes.subarray(headEnd))
  }

  /**
   * The end of STDOUT.
   *
   * @throws FastCgiError ERR_FCGI_UPSTREAM_HEAD where the head is not whole, ERR_FCGI_CONTENT_LENGTH where the body is
   * shorter than announced.
   */
  end(): void {
    if (this.#head === undefined) {
      const found = this.#held.length === 0 ? 'no header block' : 'a header block without its end'
      throw new FastCgiError('ERR_FCGI_UPSTREAM_HEAD', `a response with ${found}`)
    }
    const { bodyLength } = this.#head
    if (bodyLength !== undefined && bodyLength !== this.#bodyLength) {
      throw new FastCgiError(
        'ERR_FCGI_CONTENT_LENGTH',
        `a body of ${String(this.#bodyLength)} bytes where Content-Length says ${String(bodyLength)}`,
      )
    }
  }

  #body(head: ResponseHead, chunk: Buffer): Buffer {
    this.#bodyLength += chunk.length
    if (head.bodyLength !== undefined && this.#bodyLength > head.bodyLength) throw this.#tooLong(head)
    return chunk
  }

  #tooLong(head: ResponseHead): FastCgiError {
    const announced = head.bodyLength === head.contentLength
    const expected = announced ? `Content-Length says ${String(head.contentLength)}` : `${this.#method} ${String(head.status)} has none`
    return new FastCgiError('ERR_FCGI_CONTENT_LENGTH', `a body of at least ${String(this.#bodyLength)} bytes where ${expected}`)
  }
}

/** Where the header lines end, and where the blank line after them does; -1 where it has not come yet. */
function findHeadEnd(bytes: Buffer): [linesEnd: number, headEnd: number] {
  let lineStart = 0
  for (;;) {
    const lineEnd = bytes.indexOf(LF, lineStart)
    if (lineEnd < 0) return [-1, -1]
    const length = lineEnd - lineStart
    if (length === 0 || (length === 1 && bytes[lineStart] === CR)) return [lineStart, lineEnd + 1]
    lineStart = lineEnd + 1
  }
}

function headError(message: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_UPSTREAM_HEAD', message)
}

function parseHead(text: string, method: string): ResponseHead {
  const headers: string[] = []
  const single = new Map<string, string>()
  for (const line of text.split('\n').slice(0, -1)) {
    const [name, value] = parseLine(line.endsWith('\r') ? line.slice(0, -1) : line)
    const key = name.toLowerCase()
    if (OF_THE_CONNECTION.has(key)) throw headError(`the header ${name}, which is the web server's to send`)
    if (key === 'status' || key === 'content-length' || key === 'location') {
      if (single.has(key)) throw headError(`more than one ${name} header`)
      single.set(key, value)
    }
    if (key !== 'status' && key !== 'trailer') headers.push(name, value)
  }
  if (headers.length === 0 && !single.has('status')) throw headError('an empty header block')
  const [status, message] = parseStatus(single.get('status'), single.has('location'))
  const contentLength = parseContentLength(single.get('content-length'))
  const bodiless = method === 'HEAD' || status === 204 || status === 304
  return { status, message, headers, contentLength, bodyLength: bodiless ? 0 : contentLength }
}

function parseLine(line: string): [name: string, value: string] {
  const colon = line.indexOf(COLON)
  const name = line.slice(0, Math.max(colon, 0))
  if (!TOKEN.test(name)) throw headError(`a header line that has no name: ${JSON.stringify(line.slice(0, 80))}`)
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  if (FORBIDDEN_IN_VALUE.test(value)) throw headError(`a control character in the header ${name}`)
  return [name, value]
}

/** Without `Status:` it is 302 where there is a Location, else 200 (RFC 3875, 6.2.3 and 6.3.3). */
function parseStatus(value: string | undefined, hasLocation: boolean): [status: number, message: string] {
  if (value === undefined) return [hasLocation ? 302 : 200, '']
  const match = STATUS.exec(value)
  if (match === null) throw headError(`the status ${JSON.stringify(value)}, which is no final status`)
  return [Number(match[1]), match[2] ?? '']
}

function parseContentLength(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!DIGITS.test(value)) throw headError(`the Content-Length ${JSON.stringify(value)}`)
  return Number(value)
}
