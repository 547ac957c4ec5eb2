/**
 * An HTTP request as the FastCGI params that nginx sends with its own `fastcgi_params` file, in its order.
 * Pure. Strings hold bytes as latin1 characters, as Node's HTTP parser gives them.
 */
import type { IncomingMessage } from 'node:http'
import type { GatewayParams } from './options.js'

/** One param; a value of undefined leaves it out. */
export type Pair = [name: string, value: string | undefined]

/** nginx passes no header whose name has any other character (`ignore_invalid_headers`, `underscores_in_headers`). */
const HEADER_NAME = /^[A-Za-z0-9-]+$/
const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i

/**
 * The params of `req`, with those of `extra` added or put in place of nginx's.
 *
 * Repeated headers become repeated params. CONTENT_LENGTH is empty where the length is not known beforehand.
 */
export function paramsOf(req: IncomingMessage, documentRoot: string, extra: GatewayParams): Pair[] {
  const pairs = [...requestParams(req, documentRoot), ...connectionParams(req), ...headerParams(req.rawHeaders)]
  const names = Object.keys(extra)
  if (names.length === 0) return pairs
  const kept = pairs.filter(([name]) => !Object.hasOwn(extra, name))
  return [...kept, ...names.map((name): Pair => [name, extra[name]])]
}

function requestParams(req: IncomingMessage, documentRoot: string): Pair[] {
  const uri = requestUri(req.url ?? '/')
  const queryStart = uri.indexOf('?')
  const path = normalPath(queryStart < 0 ? uri : uri.slice(0, queryStart))
  const { headers } = req
  const chunked = headers['transfer-encoding'] !== undefined
  return [
    ['QUERY_STRING', queryStart < 0 ? '' : uri.slice(queryStart + 1)],
    ['REQUEST_METHOD', req.method],
    ['CONTENT_TYPE', headers['content-type'] ?? ''],
    ['CONTENT_LENGTH', chunked ? '' : (headers['content-length'] ?? '')],
    ['SCRIPT_NAME', path],
    ['REQUEST_URI', uri],
    ['DOCUMENT_URI', path],
    ['DOCUMENT_ROOT', documentRoot],
    ['SERVER_PROTOCOL', `HTTP/${req.httpVersion}`],
  ]
}

function connectionParams({ socket, headers }: IncomingMessage): Pair[] {
  const tls = 'encrypted' in socket && socket.encrypted === true
  return [
    ['REQUEST_SCHEME', tls ? 'https' : 'http'],
    ['HTTPS', tls ? 'on' : undefined],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_SOFTWARE', 'express-responder'],
    ['REMOTE_ADDR', socket.remoteAddress ?? 'unix:'],
    ['REMOTE_PORT', socket.remotePort?.toString() ?? ''],
    ['SERVER_ADDR', socket.localAddress ?? 'unix:'],
    ['SERVER_PORT', socket.localPort?.toString() ?? ''],
    ['SERVER_NAME', hostname(headers.host ?? '') || (socket.localAddress ?? 'localhost')],
    ['REDIRECT_STATUS', '200'],
  ]
}

function headerParams(rawHeaders: string[]): Pair[] {
  const pairs: Pair[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (HEADER_NAME.test(name)) pairs.push([`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, rawHeaders[index + 1]])
  }
  return pairs
}

/** The request target without the scheme and authority of the absolute form (RFC 9112, 3.2.2). */
function requestUri(url: string): string {
  const uri = url.replace(ABSOLUTE_FORM, '')
  return uri.startsWith('/') || uri === '*' ? uri : `/${uri}`
}

/** The Host header's name without its port. */
function hostname(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase()
}

/**
 * A path as nginx's `$uri`: percent-decoded, slashes merged, dot segments resolved. What is no valid escape is left
 * as it is, where nginx would refuse the request: the application is to decide.
 */
function normalPath(path: string): string {
  const decoded = path.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  const segments: string[] = []
  const parts = decoded.split('/')
  for (const part of parts) {
    if (part === '..') segments.pop()
    else if (part !== '' && part !== '.') segments.push(part)
  }
  const last = parts.at(-1)
  const isDirectory = segments.length > 0 && (last === '' || last === '.' || last === '..')
  return `/${segments.join('/')}${isDirectory ? '/' : ''}`
}
