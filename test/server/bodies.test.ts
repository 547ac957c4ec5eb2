/** Bodies that the params say nothing of, and bodies that do not come. */
import { describe, expect, it } from '@jest/globals'
import type { RequestListener } from 'node:http'
import express from 'express'
import { RecordType } from '../../lib/fastcgi/record.js'
import type { Journal } from '../contract/support/journal.js'
import { encodeRequest } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { start, turns } from './support/started.js'

/** Jetty and yaws: no CONTENT_LENGTH and no HTTP_TRANSFER_ENCODING. */
const untold = (method: string, extra: Record<string, string | undefined> = {}): [string, string][] =>
  nginxParams({ method, headers: { 'Content-Type': 'application/json' }, extra: { CONTENT_LENGTH: undefined, ...extra } })

const json = (): RequestListener => {
  const app = express()
  app.use(express.json())
  app.all('/', (req, res) => res.json({ body: (req.body as unknown) ?? null, encoding: req.headers['transfer-encoding'] ?? null }))
  return app
}

describe('without a length and a hint the first STDIN record tells', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'])('that a %s has a body', async (method) => {
    const { connect } = await start(json)
    const client = await connect()
    const answer = await client.request({ params: untold(method), body: '{"a":1}' })
    expect(JSON.parse(answer.body.toString())).toEqual({ body: { a: 1 }, encoding: 'chunked' })
  })

  it.each(['POST', 'DELETE'])('that a %s has none', async (method) => {
    const { connect } = await start(json)
    const client = await connect()
    for (const extra of [{}, { CONTENT_LENGTH: '' }]) {
      const answer = await client.request({ params: untold(method, extra) })
      expect(JSON.parse(answer.body.toString())).toEqual({ body: null, encoding: null })
    }
  })

  it('cut at any place, and one after the other on a connection', async () => {
    const { connect } = await start(json)
    const client = await connect()
    for (const cut of [1, 7, 100]) {
      const answer = await client.request({ params: untold('POST'), body: '{"a":1}', cut })
      expect(JSON.parse(answer.body.toString())).toEqual({ body: { a: 1 }, encoding: 'chunked' })
    }
  })

  it('a body that comes late is read, and a web server that sends no STDIN at all is answered', async () => {
    const { connect } = await start(() => (req, res) => {
      if (req.url === '/body') req.pipe(res)
      else res.end(req.headers['transfer-encoding'])
    }, { timeouts: { idle: 80 } })
    const late = await connect()
    await late.begin(1)
    await late.params(1, untold('POST', { REQUEST_URI: '/body' }))
    const silent = await connect()
    await silent.begin(1)
    await silent.params(1, untold('POST'))
    await silent.until(() => silent.soFar(1).stdout.length > 0)
    expect(silent.soFar(1).body.toString()).toBe('chunked')
    await late.stdin(1, 'late')
    expect((await late.response(1)).body.toString()).toBe('late')
  })

  it('one that is given up before is never given to the app', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      noted.note('asked', req.method)
      res.end()
    })
    const client = await connect()
    await client.begin(1)
    await client.params(1, untold('POST'))
    await client.abort(1)
    await client.collect(1)
    await client.begin(2)
    await client.params(2, untold('POST'))
    await client.destroy()
    await turns()
    expect(journal.entries).toEqual([])
  })

  it('a GET does not wait for it', async () => {
    const { connect } = await start(() => (_req, res) => res.end('at once'))
    const client = await connect()
    await client.begin(1)
    await client.params(1, untold('GET'))
    expect((await client.response(1)).body.toString()).toBe('at once')
  })
})

describe('timeouts.body', () => {
  const reader = (journal: Journal): RequestListener => (req, res) => {
    req.on('aborted', () => { journal.note('aborted') })
    req.on('error', (error: NodeJS.ErrnoException) => { journal.note('error', error.code) })
    if (req.url === '/begun') res.write('begun')
    req.on('data', () => undefined).on('end', () => res.end('read'))
  }
  const upload = (url: string): [string, string][] => nginxParams({ method: 'POST', url, extra: { CONTENT_LENGTH: '100' } })

  it('a body of which nothing more comes: 408, and the app hears of it', async () => {
    const { connect, journal } = await start(reader, { timeouts: { body: 40 } })
    const client = await connect()
    await client.begin(1)
    await client.params(1, upload('/'))
    await client.stdin(1, 'some', false)
    expect((await client.response(1)).status).toBe(408)
    await journal.until('error')
    expect(journal.entries).toContain('clientError "ERR_FCGI_BODY_TIMEOUT"')
    expect((await client.request({ params: nginxParams({ method: 'POST', url: '/', body: 'x' }), body: 'x' })).body.toString()).toBe('read')
  })

  it('a response that has begun is broken off', async () => {
    const { connect, journal } = await start(reader, { timeouts: { body: 40 } })
    const client = await connect()
    await client.begin(1)
    await client.params(1, upload('/begun'))
    expect((await client.collect(1)).complete).toBe(false)
    await journal.until('error')
  })

  it('does not count while the app does not read', async () => {
    let readOn = (): void => undefined
    const { connect } = await start(() => (req, res) => {
      req.once('readable', () => {
        readOn = () => req.on('data', () => undefined).on('end', () => res.end('read'))
      })
    }, { timeouts: { body: 40, idle: 40 } })
    const client = await connect()
    await client.begin(1)
    const body = Buffer.alloc(200_000)
    await client.params(1, nginxParams({ method: 'POST', url: '/', body }))
    void client.stdin(1, body)
    // An idle connection is closed in the same time: then so much has passed.
    const idle = await connect()
    await idle.whenEnded()
    const another = await connect()
    await another.whenEnded()
    readOn()
    expect((await client.response(1)).body.toString()).toBe('read')
  })

  it('nor is it a limit on a response whose request has no body', async () => {
    const { connect, journal } = await start((noted) => (_req, res) => {
      void noted.until('go').then(() => res.end('slow'))
    }, { timeouts: { body: 20, idle: 60 } })
    const client = await connect()
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: nginxParams() }))
    const unended = await connect()
    await unended.begin(1)
    await unended.params(1, nginxParams())
    await (await connect()).whenEnded()
    journal.note('go')
    expect((await client.response(1)).body.toString()).toBe('slow')
    expect((await unended.record(({ type }) => type === RecordType.END_REQUEST)).requestId).toBe(1)
  })
})
