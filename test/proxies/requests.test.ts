/** What the app sees of requests through each web server. */
import { expect, it } from '@jest/globals'
import { pattern } from './support/app.js'
import { ask } from './support/client.js'
import { echoOf } from './support/json.js'
import { forEachServer } from './support/suite.js'
import { authorization } from './support/user.js'

const SMALL = 1_000
const LARGE = 256 * 1024

forEachServer('requests through', ({ trait, site }) => {
  it.each(['GET', 'HEAD', 'DELETE', 'OPTIONS'])('Odd CONTENT_LENGTH: %s without a body has no length', async (method) => {
    const answer = await ask(site().origin, { method, path: '/lengths' })
    expect(answer.status).toBe(200)
    expect(JSON.parse(String(answer.headers['x-lengths']))).toEqual(
      method === 'GET' || method === 'HEAD' ? {} : expect.not.objectContaining({ 'content-length': expect.not.stringMatching('^0$') }),
    )
  })

  it('Odd CONTENT_LENGTH: an announced empty body is one', async () => {
    const answer = await ask(site().origin, { method: 'POST', path: '/echo', body: '' })
    expect(echoOf(answer)).toMatchObject({ length: 0, headers: { 'content-length': '0' } })
  })

  it('Uploads of unknown length: body parsers read them', async () => {
    const answer = await ask(site().origin, {
      method: 'POST',
      path: '/uploads/json',
      headers: [['Content-Type', 'application/json']],
      body: '{"chunked":true}',
      chunked: true,
    })
    if (trait.chunkedUploads === 'lost') {
      expect(answer.status).not.toBe(500)
      return
    }
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.body.toString())).toEqual({ received: { chunked: true } })
  })

  // CGI has no way to say that a body comes whose length nobody knows.
  if (trait.chunkedUploads !== 'lost') {
    it('Uploads of unknown length: the app is told a length or chunked, never both', async () => {
      // Servers that pass a body on as it comes count a small one all the same, where it has come at once.
      const body = trait.refusesChunkedMegabyte === undefined ? pattern(LARGE) : pattern(SMALL)
      const answer = await ask(site().origin, { method: 'PUT', path: '/uploads/echo', body, chunked: true })
      const echo = echoOf(answer)
      const { 'content-length': length, 'transfer-encoding': encoding } = echo.headers
      expect({ length, encoding }).toEqual(
        trait.chunkedUploads === 'counted'
          ? { length: String(body.length), encoding: undefined }
          : { length: undefined, encoding: 'chunked' },
      )
      expect(echo.length).toBe(body.length)
    })
  }

  it('Uploads of unknown length: an empty one ends', async () => {
    const answer = await ask(site().origin, { method: 'POST', path: '/uploads/echo', body: '', chunked: true })
    expect(echoOf(answer)).toMatchObject({ length: 0 })
  })

  it('Duplicate headers: joined as Node does it', async () => {
    const answer = await ask(site().origin, {
      path: '/echo',
      headers: [['X-Twice', 'one'], ['X-Twice', 'two'], ['Accept', 'text/html'], ['Accept', 'text/plain']],
    })
    expect(echoOf(answer).headers).toMatchObject({ 'x-twice': 'one, two', accept: 'text/html, text/plain' })
  })

  it('Duplicate headers: Cookie', async () => {
    const answer = await ask(site().origin, { path: '/echo', headers: [['Cookie', 'a=1'], ['Cookie', 'b=2']] })
    expect(echoOf(answer).headers['cookie']).toBe(`a=1${trait.cookieSeparator}b=2`)
  })

  it('Underscores: nobody passes a header of trust off under another spelling', async () => {
    const answer = await ask(site().origin, {
      path: '/echo',
      headers: [['X_Forwarded_For', '203.0.113.66'], ['X-Forwarded-For', '192.0.2.1']],
    })
    if (trait.underscores === 'refused') expect(answer.status).toBe(400)
    else {
      expect(echoOf(answer).headers['x-forwarded-for']).toBe(trait.forwardedFor('192.0.2.1'))
    }
  })

  it('Underscores: Content_Length and Content_Type are no headers of the body', async () => {
    const answer = await ask(site().origin, {
      method: 'POST',
      path: '/echo',
      headers: [['Content_Length', '99'], ['Content_Type', 'text/evil'], ['Content-Type', 'text/good']],
      body: 'hello',
    })
    expect(echoOf(answer)).toMatchObject({
      body: 'hello',
      headers: { 'content-length': '5', 'content-type': 'text/good' },
    })
  })

  it('HTTP_PROXY: a client’s Proxy header reaches neither the app nor its environment', async () => {
    const answer = await ask(site().origin, { path: '/echo', headers: [['Proxy', 'http://evil.example/']] })
    const echo = echoOf(answer)
    expect(echo.headers['proxy']).toBeUndefined()
    expect(echo.environmentProxy).toBe(process.env['HTTP_PROXY'] ?? null)
  })

  it('Authorization: reaches the app', async () => {
    for (const authorization of ['Basic YWxpY2U6c2VjcmV0', 'Bearer abc.def-ghi_jkl=']) {
      const answer = await ask(site().origin, { path: '/echo', headers: [['Authorization', authorization]] })
      expect(echoOf(answer).headers['authorization']).toBe(authorization)
    }
  })

  it('Authorization: says nothing of REMOTE_USER where nobody has checked the password', async () => {
    const headers: [string, string][] = [['Authorization', authorization('mallory', 'guess')], ['Remote-User', 'mallory']]
    const answer = await ask(site().origin, { path: '/echo', headers })
    expect(echoOf(answer).params['REMOTE_USER'] ?? '').toBe('')
  })

  it.each([
    '/echo/a%20b/%E2%9C%93',
    '/echo/100%25/%3Fno-query?q=a+b%20c&d=%26',
    '/echo/(parentheses)!$&\'*,;=:@~',
    '/echo/caf%C3%A9/%e2%9c%93',
  ])('URL: raw, %s', async (url) => {
    const answer = await ask(site().origin, url)
    expect(echoOf(answer).url).toBe(url)
  })

  it.each(['/echo/x%2Fy', '/echo//double//slash', '//echo'])('URL: raw, also where servers like to tidy up, %s', async (url) => {
    const answer = await ask(site().origin, url)
    const expected = trait.url(url)
    if (expected === undefined) expect(answer.status).toBe(404)
    else expect(echoOf(answer).url).toBe(expected)
  })

  it('URL: the Host keeps its port', async () => {
    const answer = await ask(site().origin, { path: '/echo', headers: [['Host', 'app.example.com:8443']] })
    expect(echoOf(answer)).toMatchObject({ host: 'app.example.com:8443', hostname: 'app.example.com' })
  })

  it('URL: an absolute one names the host, whatever the Host header says', async () => {
    const answer = await ask(site().origin, {
      path: 'http://app.example.com/echo?absolute',
      headers: [['Host', 'evil.example.net']],
    })
    if (trait.absoluteHost === 'refused') expect(answer.status).toBe(400)
    else expect(echoOf(answer)).toMatchObject({ hostname: trait.absoluteHost })
  })
})
