/** The params that the gateway sends, against what nginx 1.22.1 was seen to send for the same requests. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { gateway, type GatewayOptions } from 'express-responder'
import { close, exchangeRaw, fetchFrom, listen, portOf } from '../support/http.js'
import { ScriptedApplication, type ScriptedRequest } from '../support/scripted-application.js'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** Sends a raw HTTP request and returns what the application got. */
async function seen(lines: string[], options?: GatewayOptions): Promise<{ asked: ScriptedRequest; port: string }> {
  const requests: ScriptedRequest[] = []
  const application = await ScriptedApplication.start(async (asked) => {
    requests.push(asked)
    await asked.body()
    asked.reply('Status: 204 No Content')
  })
  const server = await listen(gateway(application.path, options))
  cleanups.push(() => close(server), () => application.stop())
  const end = lines.includes('') ? '' : '\r\n\r\n'
  await exchangeRaw(server, Buffer.from(`${lines.join('\r\n')}${end}`, 'latin1'))
  const [asked] = requests
  if (asked === undefined) throw new Error('the application was not asked')
  return { asked, port: String(portOf(server)) }
}

const HOST = 'Host: Example.test:8080'
const CLOSE = 'Connection: close'

describe('the params of a request', () => {
  it('are those of nginx, in its order', async () => {
    const { asked, port } = await seen(['GET /a%20b/c%2Fd?x=1&y=%20 HTTP/1.1', HOST, CLOSE, 'X-A: 1', 'Cookie: a=1', 'x-a: 2', 'Cookie: b=2', 'X-Empty:'])
    expect(asked.role).toBe(1)
    expect(asked.requestId).toBe(1)
    expect(asked.pairs).toEqual([
      ['QUERY_STRING', 'x=1&y=%20'],
      ['REQUEST_METHOD', 'GET'],
      ['CONTENT_TYPE', ''],
      ['CONTENT_LENGTH', ''],
      ['SCRIPT_NAME', '/a b/c/d'],
      ['REQUEST_URI', '/a%20b/c%2Fd?x=1&y=%20'],
      ['DOCUMENT_URI', '/a b/c/d'],
      ['DOCUMENT_ROOT', process.cwd()],
      ['SERVER_PROTOCOL', 'HTTP/1.1'],
      ['REQUEST_SCHEME', 'http'],
      ['GATEWAY_INTERFACE', 'CGI/1.1'],
      ['SERVER_SOFTWARE', 'express-responder'],
      ['REMOTE_ADDR', '127.0.0.1'],
      ['REMOTE_PORT', expect.stringMatching(/^\d+$/)],
      ['SERVER_ADDR', '127.0.0.1'],
      ['SERVER_PORT', port],
      ['SERVER_NAME', 'example.test'],
      ['REDIRECT_STATUS', '200'],
      ['HTTP_HOST', 'Example.test:8080'],
      ['HTTP_CONNECTION', 'close'],
      ['HTTP_X_A', '1'],
      ['HTTP_COOKIE', 'a=1'],
      ['HTTP_X_A', '2'],
      ['HTTP_COOKIE', 'b=2'],
      ['HTTP_X_EMPTY', ''],
    ])
  })

  it('say type and length of a body twice, as nginx does', async () => {
    const { asked } = await seen(['POST / HTTP/1.1', HOST, CLOSE, 'Content-Type: text/plain', 'Content-Length: 2', '', 'hi'])
    expect(asked.params).toMatchObject({
      CONTENT_TYPE: 'text/plain',
      CONTENT_LENGTH: '2',
      HTTP_CONTENT_TYPE: 'text/plain',
      HTTP_CONTENT_LENGTH: '2',
    })
    expect(String(await asked.body())).toBe('hi')
  })

  it('say no length of a chunked body', async () => {
    const { asked } = await seen(['POST / HTTP/1.1', HOST, CLOSE, 'Transfer-Encoding: chunked', '', '2', 'hi', '1', '!', '0', '', ''])
    expect(asked.params).toMatchObject({ CONTENT_LENGTH: '', HTTP_TRANSFER_ENCODING: 'chunked' })
    expect(String(await asked.body())).toBe('hi!')
  })

  it.each([
    ['/', '/', '/', ''],
    ['/?', '/', '/?', ''],
    ['/a?b?c', '/a', '/a?b?c', 'b?c'],
    ['/p/../q//r', '/q/r', '/p/../q//r', ''],
    ['/a/b/..', '/a/', '/a/b/..', ''],
    ['/a/./b/.', '/a/b/', '/a/./b/.', ''],
    ['/../..', '/', '/../..', ''],
    ['/%2e%2e/x', '/x', '/%2e%2e/x', ''],
    ['/caf%C3%A9', '/caf\xc3\xa9', '/caf%C3%A9', ''],
    ['/100%/%zz', '/100%/%zz', '/100%/%zz', ''],
    ['http://other.test/a?b', '/a', '/a?b', 'b'],
    ['http://other.test', '/', '/', ''],
    ['http://other.test?b', '/', '/?b', 'b'],
  ])('of the target %s', async (target, path, uri, query) => {
    const { asked } = await seen([`GET ${target} HTTP/1.1`, HOST, CLOSE])
    expect(asked.params).toMatchObject({ SCRIPT_NAME: path, DOCUMENT_URI: path, REQUEST_URI: uri, QUERY_STRING: query, HTTP_HOST: 'Example.test:8080' })
  })

  it('of OPTIONS * have REQUEST_URI *', async () => {
    const { asked } = await seen(['OPTIONS * HTTP/1.1', HOST, CLOSE])
    expect(asked.params).toMatchObject({ REQUEST_METHOD: 'OPTIONS', REQUEST_URI: '*' })
  })

  it('of HTTP/1.0 without a Host have the address as SERVER_NAME, and no HTTP_HOST', async () => {
    const { asked } = await seen(['GET / HTTP/1.0'])
    expect(asked.params).toMatchObject({ SERVER_PROTOCOL: 'HTTP/1.0', SERVER_NAME: '127.0.0.1' })
    expect(asked.params).not.toHaveProperty('HTTP_HOST')
  })

  it.each([
    ['[::1]:8080', '[::1]'],
    ['[::1]', '[::1]'],
    ['a.test:', 'a.test'],
  ])('of the Host %s', async (host, name) => {
    const { asked } = await seen(['GET / HTTP/1.1', `Host: ${host}`, CLOSE])
    expect(asked.params).toMatchObject({ SERVER_NAME: name, HTTP_HOST: host })
  })

  it('leave out headers whose names nginx refuses', async () => {
    const { asked } = await seen(['GET / HTTP/1.1', HOST, CLOSE, 'X_Under: 1', 'X.Dot: 1', 'X-Fine: 1'])
    expect(asked.pairs.map(([name]) => name).filter((name) => name.startsWith('HTTP_X'))).toEqual(['HTTP_X_FINE'])
  })

  it('keep the octets of headers', async () => {
    const { asked } = await seen(['GET / HTTP/1.1', HOST, CLOSE, 'X-Name: caf\xe9'])
    expect(asked.params).toMatchObject({ HTTP_X_NAME: 'caf\xe9' })
  })
})

