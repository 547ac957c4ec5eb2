/** The built-in answer to a failure, and how a response that has begun is cut off. */
import accepts from 'accepts'
import { type IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import { sendProblem } from '../shared/problem.js'
import { attempt, propertyOf } from '../shared/safe-call.js'

/** How the built-in answer is made. */
export interface ErrorResponseConfiguration {
  /** Whether message and stack of a 5xx may be in the body. */
  readonly expose: boolean
  /** How long at the most a client's upload is read after the answer, in milliseconds. */
  readonly linger: number
}

/** Milliseconds. A client that has sent nothing for so long has stopped sending. */
const LINGER_IDLE_MS = 2000

/** Headers that the app may have set for the response it was going to send. They are wrong for an error response. */
const STALE_HEADERS = [
  'Accept-Ranges', 'Age', 'Cache-Control', 'Content-Disposition', 'Content-Encoding', 'Content-Language', 'Content-Length',
  'Content-Location', 'Content-Range', 'Content-Type', 'ETag', 'Expires', 'Last-Modified', 'Location', 'Set-Cookie', 'Trailer',
  'Transfer-Encoding',
]

/**
 * The status of the answer: `status` or `statusCode` of the error if that is 4xx or 5xx (RFC 9110, section 15), else
 * 500.
 */
export function statusOf(error: Error): number {
  const isError = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 400 && value <= 599
  return [propertyOf(error, 'status'), propertyOf(error, 'statusCode')].find(isError) ?? 500
}

/**
 * As `sendErrorResponse()`. Where the app has broken its response or the error, a plain 500, or else the end of the
 * response.
 */
export function sendErrorResponseSafely(request: IncomingMessage, response: ServerResponse, error: Error, id: string, configuration: ErrorResponseConfiguration): void {
  if (attempt(() => { sendErrorResponse(request, response, error, id, configuration); return true }, false)) return
  if (!attempt(() => sendPlainResponse(request, response), false)) cutOff(response)
}

/**
 * Sends a plain 500 by Node's own methods: middleware may have replaced those of the response. False where it cannot.
 */
function sendPlainResponse(request: IncomingMessage, response: ServerResponse): boolean {
  if (response.headersSent || !(response instanceof ServerResponse)) return false
  const body = JSON.stringify({ title: STATUS_CODES[500], status: 500 })
  for (const name of response.getHeaderNames()) ServerResponse.prototype.removeHeader.call(response, name)
  const headers = { 'Content-Type': 'application/problem+json', 'Content-Length': Buffer.byteLength(body), 'Cache-Control': 'no-store', 'Connection': 'close' }
  for (const [name, value] of Object.entries(headers)) ServerResponse.prototype.setHeader.call(response, name, value)
  // If it got the headers, it would call setHeader(), which may be replaced.
  ServerResponse.prototype.writeHead.call(response, 500)
  ServerResponse.prototype.end.call(response, request.method === 'HEAD' ? undefined : body, 'utf8')
  return true
}

/** Answers a request whose response has not begun: by the Accept header as problem+json, page or text. */
export function sendErrorResponse(request: IncomingMessage, response: ServerResponse, error: Error, id: string, configuration: ErrorResponseConfiguration): void {
  const status = statusOf(error)
  for (const name of STALE_HEADERS) response.removeHeader(name)
  // A header that Node refuses is left out.
  for (const [name, value] of headersOf(error)) attempt(() => response.setHeader(name, value), undefined)
  response.setHeader('Vary', varyBy(response))
  const lingers = request.socket instanceof Socket && hasBody(request) && !request.complete && request.httpVersionMajor === 1
  // The rest of the body could not be told from the next request.
  if (lingers) response.setHeader('Connection', 'close')
  const detail = detailOf(error, status, configuration.expose)
  const type = request.method === 'HEAD' ? 'json' : typeOf(request)
  const end = lingers ? (body: string | undefined) => { endLingering(request, response, body, configuration.linger) } : undefined
  if (type === 'json') {
    sendProblem(request, response, { status, detail, instance: id, stack: stackOf(error, status, configuration.expose) }, {}, end)
    return
  }
  const title = `${String(status)} ${STATUS_CODES[status] ?? 'Error'}`
  const lines = [title, detail, stackOf(error, status, configuration.expose)?.join('\n'), `Reference: ${id}`].filter((line) => line !== undefined)
  const body = type === 'html' ? page(title, lines.slice(1)) : `${lines.join('\n')}\n`
  response.statusCode = status
  response.setHeader('Content-Type', type === 'html' ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8')
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Content-Security-Policy', "default-src 'none'")
  if (end === undefined) response.end(body)
  else end(body)
}

/**
 * Cuts a response off, so that what was sent does not look whole: breaks the connection or HTTP/2 stream. Never throws.
 */
export function cutOff(response: ServerResponse): void {
  const { socket } = response
  if (attempt(() => { destroy(response); return true }, false)) return
  attempt(() => socket?.destroy(), undefined)
}

function destroy(response: ServerResponse): void {
  const { stream } = response as { stream?: { close?: (code: number) => void } }
  // RFC 9113, section 7: INTERNAL_ERROR.
  if (typeof stream?.close === 'function') {
    stream.close(2)
    return
  }
  // A pipelined response has no socket until its turn comes. By then Node 24 and 26 have forgotten that it is
  // destroyed.
  if (response.socket === null) response.once('socket', (socket: Socket) => socket.destroy())
  response.destroy()
}

/** Ends without an answer, as `ABORT` asks. */
export const abort = cutOff

/**
 * Ends a response whose client is still sending. To close the connection now would reset it, and the client might lose
 * the answer. So the answer is written, and the connection is closed when the client has sent all, as by nginx's
 * lingering_close.
 */
function endLingering(request: IncomingMessage, response: ServerResponse, body: string | undefined, most: number): void {
  const timers: NodeJS.Timeout[] = []
  const end = (): void => {
    timers.forEach(clearTimeout)
    request.off('end', end)
    request.off('close', end)
    response.end()
  }
  const idle = setTimeout(end, Math.min(LINGER_IDLE_MS, most)).unref()
  timers.push(idle, setTimeout(end, most).unref())
  if (body === undefined) response.flushHeaders()
  else response.write(body)
  request.unpipe()
  // The app no longer reads this body.
  request.removeAllListeners('data')
  request.removeAllListeners('readable')
  request.once('end', end)
  request.once('close', end)
  request.on('data', () => { idle.refresh() })
  request.resume()
}

function headersOf(error: Error): [name: string, value: string][] {
  const headers = propertyOf(error, 'headers')
  if (typeof headers !== 'object' || headers === null) return []
  const stale = new Set(STALE_HEADERS.map((name) => name.toLowerCase()))
  const names = attempt(() => Object.keys(headers), []).filter((name) => !stale.has(name.toLowerCase()))
  return names.flatMap((name): [string, string][] => {
    const value = propertyOf(headers, name)
    return typeof value === 'string' ? [[name, value]] : []
  })
}

function varyBy(response: ServerResponse): string {
  const vary = String(response.getHeader('Vary') ?? '')
  if (vary === '*' || /(^|,)\s*accept\s*(,|$)/i.test(vary)) return vary
  return vary === '' ? 'Accept' : `${vary}, Accept`
}

/** 4xx messages are made for the client, unless the error says otherwise (`expose` of http-errors). */
function detailOf(error: Error, status: number, expose: boolean): string | undefined {
  const shown = status < 500 ? propertyOf(error, 'expose') !== false : expose
  const message = shown ? propertyOf(error, 'message') : undefined
  return typeof message === 'string' && message !== '' ? message : undefined
}

function stackOf(error: Error, status: number, expose: boolean): string[] | undefined {
  const stack = status >= 500 && expose ? propertyOf(error, 'stack') : undefined
  return typeof stack === 'string' ? stack.split('\n') : undefined
}

function typeOf(request: IncomingMessage): 'json' | 'html' | 'text' {
  const best = accepts(request).type(['application/problem+json', 'application/json', 'text/html', 'text/plain'])
  if (best === 'text/html') return 'html'
  return best === 'text/plain' ? 'text' : 'json'
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

function page(title: string, lines: string[]): string {
  const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
  const paragraphs = lines.map((line) => (line.includes('\n') ? `<pre>${escape(line)}</pre>` : `<p>${escape(line)}</p>`)).join('\n')
  return `<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>${escape(title)}</title>\n<h1>${escape(title)}</h1>\n${paragraphs}\n</html>\n`
}

/* Whether a request has a body. */

/** RFC 9112, section 6.3: a request has a body if one of two headers says so. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined
}
