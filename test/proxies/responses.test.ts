/** What the client sees of responses through each web server. */
import { expect, it } from '@jest/globals'
import { FIRST_PART } from './support/app.js'
import { Exchange, ask, lines } from './support/client.js'
import { IN_PROCESS, forEachServer, newId } from './support/suite.js'

forEachServer('responses through', ({ key, trait, site }) => {
  it('Never end a request without a header block: a response that is destroyed is an error to the client', async () => {
    const id = newId()
    const answer = await ask(site().origin, { method: 'POST', path: `/headless?id=${id}` })
    expect([0, 500, 502, 503]).toContain(answer.status)
    expect(site().events.count(id, 'called')).toBe(1)
    const next = await ask(site().origin, '/status/200')
    expect(next.status).toBe(200)
  })

  it('The whole header block in one STDOUT record: many headers arrive, and the server survives', async () => {
    // HAProxy takes 101 headers.
    const count = trait.headLimit < 4_000 ? 30 : 90
    const answer = await ask(site().origin, `/many-headers?count=${String(count)}`)
    expect(answer).toMatchObject({ status: 200, complete: true })
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-many-'))).toHaveLength(count)
    const id = newId()
    const flushed = new Exchange(site().origin, { path: `/flush?id=${id}` })
    site().events.release(id)
    expect((await flushed.answer).status).toBe(200)
    expect(site().web.running).toBe(true)
  })

  it.each(['of unknown length', 'with Content-Length'])(
    'Failure in mid-response: a response %s that breaks off looks broken to the client',
    async (kind) => {
      const id = newId()
      const length = kind === 'with Content-Length' ? '&length=1000' : ''
      const exchange = new Exchange(site().origin, { path: `/truncate?id=${id}${length}` })
      await site().events.wait(id, 'called')
      if (trait.streamsResponses) await exchange.received(FIRST_PART)
      site().events.release(id)
      const answer = await exchange.answer
      if (trait.truncated === 'shown' || (trait.truncated !== 'hidden' && length !== '')) expect(answer.complete && answer.status === 200).toBe(false)
      else expect(answer.body.toString()).toMatch(FIRST_PART)
      expect((await ask(site().origin, '/status/200')).status).toBe(200)
    },
  )

  it.each(['', '&pieces=1'])('Enforce the app’s own Content-Length: no wrong body looks whole (%s)', async (pieces) => {
    const tooLong = await ask(site().origin, `/length?announced=5&sent=10${pieces}`)
    if (tooLong.status === 200 && tooLong.complete) expect(tooLong.body.toString()).toBe('xxxxx')
    const tooShort = await ask(site().origin, `/length?announced=1000&sent=5${pieces}`)
    if (trait.truncated !== 'hidden') expect(tooShort.status === 200 && tooShort.complete).toBe(false)
    const right = await ask(site().origin, `/length?announced=5&sent=5${pieces}`)
    expect(right).toMatchObject({ status: 200, complete: true, body: Buffer.from('xxxxx') })
  })

  it('No body bytes on HEAD, 204, 304', async () => {
    const head = await ask(site().origin, { method: 'HEAD', path: '/download?size=1000' })
    expect(head).toMatchObject({ status: 200, complete: true })
    expect(head.body.length).toBe(0)
    if (trait.contentLength === 'kept') expect(head.headers['content-length']).toBe('1000')
    const empty = await ask(site().origin, '/status/204')
    expect(empty).toMatchObject({ status: 204, complete: true })
    expect(empty.body.length).toBe(0)
    const unchanged = await ask(site().origin, { path: '/not-modified', headers: [['If-None-Match', '"1"']] })
    expect(unchanged).toMatchObject({ status: 304, complete: true })
    expect(unchanged.body.length).toBe(0)
  })

  it('Strip Transfer-Encoding, Connection, Keep-Alive: the app’s do not reach the client', async () => {
    const answer = await ask(site().origin, '/hop')
    expect(answer).toMatchObject({ status: 200, complete: true })
    expect(answer.body.toString()).toBe('one two')
    expect(lines(answer, 'connection').join()).not.toMatch(/x-hop/i)
    expect(lines(answer, 'keep-alive').join()).not.toContain('99')
    expect(answer.headers['x-kept']).toBe('yes')
  })

  it('1xx must not reach STDOUT: the final response arrives whole', async () => {
    const answer = await ask(site().origin, '/informational')
    expect(answer).toMatchObject({ status: 200, complete: true, informational: [] })
    expect(answer.body.toString()).toBe('final\n')
  })

  it.each([301, 302, 303, 307, 308])('Status: always, also with Location: a redirect with %d', async (code) => {
    const target = `/echo?from=${String(code)}`
    const local = await ask(site().origin, `/redirect?code=${String(code)}&to=${encodeURIComponent(target)}`)
    expect({ status: local.status, location: local.headers.location }).toEqual({ status: code, location: target })
    const away = await ask(site().origin, `/redirect?code=${String(code)}&to=https://example.com/there`)
    expect({ status: away.status, location: away.headers.location }).toEqual({
      status: code,
      location: 'https://example.com/there',
    })
  })

  it.each(['/status/200', 'https://example.com/there'])('Status: always, also with Location: 200 stays 200, and the app is called once (%s)', async (target) => {
    const id = newId()
    const answer = await ask(site().origin, `/located?id=${id}&to=${encodeURIComponent(target)}`)
    expect({ status: answer.status, body: answer.body.toString() }).toEqual({ status: 200, body: 'here\n' })
    await site().events.wait(id, 'called')
    expect(site().events.count(id, 'called')).toBe(1)
    // Apache's mod_fcgid and mod_cgi would take it for a redirect: it is not sent to them.
    expect(answer.headers.location).toBe(key === 'modFcgid' || key === 'cgiFcgi' ? undefined : target)
  })

  it('Status: always, also with Location: 201 stays 201', async () => {
    const answer = await ask(site().origin, { method: 'POST', path: '/created?to=/items/1' })
    expect({ status: answer.status, location: answer.headers.location }).toEqual({ status: 201, location: '/items/1' })
    expect(answer.body.toString()).toBe('created\n')
  })

  it('Header size: a head up to the server’s limit arrives, a larger one is an error of the server', async () => {
    const fits = await ask(site().origin, `/large-head?bytes=${String(trait.headLimit)}`)
    expect(fits).toMatchObject({ status: 200, complete: true })
    expect(fits.headers['x-large']).toHaveLength(trait.headLimit)
    if (trait.headTooLarge === undefined) return
    const tooLarge = await ask(site().origin, `/large-head?bytes=${String(trait.headTooLarge)}`)
    expect([500, 502]).toContain(tooLarge.status)
    expect(site().web.running).toBe(true)
  })
})

forEachServer(
  'responses, with folded early hints, through',
  ({ site }) => {
    it('1xx must not reach STDOUT: the Link of early hints joins the final head if asked to', async () => {
      const answer = await ask(site().origin, '/informational')
      expect(answer).toMatchObject({ status: 200, complete: true, informational: [] })
      expect(answer.headers['link']).toBe('</style.css>; rel=preload; as=style')
      expect(answer.body.toString()).toBe('final\n')
    })
  },
  { only: IN_PROCESS, app: { earlyHints: 'fold' } },
)

forEachServer(
  'warnings of an app behind',
  ({ site }) => {
    it('Header size: warns, naming the largest header', async () => {
      const warnings: string[] = []
      site().app?.on('warning', (warning: Error) => warnings.push(warning.message))
      await ask(site().origin, '/large-head?bytes=6000')
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toMatch(/x-large/i)
    })
  },
  { only: ['nginx', 'nginxMinimal'] },
)
