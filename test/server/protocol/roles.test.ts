/** The roles Authorizer and Filter, as the FastCGI specification has them. */
import { describe, expect, it } from '@jest/globals'
import type { RequestListener } from 'node:http'
import { authorize, filterData, params } from 'express-responder'
import express from 'express'
import { RecordType, Role } from '../../../lib/fastcgi/record.js'
import { encodeRequest } from '../../support/fastcgi-client.js'
import { nginxParams } from '../../support/nginx-params.js'
import { start, turns } from '../support/started.js'
import { GET, post } from '../support/protocol.js'

describe('the Authorizer role', () => {
  it('lets a request on with 200 and variables, from authorize()', async () => {
    const { connect } = await start(() => (_req, res) => {
      authorize(res, { REMOTE_USER: 'alice', AUTH_METHOD: 'caf\u00e9' })
    })
    const client = await connect()
    const response = await client.request({ role: Role.AUTHORIZER, params: GET })
    expect(response.status).toBe(200)
    expect(response.headers).toMatchObject({ 'variable-remote_user': 'alice', 'variable-auth_method': Buffer.from('caf\u00e9').toString('latin1') })
    expect(response.body).toHaveLength(0)
  })
  it.each([['authorize()'], ['res.locals.variables']])('passes on a user name in UTF-8 as it came, by %s', async (way) => {
    const app = express()
    app.use((req, res) => {
      const REMOTE_USER = params(req)?.['REMOTE_USER'] ?? ''
      if (way === 'authorize()') authorize(res, { REMOTE_USER })
      else {
        res.locals['variables'] = { REMOTE_USER }
        res.send('a body, which is dropped')
      }
    })
    const { connect } = await start(() => app)
    const client = await connect()
    for (const name of ['j\u00f6rg', '\u0141ukasz', '\u4e16\u754c']) {
      const octets = Buffer.from(name).toString('latin1')
      const response = await client.request({ role: Role.AUTHORIZER, params: nginxParams({ extra: { REMOTE_USER: octets } }) })
      expect([response.status, response.headers['variable-remote_user']]).toEqual([200, octets])
    }
  })
  it('from res.locals.variables of an Express app', async () => {
    const app = express()
    app.use((_req, res) => {
      res.locals['variables'] = { REMOTE_USER: 'bob', ATTEMPTS: 3 }
      res.sendStatus(200)
    })
    const { connect } = await start(() => app)
    const client = await connect()
    const response = await client.request({ role: Role.AUTHORIZER, params: GET })
    expect(response.headers).toMatchObject({ 'variable-remote_user': 'bob', 'variable-attempts': '3' })
  })
  it('anything but 200 is the client’s answer, without variables', async () => {
    const app = express()
    app.use((_req, res) => {
      res.locals['variables'] = { REMOTE_USER: 'bob' }
      res.status(401).set('WWW-Authenticate', 'Basic').send('who are you?')
    })
    const { connect } = await start(() => app)
    const client = await connect()
    const response = await client.request({ role: Role.AUTHORIZER, params: GET })
    expect(response.status).toBe(401)
    expect(response.body.toString()).toBe('who are you?')
    expect(Object.keys(response.headers).filter((name) => name.startsWith('variable-'))).toEqual([])
  })
  it('has no STDIN: the request is complete at once', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      req.on('end', () => {
        noted.note('end', req.complete)
        authorize(res)
      })
      req.resume()
    })
    const client = await connect()
    await client.begin(1, { role: Role.AUTHORIZER })
    await client.params(1, nginxParams({ method: 'POST', extra: { CONTENT_LENGTH: '100' } }))
    expect((await client.response(1)).status).toBe(200)
    expect(journal.entries).toEqual(['end true'])
  })
  it.each([
    [{ 'A B': 'x' }],
    [{ 'A:': 'x' }],
    [{ A: 'x\r\nB: y' }],
    [{ A: '\0' }],
    [{ '': 'x' }],
  ])('%j cannot be sent', async (variables) => {
    const { connect, journal } = await start((noted) => (_req, res) => {
      try {
        authorize(res, variables)
      } catch (error) {
        noted.note('threw', (error as NodeJS.ErrnoException).code)
        res.statusCode = 403
        res.end()
      }
    })
    const client = await connect()
    expect((await client.request({ role: Role.AUTHORIZER, params: GET })).status).toBe(403)
    expect(journal.entries).toEqual(['threw "ERR_FCGI_BAD_VARIABLE"'])
  })
  it('res.locals.variables that cannot be sent bring a warning, and let nobody on', async () => {
    const app = express()
    app.use((_req, res) => {
      res.locals['variables'] = { REMOTE_USER: 'x\r\ny' }
      res.sendStatus(200)
    })
    const { connect, journal } = await start(() => app)
    const client = await connect()
    const response = await client.request({ role: Role.AUTHORIZER, params: GET })
    expect(journal.entries).toEqual(['warning "ERR_FCGI_BAD_VARIABLE"'])
    expect(response.status).not.toBe(200)
  })
  it('a Responder’s answer has no variables', async () => {
    const app = express()
    app.use((_req, res) => {
      res.locals['variables'] = { REMOTE_USER: 'x' }
      res.sendStatus(200)
    })
    const { connect } = await start(() => app)
    const client = await connect()
    expect((await client.request({ params: GET })).headers['variable-remote_user']).toBeUndefined()
  })
})

