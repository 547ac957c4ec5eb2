/** Options: what each does, and errors that name the option, its value and the remedy. */
import { describe, expect, it } from '@jest/globals'
import type { RequestListener } from 'node:http'
import express from 'express'
import { createServer, params, type ServerOptions } from 'express-responder'
import { codeOf } from '../contract/support/journal.js'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

/** Options of any kind, as JavaScript would pass them. */
function createWith(options: unknown): unknown {
  return Reflect.apply(createServer, undefined, [() => undefined, options])
}

function errorOf(act: () => unknown): { code: string | undefined; message: string } {
  try {
    act()
  } catch (error) {
    return { code: codeOf(error), message: String(error) }
  }
  return { code: undefined, message: 'nothing was thrown' }
}

describe('wrong options', () => {
  const wrong: [string, unknown, RegExp[]][] = [
    ['an unknown name', { limit: {} }, [/limit\b/, /limits/]],
    ['an unknown limit', { limits: { bodySize: 1 } }, [/limits\.bodySize/, /bodyBytes/]],
    ['an unknown timeout', { timeouts: { requests: 1 } }, [/timeouts\.requests/, /params, idle/]],
    ['a limit of 0', { limits: { bodyBytes: 0 } }, [/limits\.bodyBytes/, /is 0/, /at least 1/]],
    ['a limit that is no number', { limits: { connections: '10' } }, [/limits\.connections/, /'10'/, /whole number/]],
    ['a limit that is no whole number', { limits: { connections: 1.5 } }, [/limits\.connections/, /1\.5/]],
    ['an infinite limit', { limits: { bodyBytes: Infinity } }, [/limits\.bodyBytes/, /Infinity/]],
    ['a negative timeout', { timeouts: { idle: -1 } }, [/timeouts\.idle/, /-1/]],
    ['a timeout that is NaN', { timeouts: { idle: Number.NaN } }, [/timeouts\.idle/, /NaN/]],
    ['limits that are no object', { limits: 5 }, [/limits/, /5/]],
    ['limits that are null', { limits: null }, [/^FastCgiError: createServer: option limits is null: give an object\. See /]],
    ['a url that is no choice', { url: 'raw' }, [/url/, /'raw'/, /'request-uri' or 'rewritten'/]],
    ['early hints that are no choice', { earlyHints: true }, [/earlyHints/, /true/, /'drop' or 'fold'/]],
    ['ambiguous headers that are no choice', { ambiguousHeaders: 'first' }, [/ambiguousHeaders/, /'refuse' or 'join'/]],
    ['a release of kept connections that is no choice', { keepAliveRelease: false }, [/keepAliveRelease/, /false/, /'ask' or 'idle' or 'close'/]],
    ['a mount without a slash', { mount: 'shop' }, [/mount/, /'shop'/, /slash/]],
    ['a mount that ends with a slash', { mount: '/shop/' }, [/mount/, /'\/shop\/'/]],
    ['a mount that is no text', { mount: 7 }, [/mount/, /7/]],
    ['a mount with a query', { mount: '/shop?a' }, [/mount/]],
    ['addresses that are no list', { webServerAddresses: '127.0.0.1' }, [/webServerAddresses/, /127\.0\.0\.1/]],
    ['an address that is none', { webServerAddresses: ['nginx'] }, [/webServerAddresses/, /'nginx'/]],
    ['options that are no object', 'fast', [/options/, /'fast'/]],
    ['options that are null', null, [/options/, /null/]],
  ]
  it.each(wrong)('%s', (_what, options, patterns) => {
    const { code, message } = errorOf(() => createWith(options))
    expect(code).toBe('ERR_FCGI_OPTION')
    for (const pattern of patterns) expect(message).toMatch(pattern)
  })
  it.each([['text'], [[]], [null], [5]])('an app that is %j', (app) => {
    const { code, message } = errorOf(() => Reflect.apply(createServer, undefined, [app]) as unknown)
    expect(code).toBe('ERR_FCGI_OPTION')
    expect(message).toMatch(/Express app/)
  })
  it('a wrong FCGI_WEB_SERVER_ADDRS names the variable', () => {
    process.env['FCGI_WEB_SERVER_ADDRS'] = '127.0.0.1,nginx'
    try {
      const { code, message } = errorOf(() => createServer(() => undefined))
      expect(code).toBe('ERR_FCGI_OPTION')
      expect(message).toMatch(/FCGI_WEB_SERVER_ADDRS.*'nginx'/)
    } finally {
      delete process.env['FCGI_WEB_SERVER_ADDRS']
    }
  })
  it('undefined means absent', () => {
    const options = { limits: undefined, timeouts: undefined, url: undefined, mount: undefined, earlyHints: undefined, webServerAddresses: undefined }
    expect(errorOf(() => createWith(options)).message).toBe('nothing was thrown')
    expect(errorOf(() => createWith({ limits: { bodyBytes: undefined } })).message).toBe('nothing was thrown')
    expect(errorOf(() => createWith(undefined)).message).toBe('nothing was thrown')
  })
  it('what was resolved can be read, and not changed', () => {
    const server = createServer(() => undefined, { limits: { bodyBytes: 77 } })
    expect(server.configuration.limits).toMatchObject({ bodyBytes: 77, paramsBytes: 131_072, paramsCount: 1000, requestsPerConnection: 100 })
    expect(server.configuration.timeouts).toMatchObject({ params: 10_000, idle: 120_000 })
  })
})

