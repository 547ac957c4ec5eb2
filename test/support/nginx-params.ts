/** The params that nginx's own `fastcgi_params` file makes of a request, for tests that speak raw FastCGI. */

/** What a test says about its request; all else is filled in. */
export interface NginxRequest {
  /** Default: GET. */
  method?: string
  /** Path and query, raw. Default: `/`. */
  url?: string
  /** Header lines; `content-type` and `content-length` become params of their own too, as nginx does it. */
  headers?: Record<string, string> | [name: string, value: string][]
  /** Only its length is used, for CONTENT_LENGTH. */
  body?: Uint8Array | string
  /** Default: plain HTTP. */
  https?: boolean
  /** Params that are added or that replace others; undefined leaves one out. */
  extra?: Record<string, string | undefined>
}

/** Params in nginx's order, as captured from nginx 1.22.1. */
export function nginxParams(request: NginxRequest = {}): [name: string, value: string][] {
  const headers = Array.isArray(request.headers) ? request.headers : Object.entries(request.headers ?? {})
  const params = [...fixedParams(request, headers), ...headerParams(headers)]
  const { extra = {} } = request
  const replaced = params.map(([name, value]): [string, string | undefined] => [name, name in extra ? extra[name] : value])
  const known = new Set(params.map(([name]) => name))
  const added = Object.entries(extra).filter(([name]) => !known.has(name))
  return [...replaced, ...added].filter((pair): pair is [string, string] => pair[1] !== undefined)
}

type Pairs = [name: string, value: string][]

function find(headers: Pairs, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1]
}

function fixedParams({ method = 'GET', url = '/', https = false, body }: NginxRequest, headers: Pairs): Pairs {
  const queryStart = url.indexOf('?')
  const path = queryStart < 0 ? url : url.slice(0, queryStart)
  const length = body === undefined ? find(headers, 'content-length') : String(Buffer.byteLength(body))
  return [
    ['QUERY_STRING', queryStart < 0 ? '' : url.slice(queryStart + 1)],
    ['REQUEST_METHOD', method],
    ['CONTENT_TYPE', find(headers, 'content-type') ?? ''],
    ['CONTENT_LENGTH', length ?? ''],
    ['SCRIPT_NAME', decode(path)],
    ['REQUEST_URI', url],
    ['DOCUMENT_URI', decode(path)],
    ['DOCUMENT_ROOT', '/var/www/html'],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['REQUEST_SCHEME', https ? 'https' : 'http'],
    ...(https ? [['HTTPS', 'on'] as [string, string]] : []),
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_SOFTWARE', 'nginx/1.22.1'],
    ['REMOTE_ADDR', '192.0.2.7'],
    ['REMOTE_PORT', '50123'],
    ['REMOTE_USER', ''],
    ['SERVER_ADDR', '192.0.2.1'],
    ['SERVER_PORT', https ? '443' : '80'],
    ['SERVER_NAME', 'example.test'],
    ['REDIRECT_STATUS', '200'],
  ]
}

function headerParams(headers: Pairs): Pairs {
  const host: [string, string] = ['HTTP_HOST', find(headers, 'host') ?? 'example.test']
  const others = headers.filter(([name]) => name.toLowerCase() !== 'host')
  return [host, ...others.map(([name, value]): [string, string] => [`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value])]
}

/** Octets as latin1 characters, which is how pairs are written. */
function decode(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_match, hex: string) => String.fromCharCode(parseInt(hex, 16)))
}