describe('the option params', () => {
  it('adds, replaces and leaves out', async () => {
    const params = { REMOTE_USER: 'ada', DOCUMENT_ROOT: '/srv', REDIRECT_STATUS: undefined, HTTP_X_A: '3' }
    const { asked } = await seen(['GET / HTTP/1.1', HOST, CLOSE, 'X-A: 1', 'X-A: 2'], { params })
    expect(asked.params).toMatchObject({ REMOTE_USER: 'ada', DOCUMENT_ROOT: '/srv' })
    expect(asked.pairs.filter(([name]) => name === 'HTTP_X_A')).toEqual([['HTTP_X_A', '3']])
    expect(asked.params).not.toHaveProperty('REDIRECT_STATUS')
  })

  it('is asked for each request where it is a function', async () => {
    const { asked } = await seen(['GET /x HTTP/1.1', HOST, CLOSE], { params: (req) => ({ X_PATH: req.url }) })
    expect(asked.params['X_PATH']).toBe('/x')
  })

  it('that throws ends its request, and nothing else', async () => {
    const server = await listen(gateway('/nonexistent/app.sock', {
      params: () => {
        throw new Error('no params today')
      },
    }))
    cleanups.push(() => close(server))
    const { status, body } = await fetchFrom(server)
    expect(status).toBe(500)
    expect(String(body)).toBe('500 Internal Server Error\nERR_FCGI_OPTION: gateway: option params throws: Error: no params today. See express-responder/docs/reference/errors.md#err_fcgi_option\n')
  })
})