describe('url', () => {
  const urlOf = async (options: ServerOptions, extra: Record<string, string | undefined>, url = '/a%2Fb?c=d'): Promise<string> => {
    const { connect } = await start((): RequestListener => (req, res) => res.end(req.url), options)
    const client = await connect()
    return (await client.request({ params: nginxParams({ url, extra }) })).body.toString()
  }
  it('is REQUEST_URI as it was sent', async () => {
    expect(await urlOf({}, { DOCUMENT_URI: '/rewritten', SCRIPT_NAME: '/rewritten' })).toBe('/a%2Fb?c=d')
  })
  it('rewritten: what the server’s rewrites made, encoded again', async () => {
    const extra = { SCRIPT_NAME: '/new path/\u00c3\u00a9', QUERY_STRING: 'x=%20y' }
    expect(await urlOf({ url: 'rewritten' }, extra)).toBe('/new%20path/%C3%A9?x=%20y')
  })
  it('rewritten with DOCUMENT_URI alone, as nginx can send it', async () => {
    expect(await urlOf({ url: 'rewritten' }, { DOCUMENT_URI: '/d', SCRIPT_NAME: '', QUERY_STRING: '' })).toBe('/d')
  })
  it('rewritten without DOCUMENT_URI: SCRIPT_NAME and PATH_INFO', async () => {
    const extra = { DOCUMENT_URI: undefined, SCRIPT_NAME: '/app', PATH_INFO: '/a b?#%', QUERY_STRING: '' }
    expect(await urlOf({ url: 'rewritten' }, extra)).toBe('/app/a%20b%3F%23%25')
  })
  it('without REQUEST_URI: SCRIPT_NAME and PATH_INFO', async () => {
    const extra = { REQUEST_URI: undefined, DOCUMENT_URI: undefined, SCRIPT_NAME: '', PATH_INFO: '/p', QUERY_STRING: 'q' }
    expect(await urlOf({}, extra)).toBe('/p?q')
  })
  it('an absolute REQUEST_URI stays, or loses its origin', async () => {
    const url = await urlOf({}, {}, 'http://a.example/x?y')
    expect(['http://a.example/x?y', '/x?y']).toContain(url)
  })
})

describe('mount', () => {
  const mounted = (): RequestListener => {
    const app = express()
    app.get('/cart', (req, res) => {
      res.json([req.url, req.originalUrl, req.baseUrl, req.path])
    })
    app.get('/{*any}', (req, res) => {
      res.json(['other', req.url, req.originalUrl])
    })
    return app
  }
  const ask = async (url: string): Promise<unknown> => {
    const { connect } = await start(mounted, { mount: '/shop' })
    const client = await connect()
    return JSON.parse((await client.request({ params: nginxParams({ url }) })).body.toString()) as unknown
  }
  it('the app does not see the prefix', async () => {
    expect(await ask('/shop/cart?a=1')).toEqual(['/cart?a=1', '/shop/cart?a=1', '/shop', '/cart'])
  })
  it('the prefix alone is the app’s root', async () => {
    expect(await ask('/shop')).toEqual(['other', '/', '/shop'])
    expect(await ask('/shop?a')).toEqual(['other', '/?a', '/shop?a'])
  })
  it('what is not below it is left as it is', async () => {
    expect(await ask('/shopping')).toEqual(['other', '/shopping', '/shopping'])
  })
})

