/** Recognizes connections that speak another protocol than FastCGI by their first bytes, and says what to do about it. */
import { RecordType } from '../fastcgi/record.js'

const LETTER_A = 'A'.charCodeAt(0)
const LETTER_Z = 'Z'.charCodeAt(0)
/** The types of the TLS records that begin a connection, or end it (RFC 8446, section 5.1). */
const TLS_HANDSHAKE = 22
const TLS_ALERT = 21
const FASTCGI_VERSION = 1

const REMEDY = 'let the web server pass requests on by FastCGI (nginx: fastcgi_pass instead of proxy_pass; Caddy: transport fastcgi; HAProxy: proto fcgi)'

/** The error message for a connection whose first byte is not FastCGI's version. */
export function describeProtocol(firstByte: number): string {
  if (isHttp(firstByte)) return `HTTP came to a FastCGI socket: ${REMEDY}, or serve the app over HTTP`
  if (firstByte === TLS_HANDSHAKE) return `TLS came to a FastCGI socket: ${REMEDY}`
  return `a record of version ${String(firstByte)}; is this a client of another protocol?`
}

/** Whether a first byte is HTTP's: a request begins with a method, a response with `HTTP`, both in capitals. */
export function isHttp(firstByte: number): boolean {
  return firstByte >= LETTER_A && firstByte <= LETTER_Z
}

const TEXT = `This is a FastCGI socket, and HTTP came to it. The remedy: ${REMEDY}.\n`

/** The response to an HTTP client. */
export const HTTP_ANSWER =
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n' +
  `Content-Length: ${String(TEXT.length)}\r\nConnection: close\r\n\r\n${TEXT}`

/** The error message for an application whose response does not begin with FastCGI's version. */
export function describeAnswer(firstByte: number): string {
  const spoken = isHttp(firstByte) ? 'HTTP' : firstByte === TLS_HANDSHAKE || firstByte === TLS_ALERT ? 'TLS' : undefined
  if (spoken === undefined) return `a record of version ${String(firstByte)}`
  return `the application answers by ${spoken}, not FastCGI: let it listen by createServer(app).listen() or serve(app) of express-responder, ` +
    'instead of app.listen(), or ask it without gateway()'
}

/** Whether bytes begin a FastCGI connection: with BEGIN_REQUEST or GET_VALUES. */
export function isFastCgi(bytes: Uint8Array): boolean {
  return bytes[0] === FASTCGI_VERSION && (bytes[1] === RecordType.BEGIN_REQUEST || bytes[1] === RecordType.GET_VALUES)
}

/** The error message for FastCGI that came to an HTTP server. */
export const FASTCGI_TO_HTTP =
  'FastCGI came to the HTTP port of a gateway(): let the web server pass requests on by HTTP (nginx: proxy_pass instead of ' +
  'fastcgi_pass), or to the socket of the FastCGI server behind the gateway'
