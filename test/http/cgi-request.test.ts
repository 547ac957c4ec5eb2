/** Params → what an HTTP request is made of. */
import { describe, expect, it } from '@jest/globals'
import { RequestParams, encodePairs, readPairs } from '../../lib/fastcgi/params.js'
import { RequestHeadReader, isEncrypted, withoutMount, type HeadOptions, type HeadProblem } from '../../lib/http/cgi-request.js'

const OPTIONS: HeadOptions = { paramsCount: 100, url: 'request-uri', ambiguousHeaders: 'refuse', removeForwarded: false }
const createParams = (text: string): RequestParams => new RequestParams(text)
const LEAST: [string, string][] = [['REQUEST_METHOD', 'GET'], ['REQUEST_URI', '/a?b']]

interface Head {
  problem: HeadProblem | undefined
  method: string
  url: string
  version: string
  headers: string[]
  contentLength: number
  culprit: string
}

function read(reader: RequestHeadReader, pairs: [string, string][]): Head {
  const bytes = encodePairs(pairs)
  reader.begin(bytes, 0, bytes.length)
  readPairs(bytes, 0, bytes.length, reader)
  const problem = reader.complete()
  const { method, url, httpVersion: version, rawHeaders: headers, contentLength, culprit } = reader
  return { problem, method, url, version, headers, contentLength, culprit }
}

const headOf = (pairs: [string, string][], options: Partial<HeadOptions> = {}): Head =>
  read(new RequestHeadReader({ ...OPTIONS, ...options }, createParams), pairs)

const withLeast = (...pairs: [string, string][]): [string, string][] => [...LEAST, ...pairs]

describe('a request', () => {
  it('has the method, the url as the client sent it, and the version', () => {
    expect(headOf(withLeast(['SERVER_PROTOCOL', 'HTTP/2.0']))).toMatchObject({ problem: undefined, method: 'GET', url: '/a?b', version: '2.0' })
  })

  it('has headers in natural case, in the order in which they came, repeated ones twice', () => {
    const head = headOf(withLeast(['HTTP_X_A', '1'], ['HTTP_ETAG', '2'], ['HTTP_X_A', '3'], ['HTTP_SEC_WEBSOCKET_KEY', '4'], ['HTTP_DNT', '5']))
    expect(head.headers).toEqual(['X-A', '1', 'ETag', '2', 'X-A', '3', 'Sec-WebSocket-Key', '4', 'DNT', '5'])
  })

  it.each(['HTTP_PROXY', 'HTTP_CONTENT_LENGTH', 'HTTP_CONTENT_TYPE', 'HTTP_', 'HTTP_x_real_ip', 'HTTP_X-FORWARDED-FOR', 'HTTP_A B', 'HTTPS', 'http_host'])(
    'takes %s for no header',
    (name) => {
      expect(headOf(withLeast([name, 'x'])).headers).toEqual([])
    },
  )

  it('has values without the blanks around them, as by Node’s parser', () => {
    const head = headOf(withLeast(['HTTP_X_A', '\t a\tb \t'], ['HTTP_ACCEPT', '\t*/*'], ['HTTP_EXPECT', '100-continue\t'], ['HTTP_X_B', ' \t '], ['CONTENT_TYPE', '\ttext/plain\t'], ['CONTENT_LENGTH', '7']))
    expect(head.headers).toEqual(['X-A', 'a\tb', 'Accept', '*/*', 'Expect', '100-continue', 'X-B', '', 'Content-Type', 'text/plain', 'Content-Length', '7'])
  })

  it('reads the same whatever was read before', () => {
    const reader = new RequestHeadReader(OPTIONS, createParams)
    const first = withLeast(['HTTP_HOST', 'a'], ['HTTP_ACCEPT', 'text/html'], ['HTTP_COOKIE', 'c=1'])
    const second = withLeast(['HTTP_HOST', 'a'], ['HTTP_COOKIE', 'c=2'], ['HTTP_ACCEPT_LANGUAGE', 'de'])
    for (const pairs of [first, second, first, second]) expect(read(reader, pairs)).toEqual(headOf(pairs))
  })
})

describe('the length of a body', () => {
  const bodyOf = (method: string, ...pairs: [string, string][]): [number, string[]] => {
    const { contentLength, headers } = headOf([['REQUEST_METHOD', method], ['REQUEST_URI', '/'], ...pairs])
    return [contentLength, headers]
  }

  it.each<[string, [string, string][], number, string[]]>([
    ['GET', [['CONTENT_LENGTH', '']], -1, []],
    ['GET', [['CONTENT_LENGTH', '0']], 0, []],
    ['HEAD', [['CONTENT_LENGTH', '0']], 0, []],
    ['POST', [['CONTENT_LENGTH', '0']], 0, ['Content-Length', '0']],
    ['POST', [['CONTENT_LENGTH', '5'], ['CONTENT_TYPE', 'text/plain']], 5, ['Content-Type', 'text/plain', 'Content-Length', '5']],
    ['POST', [], -1, []],
    ['POST', [['SERVER_PROTOCOL', 'HTTP/2.0']], -1, ['Transfer-Encoding', 'chunked']],
    ['DELETE', [['SERVER_PROTOCOL', 'HTTP/2.0']], -1, []],
    ['PUT', [['CONTENT_LENGTH', '-1']], -1, ['Transfer-Encoding', 'chunked']],
    ['DELETE', [], -1, []],
    ['DELETE', [['HTTP_TRANSFER_ENCODING', 'chunked']], -1, ['Transfer-Encoding', 'chunked']],
    ['POST', [['CONTENT_LENGTH', '3'], ['HTTP_TRANSFER_ENCODING', 'chunked']], 3, ['Content-Length', '3']],
    ['POST', [['CONTENT_LENGTH', '12abc']], -1, []],
  ])('%s with %j', (method, pairs, length, headers) => {
    expect(bodyOf(method, ...pairs)).toEqual([length, headers])
  })
})