describe('params()', () => {
  it('has everything that the web server sent, frozen, without a prototype', async () => {
    const { connect } = await start(() => (req, res) => {
      const all = params(req)
      res.end(JSON.stringify({ all, frozen: Object.isFrozen(all), prototype: String(Object.getPrototypeOf(all ?? {})), same: params(req) === all }))
    })
    const client = await connect()
    const sent = [...nginxParams({ extra: { REMOTE_USER: 'alice', SSL_CLIENT_S_DN: 'CN=caf\u00e9' } }), ['REMOTE_USER', 'second']] as [string, string][]
    const { all, frozen, prototype, same } = JSON.parse((await client.request({ params: sent })).body.toString()) as Record<string, unknown>
    // The last of a name counts: a later line of a configuration overrides an earlier one.
    expect(all).toMatchObject({ REMOTE_USER: 'second', SSL_CLIENT_S_DN: 'CN=caf\u00e9', REQUEST_METHOD: 'GET' })
    expect([frozen, prototype, same]).toEqual([true, 'null', true])
  })
  it.each([
    ['UTF-8, as nginx and Apache send names of users', Buffer.from('j\u00f6rg \u4e16'), 'j\u00f6rg \u4e16'],
    ['latin1, which is no UTF-8', Buffer.from('j\u00f6rg', 'latin1'), 'j\u00f6rg'],
  ])('reads %s', async (_what, octets, name) => {
    const { connect } = await start(() => (req, res) => res.end(params(req)?.['REMOTE_USER']))
    const client = await connect()
    expect((await client.request({ params: nginxParams({ extra: { REMOTE_USER: octets.toString('latin1') } }) })).body.toString()).toBe(name)
  })
  it('is still there when the response has finished', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      res.on('close', () => {
        noted.note('late', params(req)?.['REMOTE_USER'])
      })
      res.end()
    })
    const client = await connect()
    await client.request({ params: nginxParams({ extra: { REMOTE_USER: 'alice' } }) })
    await journal.until('late')
    expect(journal.entries).toEqual(['late "alice"'])
  })
  it('is undefined over HTTP', async () => {
    const { default: request } = await import('supertest')
    const app: RequestListener = (req, res) => res.end(String(params(req) === undefined))
    expect((await request(app).get('/')).text).toBe('true')
  })
})

describe('headers that are not to be trusted', () => {
  const headersOf = async (extra: [string, string][]): Promise<Record<string, string>> => {
    const { connect } = await start(() => (req, res) => res.end(JSON.stringify(req.headers)))
    const client = await connect()
    const { body } = await client.request({ params: [...nginxParams({ method: 'POST', body: 'abc', extra: { CONTENT_TYPE: 'text/plain' } }), ...extra], body: 'abc' })
    return JSON.parse(body.toString()) as Record<string, string>
  }
  it('HTTP_PROXY is dropped (httpoxy), and never reaches the environment', async () => {
    expect(await headersOf([['HTTP_PROXY', 'http://evil.example']])).not.toHaveProperty('proxy')
    expect(process.env['HTTP_PROXY']).not.toBe('http://evil.example')
  })
  it('HTTP_CONTENT_LENGTH and HTTP_CONTENT_TYPE do not replace the true ones', async () => {
    const headers = await headersOf([['HTTP_CONTENT_LENGTH', '99'], ['HTTP_CONTENT_TYPE', 'evil/type']])
    expect(headers).toMatchObject({ 'content-length': '3', 'content-type': 'text/plain' })
  })
  it('names that no header can have are no headers', async () => {
    const headers = await headersOf([['HTTP_A B', 'x'], ['HTTP_', 'y'], ['http_lower', 'z'], ['HTTP_\u00e9', 'w'], ['NO_HEADER', 'v']])
    expect(Object.values(headers).filter((value) => 'xyzwv'.includes(value))).toEqual([])
  })
})

describe('SERVER_PROTOCOL', () => {
  it.each([
    ['HTTP/1.1', '1.1', 1, 1],
    ['HTTP/1.0', '1.0', 1, 0],
    ['HTTP/2.0', '2.0', 2, 0],
    ['HTTP/2', '2.0', 2, 0],
    ['HTTP/3.0', '3.0', 3, 0],
    ['INCLUDED', '1.1', 1, 1],
    ['', '1.1', 1, 1],
  ])('%s is httpVersion %s; the response is written as any', async (protocol, version, major, minor) => {
    const { connect } = await start(() => (req, res) => {
      res.write(JSON.stringify([req.httpVersion, req.httpVersionMajor, req.httpVersionMinor]))
      res.end()
    })
    const client = await connect()
    const response = await client.request({ params: nginxParams({ extra: { SERVER_PROTOCOL: protocol } }) })
    expect(response.body.toString()).toBe(JSON.stringify([version, major, minor]))
    expect(response.headers['transfer-encoding']).toBeUndefined()
  })
})
