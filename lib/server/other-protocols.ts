/** Who talks something else than is spoken here: what it is, told by its first bytes, and what is answered. */
import { RecordType } from '../fastcgi/record.js'

const LETTER_A = 'A'.charCodeAt(0)
const LETTER_Z = 'Z'.charCodeAt(0)
/** The types of the TLS records that begin a connection, or end it (RFC 8446, section 5.1). */
const TLS_HANDSHAKE = 22
const TLS_ALERT = 21
const FASTCGI_VERSION = 1

const REMEDY = 'let the web server pass requests on by FastCGI (nginx: fastcgi_pass instead of proxy_pass; Caddy: transport fastcgi; HAProxy: proto fcgi)'

/** What a connection speaks that begins with this byte instead of a version. */
export function describeProtocol(octet: number): string {
  if (isHttp(octet)) return `HTTP came to a FastCGI socket: ${REMEDY}, or serve the app over HTTP`
  if (octet === TLS_HANDSHAKE) return `TLS came to a FastCGI socket: ${REMEDY}`
  return `a record of version ${String(octet)}; is this a client of another protocol?`
}

/** A request line begins with a method, and methods with a capital. */
export function isHttp(octet: number): boolean {
  return octet >= LETTER_A && octet <= LETTER_Z
}

const TEXT = `This is a FastCGI socket, and HTTP came to it. The remedy: ${REMEDY}.\n`

/** What an HTTP client is answered. */
export const HTTP_ANSWER =
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n' +
  `Content-Length: ${String(TEXT.length)}\r\nConnection: close\r\n\r\n${TEXT}`

/** What an application speaks whose answer begins with this byte instead of a version. */
export function describeAnswer(octet: number): string {
  const spoken = isHttp(octet) ? 'HTTP' : octet === TLS_HANDSHAKE || octet === TLS_ALERT ? 'TLS' : undefined
  if (spoken === undefined) return `a record of version ${String(octet)}`
  return `the application answers by ${spoken}, not FastCGI: let it listen by createServer(app).listen() or serve(app) of express-responder, ` +
    'instead of app.listen(), or ask it without gateway()'
}

/** Whether bytes are the begin of a web server's FastCGI connection: a request's, or a question to the server. */
export function isFastCgi(octets: Uint8Array): boolean {
  return octets[0] === FASTCGI_VERSION && (octets[1] === RecordType.BEGIN_REQUEST || octets[1] === RecordType.GET_VALUES)
}

/** What whoever operates a server of HTTP is told of FastCGI that came to it. */
export const FASTCGI_TO_HTTP =
  'FastCGI came to the HTTP port of a gateway(): let the web server pass requests on by HTTP (nginx: proxy_pass instead of ' +
  'fastcgi_pass), or to the socket of the FastCGI server behind the gateway'
