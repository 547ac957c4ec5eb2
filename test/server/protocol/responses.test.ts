/** What the FastCGI specification demands of an answer: when STDOUT may come, its records, and STDIN beside CONTENT_LENGTH. */
import { describe, expect, it } from '@jest/globals'
import type { RequestListener } from 'node:http'
import { ProtocolStatus, RecordType } from '../../../lib/fastcgi/record.js'
import { nginxParams } from '../../support/nginx-params.js'
import { start } from '../support/started.js'
import { GET, post, hello, echo, gated } from '../support/protocol.js'

describe('when STDOUT may come', () => {
  it('a Responder may answer before STDIN has ended, and the rest of STDIN is read', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.begin(1)
    await client.params(1, post(Buffer.alloc(1_000_000)))
    expect((await client.response(1)).body.toString()).toBe('hello /post')
    await client.stdin(1, Buffer.alloc(1_000_000))
    expect((await client.request({ requestId: 2, params: GET })).status).toBe(200)
  })
  it('the app may read on after its early answer', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      res.end('early')
      let length = 0
      req.on('data', (chunk: Buffer) => (length += chunk.length))
      req.on('end', () => {
        noted.note('read', length)
      })
    })
    const client = await connect()
    await client.begin(1)
    await client.params(1, post(Buffer.alloc(500_000)))
    await client.stdin(1, Buffer.alloc(200_000), false)
    expect((await client.response(1)).body.toString()).toBe('early')
    await client.stdin(1, Buffer.alloc(300_000))
    await journal.until('read')
    expect(journal.entries).toEqual(['read 500000'])
  })
  it('the request is given to the app at the end of PARAMS, not at the first of STDIN', async () => {
    const { connect, journal } = await start(gated)
    const client = await connect()
    await client.begin(1)
    await client.params(1, GET)
    await journal.until('asked /hello')
  })
  it('nothing comes before PARAMS are complete', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.begin(1)
    await client.params(1, GET, false)
    await client.stdin(1, '', true)
    await client.getValues()
    await client.recordOfType(RecordType.GET_VALUES_RESULT)
    expect(client.records).toHaveLength(1)
    await client.params(1, [])
    expect((await client.response(1)).status).toBe(200)
  })
})

describe('what an answer is made of', () => {
  it.each([
    ['a body', (): RequestListener => (_req, res) => res.end('body')],
    ['no body', (): RequestListener => (_req, res) => res.end()],
    ['204', (): RequestListener => (_req, res) => res.writeHead(204).end()],
    ['pieces', (): RequestListener => (_req, res) => {
      res.write('a')
      setImmediate(() => res.end('b'))
    }],
  ])('%s: STDOUT, its empty record, END_REQUEST, and nothing else', async (_name, app) => {
    const { connect } = await start(app)
    const client = await connect()
    const response = await client.request({ params: GET })
    const types = response.records.map(({ type }) => type)
    expect(new Set(types.slice(0, -1))).toEqual(new Set([RecordType.STDOUT]))
    expect(types.at(-1)).toBe(RecordType.END_REQUEST)
    expect(response.records.at(-2)?.content).toHaveLength(0)
    expect(response).toMatchObject({ appStatus: 0, protocolStatus: ProtocolStatus.REQUEST_COMPLETE })
    expect(response.stdout.toString()).not.toMatch(/^HTTP\//)
    expect(response.stdout.toString()).toMatch(/^Status: 20[04] /m)
  })
  it('the whole head is in the first record', async () => {
    const { connect } = await start(() => (_req, res) => {
      for (let i = 0; i < 20; i++) res.setHeader(`X-${String(i)}`, 'v'.repeat(500))
      res.write('a')
      res.end('b')
    }, { limits: { headBytes: 20_000 } })
    const client = await connect()
    const { records } = await client.request({ params: GET })
    expect(records[0]?.content.includes('\r\n\r\n')).toBe(true)
  })
  it('a small answer leaves in one write', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    let reads = 0
    client.socket.on('data', () => reads++)
    for (let i = 0; i < 10; i++) await client.request({ params: GET })
    expect(reads).toBe(10)
  })
})

describe('STDIN is compared with CONTENT_LENGTH', () => {
  it('too little is an aborted upload: 400, and the app hears of it', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      req.on('error', (error) => {
        noted.note('req error', (error as NodeJS.ErrnoException).code)
      })
      req.on('end', noted.noting('req end'))
      res.on('close', noted.noting('res close'))
      req.resume()
    })
    const client = await connect()
    const response = await client.request({ params: nginxParams({ method: 'POST', extra: { CONTENT_LENGTH: '10' } }), body: 'short' })
    expect(response.status).toBe(400)
    await journal.until('req error')
    expect(journal.entries).not.toContain('req end')
    expect(journal.entries).toContain('clientError "ERR_FCGI_BODY_LENGTH"')
  })
  it('too much: the announced octets are the body, or it is refused; the connection goes on', async () => {
    const { connect } = await start(echo)
    const client = await connect()
    const response = await client.request({ params: nginxParams({ method: 'POST', extra: { CONTENT_LENGTH: '3' } }), body: 'abcdef' })
    expect([[200, 'abc'], [400, response.body.toString()]]).toContainEqual([response.status, response.body.toString()])
    expect((await client.request({ params: post('next'), body: 'next' })).body.toString()).toBe('next')
  })
  it('too little after the answer has begun breaks it off', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      req.on('error', () => undefined)
      req.once('data', () => res.write('begun', noted.noting('begun')))
    })
    const client = await connect()
    await client.begin(1)
    await client.params(1, nginxParams({ method: 'POST', extra: { CONTENT_LENGTH: '10' } }))
    await client.stdin(1, 'short', false)
    await journal.until('begun')
    await client.stdin(1)
    const response = await client.collect(1)
    expect(response.complete && response.appStatus === 0).toBe(false)
  })
  it.each(['', '-1', 'abc', '1e3', '0x10', '1 '])('CONTENT_LENGTH %j is no length: the body is what comes', async (length) => {
    const { connect } = await start(echo)
    const client = await connect()
    const response = await client.request({ params: nginxParams({ method: 'POST', extra: { CONTENT_LENGTH: length } }), body: 'as it comes' })
    expect(response).toMatchObject({ status: 200 })
    expect(response.body.toString()).toBe('as it comes')
  })
})
