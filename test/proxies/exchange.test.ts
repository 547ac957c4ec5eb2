/** What an app and a client exchange through each web server: it must be what HTTP itself would carry. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { gunzipSync } from 'node:zlib'
import { expect, it } from '@jest/globals'
import { GZIP_TEXT, pattern } from './support/app.js'
import { ask, begin, lines } from './support/client.js'
import { echoOf } from './support/json.js'
import { forEachServer } from './support/suite.js'

const MEGABYTE = 1024 * 1024

forEachServer('an exchange through', ({ trait, site }) => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])('carries the method %s', async (method) => {
    const answer = await ask(site().origin, { method, path: '/echo' })
    expect(answer.status).toBe(200)
    expect(echoOf(answer)).toMatchObject({ method, length: 0 })
  })

  it('carries the query as it was sent, however empty or odd', async () => {
    for (const query of ['?', '?a=1&a=2&b', '?q=%20+%2B&x=%E2%9C%93', '?a=b?c=d', '?a[b]=c&d=/../']) {
      const answer = await ask(site().origin, `/echo${query}`)
      expect(echoOf(answer).url).toBe(`/echo${query}`)
    }
  })

  it('carries headers of any kind and length', async () => {
    const long = 'long '.repeat(600).trim()
    const headers: [string, string][] = [
      ['X-Plain', 'plain'],
      ['X-Punctuation', `!#$%&'*+-.^_\`|~ "quoted" (comment); a=b, c`],
      ['X-Utf8', Buffer.from('grüße').toString('latin1')],
      ['X-Long', long],
      ['Accept-Language', 'de;q=0.8, en'],
      ['X-Forwarded-For', '192.0.2.1'],
    ]
    const answer = await ask(site().origin, { path: '/echo', headers })
    const received = echoOf(answer).headers as Record<string, string>
    const expected = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))
    expect(received).toMatchObject({ ...expected, 'x-forwarded-for': trait.forwardedFor('192.0.2.1') })
  })

  it('gives the app the client and the host, without trust proxy', async () => {
    const answer = await ask(site().origin, { path: '/echo', headers: [['Host', 'app.example.com:8123']] })
    expect(echoOf(answer)).toMatchObject({
      ip: '127.0.0.1',
      protocol: 'http',
      secure: false,
      hostname: 'app.example.com',
      host: 'app.example.com:8123',
      httpVersion: '1.1',
      localPort: trait.serverPort === 'listener' ? site().web.port : 8123,
    })
    expect(echoOf(answer)['remotePort']).toEqual(expect.any(Number))
  })

  it('carries a JSON body and a form to the body parsers', async () => {
    const data = { text: 'ä "quoted"', list: [1, 2, 3] }
    const posted = await ask(site().origin, {
      method: 'POST',
      path: '/json',
      headers: [['Content-Type', 'application/json']],
      body: JSON.stringify(data),
    })
    expect(JSON.parse(posted.body.toString())).toEqual({ received: data })
    const form = await ask(site().origin, {
      method: 'POST',
      path: '/form',
      headers: [['Content-Type', 'application/x-www-form-urlencoded']],
      body: 'a=1&b=x+y',
    })
    expect(JSON.parse(form.body.toString())).toEqual({ received: { a: '1', b: 'x y' } })
  })

  it('carries 1 MB up, with its length', async () => {
    const body = pattern(MEGABYTE)
    const answer = await ask(site().origin, { method: 'POST', path: '/uploads/echo', body })
    expect(echoOf(answer)).toMatchObject({
      length: MEGABYTE,
      sha256: createHash('sha256').update(body).digest('hex'),
      headers: { 'content-length': String(MEGABYTE) },
    })
  })

  // CGI has no way to say that a body comes whose length nobody knows.
  if (trait.chunkedUploads !== 'lost') {
    it('carries 1 MB up in chunks', async () => {
      const body = pattern(MEGABYTE)
      const answer = await ask(site().origin, { method: 'PUT', path: '/uploads/echo', body, chunked: true })
      if (trait.refusesChunkedMegabyte !== undefined) {
        // 0: it also resets the connection of a client that is still writing, who may not read the answer then.
        expect([0, trait.refusesChunkedMegabyte]).toContain(answer.status)
        return
      }
      expect(echoOf(answer)).toMatchObject({ length: MEGABYTE, sha256: createHash('sha256').update(body).digest('hex') })
    })
  }

  it.each(['with its length', 'of unknown length'])('carries 1 MB down, %s', async (kind) => {
    const chunked = kind === 'of unknown length' ? '&chunked=1' : ''
    const answer = await ask(site().origin, `/download?size=${String(MEGABYTE)}${chunked}`)
    expect(answer).toMatchObject({ status: 200, complete: true })
    expect(answer.body.equals(pattern(MEGABYTE))).toBe(true)
    if (chunked === '' && trait.contentLength === 'kept') expect(answer.headers['content-length']).toBe(String(MEGABYTE))
  })

  it('waits for 100 Continue where the client does', async () => {
    const exchange = begin(site().origin, {
      method: 'POST',
      path: '/uploads/echo',
      headers: [['Expect', '100-continue'], ['Content-Length', '5']],
    })
    await Promise.race([once(exchange.request, 'continue'), once(exchange.request, 'response')])
    exchange.request.end('hello')
    const answer = await exchange.answer
    expect(answer.status).toBe(200)
    expect(echoOf(answer)).toMatchObject({ length: 5, body: 'hello' })
  })

  it.each([200, 201, 400, 404, 418, 500, 503])('carries the status %d with its body', async (code) => {
    const answer = await ask(site().origin, `/status/${String(code)}`)
    expect(answer).toMatchObject({ status: code, complete: true })
    expect(answer.body.toString()).toBe('the body\n')
  })

  it('carries a reason of the app’s own', async () => {
    const answer = await ask(site().origin, '/reason')
    expect(answer.status).toBe(418)
    if (trait.reason !== 'replaced') expect(answer.reason).toBe('Short And Stout')
    expect(answer.body.toString()).toBe('teapot\n')
  })

  it('makes 500 of an exception in a handler', async () => {
    const answer = await ask(site().origin, '/throw')
    expect(answer).toMatchObject({ status: 500, complete: true })
  })

  it('carries each Set-Cookie in a line of its own', async () => {
    const answer = await ask(site().origin, '/cookies')
    expect(lines(answer, 'set-cookie')).toEqual(['a=1; Path=/', 'b=2; Path=/; HttpOnly', 'c=x%2Cy; Path=/'])
  })

  it('carries a body that the app has compressed', async () => {
    const answer = await ask(site().origin, { path: '/gzip', headers: [['Accept-Encoding', 'gzip']] })
    expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' })
    expect(gunzipSync(answer.body).toString()).toBe(GZIP_TEXT)
  })

  it('answers a conditional request with 304', async () => {
    const first = await ask(site().origin, '/gzip')
    const etag = first.headers.etag
    expect(etag).toBeDefined()
    const second = await ask(site().origin, { path: '/gzip', headers: [['If-None-Match', String(etag)]] })
    expect(second).toMatchObject({ status: 304, complete: true })
    expect(second.body.length).toBe(0)
    expect(second.headers.etag).toBe(etag)
  })

  it('answers a conditional request with 304 where the server compresses, too', async () => {
    const first = await ask(site().origin, { path: '/etag', headers: [['Accept-Encoding', 'gzip']] })
    expect(first).toMatchObject({ status: 200, complete: true })
    const again = await ask(site().origin, {
      path: '/etag',
      headers: [['Accept-Encoding', 'gzip'], ['If-None-Match', String(first.headers.etag)]],
    })
    expect(again).toMatchObject({ status: 304, complete: true })
  })

  it('carries URLs with whatever may stand in them', async () => {
    const names = ['a%20b', 'x%2Fy', 'x%3Fy', 'x%25y', '%E2%82%AC', '!$&\'()*+,;=:@', '.hidden', 'a..b', 'n'.repeat(1000)]
    for (const name of names) {
      const answer = await ask(site().origin, `/echo/${name}?${name}`)
      expect({ status: answer.status, url: echoOf(answer).url }).toEqual({ status: 200, url: `/echo/${name}?${name}` })
    }
  })

  it('keeps requests apart that run at the same time', async () => {
    const numbers = Array.from({ length: 40 }, (_, index) => String(index))
    const answers = await Promise.all(
      numbers.map((number) => ask(site().origin, { method: 'POST', path: `/echo?n=${number}`, body: `body ${number}` })),
    )
    expect(answers.map((answer) => echoOf(answer).body)).toEqual(numbers.map((number) => `body ${number}`))
    expect(answers.map((answer) => echoOf(answer).url)).toEqual(numbers.map((number) => `/echo?n=${number}`))
  })
})