describe('what is refused', () => {
  it.each<[HeadProblem, [string, string][]]>([
    ['method', [['REQUEST_URI', '/']]],
    ['method', [['REQUEST_METHOD', 'GET /'], ['REQUEST_URI', '/']]],
    ['url', [['REQUEST_METHOD', 'GET']]],
    ['url', [['REQUEST_METHOD', 'GET'], ['REQUEST_URI', '/a b']]],
    ['url', [['REQUEST_METHOD', 'GET'], ['REQUEST_URI', '/a\r\nX: y']]],
    ['header-value', withLeast(['HTTP_X_A', 'a\nb'])],
    ['header-value', withLeast(['HTTP_USER_AGENT', 'a\0b'])],
    ['header-value', withLeast(['CONTENT_TYPE', 'a\rb'])],
    ['ambiguous-header', withLeast(['HTTP_X_FORWARDED_FOR', '1.1.1.1'], ['HTTP_X_FORWARDED_FOR', '2.2.2.2'])],
    ['ambiguous-header', withLeast(['HTTP_HOST', 'a'], ['HTTP_HOST', 'b'])],
    ['too-many', Array.from({ length: 101 }, (_nothing, i): [string, string] => [`P${String(i)}`, ''])],
  ])('%s', (problem, pairs) => {
    expect(headOf(pairs).problem).toBe(problem)
  })

  it('joins headers that came twice where it is asked to', () => {
    const pairs = withLeast(['HTTP_X_FORWARDED_FOR', '1.1.1.1'], ['HTTP_X_FORWARDED_FOR', '2.2.2.2'])
    expect(headOf(pairs, { ambiguousHeaders: 'join' })).toMatchObject({ problem: undefined, headers: ['X-Forwarded-For', '1.1.1.1', 'X-Forwarded-For', '2.2.2.2'] })
  })

  it('does not take an earlier request for the first of two headers', () => {
    const reader = new RequestHeadReader(OPTIONS, createParams)
    for (let i = 0; i < 2; i++) expect(read(reader, withLeast(['HTTP_X_REAL_IP', '1.1.1.1'])).problem).toBeUndefined()
  })
})

describe('a url after rewrites', () => {
  const rewritten = (...pairs: [string, string][]): string => headOf(withLeast(...pairs), { url: 'rewritten' }).url

  it('is SCRIPT_NAME and PATH_INFO, encoded again, and the query as it is', () => {
    expect(rewritten(['SCRIPT_NAME', '/shop'], ['PATH_INFO', '/a b/ü%'], ['QUERY_STRING', 'q=%20'])).toBe('/shop/a%20b/%FC%25?q=%20')
  })

  it('is DOCUMENT_URI where both are empty', () => {
    expect(rewritten(['SCRIPT_NAME', ''], ['PATH_INFO', ''], ['DOCUMENT_URI', '/doc'])).toBe('/doc')
    expect(rewritten(['DOCUMENT_URI', ''], ['PATH_INFO', '/x'])).toBe('/x')
  })

  it('stands in where REQUEST_URI is missing', () => {
    expect(headOf([['REQUEST_METHOD', 'GET'], ['SCRIPT_NAME', '/s']]).url).toBe('/s')
  })
})

describe('a mount', () => {
  it.each([
    ['/shop', '/'],
    ['/shop/', '/'],
    ['/shop?a', '/?a'],
    ['/shop/a?b', '/a?b'],
    ['/shopping', undefined],
    ['/', undefined],
  ])('/shop turns %s into %s', (url, below) => {
    expect(withoutMount(url, '/shop')).toBe(below)
  })
})

describe('encryption', () => {
  it.each<[Record<string, string>, boolean]>([
    [{}, false],
    [{ HTTPS: 'on' }, true],
    [{ HTTPS: '1' }, true],
    [{ HTTPS: 'off' }, false],
    [{ HTTPS: '' }, false],
    [{ HTTPS: '', REQUEST_SCHEME: 'https' }, true],
    [{ REQUEST_SCHEME: 'http' }, false],
  ])('%j', (params, encrypted) => {
    expect(isEncrypted((name) => params[name])).toBe(encrypted)
  })
})
