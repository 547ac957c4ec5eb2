/** Who talks something else than FastCGI to the server: what it is, told by its first octet, and what is answered. */

const LETTER_A = 'A'.charCodeAt(0)
const LETTER_Z = 'Z'.charCodeAt(0)
/** The type of a TLS record that begins a connection (RFC 8446, section 5.1). */
const TLS_HANDSHAKE = 22

const REMEDY = 'let the web server pass requests on by FastCGI (nginx: fastcgi_pass instead of proxy_pass; Caddy: transport fastcgi; HAProxy: proto fcgi)'

/** What a connection speaks that begins with this octet instead of a version. */
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