describe('the Filter role', () => {
  const filter = (): RequestListener => (req, res) => {
    const chunks: Buffer[] = []
    req.resume()
    const data = filterData(req)
    data?.on('data', (chunk: Buffer) => chunks.push(chunk))
    data?.on('end', () => res.end(Buffer.concat(chunks).toString().toUpperCase()))
  }
  const FILTER = [...GET, ['FCGI_DATA_LENGTH', '5'], ['FCGI_DATA_LAST_MOD', '1700000000']] as [string, string][]

  it('gets FCGI_DATA as a second stream', async () => {
    const { connect } = await start(filter)
    const client = await connect()
    expect((await client.request({ role: Role.FILTER, params: FILTER, data: 'abcde' })).body.toString()).toBe('ABCDE')
    const empty = [...GET, ['FCGI_DATA_LENGTH', '0']] as [string, string][]
    expect((await client.request({ role: Role.FILTER, params: empty, data: '' })).body.toString()).toBe('')
  })
  it.each(['abc', 'abcdefg', ''])('FCGI_DATA of another length than FCGI_DATA_LENGTH is no whole file: %j', async (data) => {
    const { connect, journal } = await start(filter)
    const client = await connect()
    expect((await client.request({ role: Role.FILTER, params: FILTER, data })).status).toBe(400)
    expect(journal.entries).toContain('clientError "ERR_FCGI_BODY_LENGTH"')
  })
  it('the body is read from the request, the data from filterData()', async () => {
    const { connect } = await start(() => (req, res) => {
      void Promise.all([req.toArray(), filterData(req)?.toArray()]).then(([body, data]) => {
        res.end(JSON.stringify([Buffer.concat(body as Buffer[]).toString(), Buffer.concat(data as Buffer[]).toString()]))
      })
    })
    const client = await connect()
    const { body } = await client.request({ role: Role.FILTER, params: post('form'), body: 'form', data: 'file' })
    expect(body.toString()).toBe('["form","file"]')
  })
  it('filterData is undefined in other roles', async () => {
    const { connect } = await start(() => (req, res) => res.end(String(filterData(req) === undefined)))
    const client = await connect()
    expect((await client.request({ params: GET })).body.toString()).toBe('true')
    expect((await client.request({ params: GET, role: Role.AUTHORIZER })).body.toString()).toBe('true')
  })
  it('sends no STDOUT before STDIN is complete, however early the app answers', async () => {
    const { connect, journal } = await start((noted) => (_req, res) => {
      res.write('early ')
      res.end('answer', noted.noting('ended'))
      noted.note('asked')
    })
    const client = await connect()
    await client.begin(1, { role: Role.FILTER })
    await client.params(1, post('abc'))
    await journal.until('asked')
    await client.stdin(1, 'ab', false)
    await client.getValues()
    await client.recordOfType(RecordType.GET_VALUES_RESULT)
    expect(client.records).toHaveLength(1)
    await client.stdin(1, 'c')
    expect((await client.response(1)).body.toString()).toBe('early answer')
    await journal.until('ended')
  })
  it('whose app answers while it reads a large body: nobody waits for the other', async () => {
    const { connect } = await start(() => (req, res) => req.pipe(res))
    const client = await connect()
    const body = Buffer.alloc(1_000_000, 'f')
    const response = await client.request({ role: Role.FILTER, params: post(body), body, data: '' })
    expect(response.body.equals(body)).toBe(true)
  })
  it('early hints before STDIN is complete do not become the answer', async () => {
    const { connect } = await start(() => (_req, res) => {
      res.writeEarlyHints({ link: '</a.css>; rel=preload' })
      res.end('answer')
    })
    const client = await connect()
    const response = await client.request({ role: Role.FILTER, params: GET, data: '' })
    expect(response).toMatchObject({ status: 200 })
    expect(response.body.toString()).toBe('answer')
  })
  it('DATA waits for a reader that does not read, and goes on', async () => {
    const size = 8_000_000
    const { connect, journal } = await start((noted) => (req, res) => {
      req.resume()
      noted.note('asked')
      void noted.until('go').then(() => {
        let length = 0
        filterData(req)?.on('data', (chunk: Buffer) => (length += chunk.length))
        filterData(req)?.on('end', () => res.end(String(length)))
      })
    })
    const client = await connect()
    await client.begin(1, { role: Role.FILTER })
    await client.params(1, GET)
    await client.stdin(1)
    await journal.until('asked')
    const sent = client.stream(RecordType.DATA, 1, Buffer.alloc(size))
    await turns(100)
    expect(client.socket.writableLength).toBeGreaterThan(size / 2)
    journal.note('go')
    await sent
    expect((await client.response(1)).body.toString()).toBe(String(size))
  })
  it.each(['listened to', 'not listened to'])('aborted while its data, %s, come: the process lives', async (listened) => {
    const { connect, journal } = await start((noted) => (req, res) => {
      if (listened === 'listened to') {
        filterData(req)?.on('error', (error) => {
          noted.note('data error', (error as NodeJS.ErrnoException).code)
        })
      }
      res.on('close', noted.noting('res close'))
      noted.note('asked')
    })
    const client = await connect()
    await client.begin(1, { role: Role.FILTER })
    await client.params(1, GET)
    await client.stdin(1)
    await client.stream(RecordType.DATA, 1, 'abc', false)
    await journal.until('asked')
    await client.destroy()
    await journal.until(listened === 'listened to' ? 'data error' : 'res close')
    const other = await connect()
    await other.begin(1)
    await other.abort(1)
    expect((await other.response(1)).complete).toBe(true)
  })
  it('DATA after their end are read into nothing, and the process lives', async () => {
    const { connect } = await start(() => (req, res) => {
      req.resume()
      filterData(req)?.resume().on('end', () => setImmediate(() => res.end('whole')))
    })
    const client = await connect()
    await client.begin(1, { role: Role.FILTER })
    await client.params(1, GET)
    await client.stdin(1)
    await client.stream(RecordType.DATA, 1, 'abc')
    await client.stream(RecordType.DATA, 1, 'more')
    expect((await client.response(1)).body.toString()).toBe('whole')
    expect((await client.request({ params: GET, requestId: 2, role: Role.FILTER, data: 'abc' })).body.toString()).toBe('whole')
  })
  it('DATA that nobody reads and that come after the answer do not hold up the next request', async () => {
    const { connect } = await start(() => (_req, res) => res.end('early'))
    const client = await connect()
    await client.begin(1, { role: Role.FILTER })
    await client.params(1, GET)
    await client.stdin(1)
    expect((await client.response(1)).body.toString()).toBe('early')
    await client.stream(RecordType.DATA, 1, Buffer.alloc(1_000_000))
    expect((await client.request({ params: GET, requestId: 2, role: Role.FILTER, data: '' })).body.toString()).toBe('early')
  })
  it('DATA without end that nobody reads end the connection', async () => {
    const { connect, journal } = await start(() => (_req, res) => res.end('early'), { limits: { drainBytes: 100_000 } })
    const client = await connect()
    await client.begin(1, { role: Role.FILTER })
    await client.params(1, GET)
    await client.stdin(1)
    await client.response(1)
    await client.stream(RecordType.DATA, 1, Buffer.alloc(1_000_000), false).catch(() => undefined)
    await client.whenClosed()
    expect(journal.entries).toContain('clientError "ERR_FCGI_BODY_LIMIT"')
  })
  it('a body that waits does not keep DATA of another request from going on', async () => {
    const { connect } = await start(filter)
    const client = await connect()
    client.expect(1)
    client.expect(2)
    const one = encodeRequest({ requestId: 1, role: Role.FILTER, params: FILTER, data: 'abcde' })
    const two = encodeRequest({ requestId: 2, role: Role.FILTER, params: FILTER, data: 'fghij' })
    await client.sendCut(Buffer.concat([one.subarray(0, -24), two, one.subarray(-24)]), 1000)
    expect((await client.response(2)).body.toString()).toBe('FGHIJ')
    expect((await client.response(1)).body.toString()).toBe('ABCDE')
  })
})
