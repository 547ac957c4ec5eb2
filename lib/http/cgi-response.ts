/**
 * From the head of an HTTP response, as Node makes it, to the head that a FastCGI responder sends:
 * a `Status:` header instead of a status line (RFC 3875, section 6.3.3). Pure: text in, text out.
 */

/** What Node's heads begin with; FastCGI's have {@link STATUS_PREFIX} there, which is one byte shorter. */
export const STATUS_LINE_PREFIX = 'HTTP/1.1 '
/** The field that gives the status of a CGI response (RFC 3875, 6.3.3). */
export const STATUS_PREFIX = 'Status: '

/**
 * Headers of one hop, which proxies would relay or apply twice, and a Status header of the app's own,
 * which would be taken for the response's status.
 */
const HOP_HEADERS = /\r\n(?:connection|keep-alive|proxy-connection|status|te|trailer|transfer-encoding|upgrade):[^\r]*/gi
const NEEDS_REWRITING =
  /\r\n(?:connection|keep-alive|location|proxy-connection|status|te|trailer|transfer-encoding|upgrade):/i

const CR = 0x0d
const LOWER_CASE = 0x20
/** First letters of the headers above, without `c`, which most heads have. */
const SUSPECT_LETTERS = new Set(['k', 'l', 'p', 's', 't', 'u'].map((letter) => letter.charCodeAt(0)))
const LETTER_C = 'c'.charCodeAt(0)
/** `Connection` and `Content-…` differ in their fourth letter. */
const LETTER_N = 'n'.charCodeAt(0)

/** Whether a head has a header that must not be sent on, or one that Status must follow. */
export function needsRewriting(head: string): boolean {
  // A look at the first letter of each line is a fraction of the expression's cost.
  let line = head.indexOf('\r\n') + 2
  while (line > 1 && head.charCodeAt(line) !== CR) {
    const letter = head.charCodeAt(line) | LOWER_CASE
    const isSuspect = letter === LETTER_C ? (head.charCodeAt(line + 3) | LOWER_CASE) === LETTER_N : SUSPECT_LETTERS.has(letter)
    if (isSuspect) return NEEDS_REWRITING.test(head)
    line = head.indexOf('\r\n', line) + 2
  }
  return false
}

/** A head without its Location. */
export function withoutLocation(head: string): string {
  return head.replace(/\r\nlocation:[^\r]*/gi, '')
}

/** Whether a head says that its connection ends with it. */
export function closesConnection(head: string): boolean {
  return /\r\nconnection:[^\r]*\bclose\b/i.test(head)
}

/**
 * A head of Node's as a responder sends it: without the headers that must not be sent on, with `lines`
 * (each ends with CRLF), and its status `last`, because HAProxy takes any Location after it for a 302,
 * or `first`, because lighttpd drops what an authorizer says before it.
 */
export function rewriteHead(head: string, lines: string, place: 'first' | 'last', status?: string): string {
  const statusLine = head.slice(0, head.indexOf('\r\n'))
  const fields = head.slice(statusLine.length, -2).replace(HOP_HEADERS, '').slice(2) + lines
  const statusField = `${STATUS_PREFIX}${status ?? statusLine.slice(STATUS_LINE_PREFIX.length)}\r\n`
  return place === 'first' ? `${statusField}${fields}\r\n` : `${fields}${statusField}\r\n`
}

/** The name of the longest header of a head, and the bytes that it takes. */
export function largestHeader(head: string): { name: string; length: number } {
  let largest = { name: '', length: 0 }
  for (const line of head.split('\r\n').slice(1)) {
    if (line.length > largest.length) largest = { name: line.slice(0, line.indexOf(':')), length: line.length }
  }
  return largest
}

/** The fewest bytes that a header takes: `a:b` and its end. */
const LEAST_HEADER = 5

/** Whether a head of Node's has more headers than `most`, those left out that are not sent on. */
export function hasMoreHeaders(head: string, most: number): boolean {
  // Most heads are too short for it, and are not looked at.
  if (head.length < most * LEAST_HEADER || countHeaders(head) <= most) return false
  return countHeaders(head.replace(HOP_HEADERS, '')) > most
}

function countHeaders(head: string): number {
  let count = -2 // the status line, and the empty line at the end
  for (let end = head.indexOf('\r\n'); end >= 0; end = head.indexOf('\r\n', end + 2)) count++
  return count
}

/** Whether a head is that of server-sent events whose app says nothing of buffering. */
export function isEventStream(head: string): boolean {
  return /\r\ncontent-type: *text\/event-stream/i.test(head) && !/\r\nx-accel-buffering:/i.test(head)
}

/** The Link lines of a `103 Early Hints` text (RFC 8297); empty where the text is another 1xx. */
export function earlyHintLinks(text: string): string {
  if (!text.startsWith('HTTP/1.1 103')) return ''
  const lines = text.split('\r\n').filter((line) => line.toLowerCase().startsWith('link:'))
  return lines.map((line) => `${line}\r\n`).join('')
}

/** A whole response of the server's own, with its body if it has one, still with a status line. */
export function plainResponse(status: number, reason: string, text: string, headers = ''): string {
  const body = text === '' ? '' : `${text}\n`
  return (
    `${STATUS_LINE_PREFIX}${String(status)} ${reason}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${String(Buffer.byteLength(body))}\r\nCache-Control: no-store\r\n${headers}\r\n${body}`
  )
}

/** A name that an authorizer's variable may have: it becomes part of a header's name. */
const VARIABLE_NAME = /^[A-Za-z0-9_-]+$/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const BAD_VARIABLE_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** Variables of an authorizer as `Variable-*` header lines (FastCGI specification, section 6.3). */
export function variableLines(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => {
      // eslint-disable-next-line no-restricted-syntax -- the cause of an ERR_FCGI_BAD_VARIABLE
      if (!VARIABLE_NAME.test(name) || BAD_VARIABLE_VALUE.test(value)) throw new TypeError(`variable ${JSON.stringify(name)}`)
      return `Variable-${name}: ${value}\r\n`
    })
    .join('')
}

/**
 * Takes the framing of `Transfer-Encoding: chunked` off a body (RFC 9112, section 7.1) that arrives in any pieces:
 * Node frames a body without Content-Length, and so it takes and drops trailers as over HTTP.
 */
export class ChunkedDecoder {
  #left = 0
  #line = ''
  #state: 'size' | 'data' | 'data-end' | 'trailer' = 'size'

  /** The content in `bytes`, in order. */
  decode(bytes: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = []
    let position = 0
    while (position < bytes.length && this.#state !== 'trailer') {
      if (this.#state === 'data') {
        const end = Math.min(bytes.length, position + this.#left)
        pieces.push(bytes.subarray(position, end))
        this.#left -= end - position
        position = end
        if (this.#left === 0) this.#state = 'data-end'
      } else {
        this.#framing(bytes[position] as number)
        position++
      }
    }
    return pieces
  }

  #framing(byte: number): void {
    if (byte !== 0x0a) {
      this.#line += String.fromCharCode(byte)
      return
    }
    const line = this.#line
    this.#line = ''
    if (this.#state === 'data-end') {
      this.#state = 'size'
      return
    }
    this.#left = Number.parseInt(line, 16)
    this.#state = this.#left > 0 ? 'data' : 'trailer'
  }
}
