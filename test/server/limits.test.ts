/** Every limit of the options, with the answer that it must give, its code, and that nothing else is disturbed. */
import { describe, expect, it, jest } from '@jest/globals'
import type { RequestListener } from 'node:http'
import type { ServerOptions } from 'express-responder'
import { encodeRecord, RecordType } from '../../lib/fastcgi/record.js'
import type { Journal } from '../contract/support/journal.js'
import { encodeRequest, type ClientResponse, type FastCgiClient } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { start, turns, type Started } from './support/started.js'

const hello = (): RequestListener => (_req, res) => res.end('hello')
const GET = nginxParams({ url: '/innocent' })

/** A request on the same connection, and one on another, are answered as if nothing had been. */
async function expectUndisturbed(started: Started, ...clients: FastCgiClient[]): Promise<void> {
  for (const client of [...clients, await started.connect()]) {
    const response = await client.request({ params: GET })
    expect([response.status, response.body.toString()]).toEqual([200, 'hello'])
  }
}

function expectRefusal(response: ClientResponse, status: number): void {
  expect(response).toMatchObject({ status, appStatus: 0, protocolStatus: 0 })
  expect(response.headers['content-type']).toMatch(/^text\/plain/)
  expect(Number(response.headers['content-length'])).toBe(response.body.length)
}

describe('limits.paramsBytes', () => {
  it('over it: 431, and the connection goes on', async () => {
    const started = await start(hello, { limits: { paramsBytes: 2000 } })
    const client = await started.connect()
    expectRefusal(await client.request({ params: [...GET, ['HTTP_X_LONG', 'x'.repeat(2000)]] }), 431)
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_PARAMS_LIMIT"'])
    await expectUndisturbed(started, client)
  })
  it('up to it: served', async () => {
    const { encodePairs } = await import('../../lib/fastcgi/params.js')
    const params = [...GET, ['HTTP_X_LONG', 'x'.repeat(1000)]] as [string, string][]
    const started = await start(hello, { limits: { paramsBytes: encodePairs(params).length } })
    const client = await started.connect()
    expect((await client.request({ params })).status).toBe(200)
    expectRefusal(await client.request({ params: [...params, ['', '']] }), 431)
  })
  it('50 MB of PARAMS are read into nothing', async () => {
    const started = await start(hello)
    const client = await started.connect()
    await client.begin(1)
    const record = encodeRecord(RecordType.PARAMS, 1, Buffer.alloc(65_528, 1))
    for (let i = 0; i < 800; i++) await client.send(record)
    await client.params(1, [])
    await client.stdin(1)
    expectRefusal(await client.response(1), 431)
    await expectUndisturbed(started, client)
  })
})

describe('limits.paramsCount', () => {
  it('over it: 431, and the connection goes on', async () => {
    const started = await start(hello, { limits: { paramsCount: 30 } })
    const client = await started.connect()
    const many = Array.from({ length: 31 }, (_nothing, i): [string, string] => [`P${String(i)}`, ''])
    expectRefusal(await client.request({ params: [...GET, ...many] }), 431)
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_PARAMS_LIMIT"'])
    await expectUndisturbed(started, client)
  })
  it('up to it: served', async () => {
    const started = await start(hello, { limits: { paramsCount: GET.length } })
    const client = await started.connect()
    expect((await client.request({ params: GET })).status).toBe(200)
  })
})

describe('limits.requestsPerConnection', () => {
  const gated = (journal: Journal): RequestListener => (req, res) => {
    if (req.url === '/innocent') {
      res.end('hello')
      return
    }
    journal.note(`asked ${req.url ?? ''}`)
    void journal.until('go').then(() => res.end('waited'))
  }
  const open = async (client: FastCgiClient, id: number): Promise<void> => {
    client.expect(id)
    await client.send(encodeRequest({ requestId: id, params: nginxParams({ url: `/${String(id)}` }) }))
  }
  it('over it: 503 with Retry-After; those that are open go on', async () => {
    const started = await start(gated, { limits: { requestsPerConnection: 2 } })
    const client = await started.connect()
    await open(client, 1)
    await open(client, 2)
    await open(client, 3)
    const refused = await client.response(3)
    expectRefusal(refused, 503)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(started.journal.entries).toEqual(['asked /1', 'asked /2', 'clientError "ERR_FCGI_REQUESTS_LIMIT"'])
    await expectUndisturbed(started)
    started.journal.note('go')
    for (const id of [1, 2]) expect((await client.response(id)).body.toString()).toBe('waited')
    await expectUndisturbed(started, client)
  })
  it('requests that never complete their PARAMS count, and are not opened without end', async () => {
    const started = await start(gated, { limits: { requestsPerConnection: 5 } })
    const client = await started.connect()
    for (let id = 1; id <= 1000 && !client.ended; id++) await client.begin(id).catch(() => undefined)
    await client.whenClosed()
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_REQUESTS_LIMIT"'])
    await expectUndisturbed(started)
  })
  it('requests that were answered but whose STDIN never ends are not kept without end', async () => {
    const started = await start(hello, { limits: { requestsPerConnection: 5 } })
    const client = await started.connect()
    for (let id = 1; id <= 500 && !client.ended; id++) {
      await client.begin(id).catch(() => undefined)
      await client.params(id, nginxParams({ method: 'POST', url: '/innocent' })).catch(() => undefined)
    }
    await turns()
    // Whether it closes such a connection or forgets the oldest is the server's choice.
    await expectUndisturbed(started)
  })
})

describe('limits.connections', () => {
  it('over it: closed, with an error; when one leaves, there is room', async () => {
    const started = await start(hello, { limits: { connections: 2 } })
    const [first, second] = [await started.connect(), await started.connect()]
    await first.request({ params: GET })
    await second.request({ params: GET })
    const third = await started.connect()
    await third.whenClosed()
    expect(third.records).toEqual([])
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_CONNECTIONS_LIMIT"'])
    await first.destroy()
    await expectUndisturbed(started, second)
  })
})

describe('limits.bodyBytes', () => {
  const reading = (journal: Journal): RequestListener => (req, res) => {
    if (req.url === '/innocent') {
      res.end('hello')
      return
    }
    journal.note('asked')
    req.on('error', () => undefined)
    req.resume().on('end', () => res.end('read'))
  }
  it('an announced body over it: 413 before the app is asked', async () => {
    const started = await start(reading, { limits: { bodyBytes: 1000 } })
    const client = await started.connect()
    expectRefusal(await client.request({ params: nginxParams({ method: 'POST', body: 'x'.repeat(1001) }), body: 'x'.repeat(1001) }), 413)
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_BODY_LIMIT"'])
    await expectUndisturbed(started, client)
  })
  it('one of unknown length: 413 when it is over it', async () => {
    const started = await start(reading, { limits: { bodyBytes: 1000 } })
    const client = await started.connect()
    expectRefusal(await client.request({ params: nginxParams({ method: 'POST' }), body: 'x'.repeat(1001) }), 413)
    expect(started.journal.entries).toEqual(['asked', 'clientError "ERR_FCGI_BODY_LIMIT"'])
    await expectUndisturbed(started, client)
  })
  it('up to it: served', async () => {
    const started = await start(reading, { limits: { bodyBytes: 1000 } })
    const client = await started.connect()
    for (const announced of ['1000', '']) {
      const params = nginxParams({ method: 'POST', extra: { CONTENT_LENGTH: announced } })
      expect((await client.request({ params, body: 'x'.repeat(1000) })).body.toString()).toBe('read')
    }
  })
  it('a length that is too long to be a number is over it', async () => {
    const started = await start(reading)
    const client = await started.connect()
    await client.begin(1)
    await client.params(1, nginxParams({ method: 'POST', extra: { CONTENT_LENGTH: '999999999999999' } }))
    expectRefusal(await client.response(1), 413)
    await expectUndisturbed(started, client)
  })
})

describe('limits.drainBytes', () => {
  it('input that nobody reads after an early answer: bounded, then closed', async () => {
    const started = await start(hello, { limits: { drainBytes: 300_000 } })
    const client = await started.connect()
    await client.begin(1)
    await client.params(1, nginxParams({ method: 'POST' }))
    await client.response(1)
    await client.stdin(1, Buffer.alloc(250_000), false)
    await expectUndisturbed(started)
    await client.stdin(1, Buffer.alloc(200_000), false).catch(() => undefined)
    await client.whenClosed()
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_BODY_LIMIT"'])
    await expectUndisturbed(started)
  })
  it('counts records of inactive ids, too: ERR_FCGI_BODY_LIMIT', async () => {
    const started = await start(hello, { limits: { drainBytes: 100_000 } })
    const client = await started.connect()
    await client.stream(RecordType.STDIN, 77, Buffer.alloc(300_000)).catch(() => undefined)
    await client.whenClosed()
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_BODY_LIMIT"'])
  })
  it('what the app goes on reading after its early answer is no input that nobody reads', async () => {
    const started = await start(
      (journal) => (req, res) => {
        res.end('early')
        let length = 0
        req.on('data', (chunk: Buffer) => (length += chunk.length))
        req.on('end', () => {
          journal.note('read', length)
        })
      },
      { limits: { drainBytes: 100_000 } },
    )
    const client = await started.connect()
    await client.begin(1)
    await client.params(1, nginxParams({ method: 'POST', body: Buffer.alloc(400_000) }))
    await client.response(1)
    await client.stdin(1, Buffer.alloc(400_000)).catch(() => undefined)
    await started.journal.until('read')
    expect(started.journal.entries).toEqual(['read 400000'])
  })
})

describe('limits.headBytes', () => {
  const large = (): RequestListener => (_req, res) => {
    res.setHeader('X-Small', 's')
    res.setHeader('X-Culprit', 'c'.repeat(900))
    res.end('hello')
  }
  it('over it: a warning that names the largest header; the answer is sent', async () => {
    const started = await start(large, { limits: { headBytes: 800 } })
    const messages: string[] = []
    started.server.on('warning', (error: Error) => messages.push(error.message))
    const client = await started.connect()
    expect((await client.request({ params: nginxParams({ url: '/which' }) })).body.toString()).toBe('hello')
    expect(started.journal.entries).toEqual(['warning "ERR_FCGI_HEADER_SIZE"'])
    expect(messages[0]).toMatch(/\/which.*X-Culprit/)
  })
})

describe('limits.headerCount', () => {
  const withHeaders = (count: number): RequestListener => (_req, res) => {
    // Date and Content-Length are Node's; Connection is not sent on.
    for (let index = 2; index < count; index++) res.appendHeader('Set-Cookie', `c${String(index)}=1`)
    res.setHeader('Connection', 'close')
    res.end('hello')
  }
  it.each([[99, 0], [100, 1]])('%i headers: so many warnings: %i', async (count, warnings) => {
    const started = await start(() => withHeaders(count))
    const messages: string[] = []
    started.server.on('warning', (error: Error) => messages.push(error.message))
    const client = await started.connect()
    const response = await client.request({ params: nginxParams({ url: '/which' }) })
    expect(response.body.toString()).toBe('hello')
    expect(messages.filter((message) => message.includes('/which has more than 99 headers'))).toHaveLength(warnings)
  })

  it('is as large as it is said to be', async () => {
    const started = await start(() => withHeaders(12), { limits: { headerCount: 11 } })
    const client = await started.connect()
    await client.request({ params: nginxParams() })
    expect(started.journal.entries).toEqual(['warning "ERR_FCGI_HEADER_COUNT"'])
  })
})

describe('what makes no request', () => {
  const cases: [string, [string, string][]][] = [
    ['no REQUEST_METHOD', nginxParams({ extra: { REQUEST_METHOD: undefined } })],
    ['a method that is none', nginxParams({ method: 'G T' })],
    ['no url of any kind', nginxParams({ extra: { REQUEST_URI: undefined, DOCUMENT_URI: undefined, SCRIPT_NAME: undefined, PATH_INFO: undefined } })],
    ['a url with a space', nginxParams({ url: '/a b' })],
    ['a url with a line break', nginxParams({ url: '/a\r\nX: y' })],
    ['CR in a header', nginxParams({ headers: { 'X-A': 'a\rb' } })],
    ['LF in a header', nginxParams({ headers: { 'X-A': 'a\nb' } })],
    ['NUL in a header', nginxParams({ headers: { 'X-A': 'a\0b' } })],
    ['LF in the content type', nginxParams({ extra: { CONTENT_TYPE: 'a\nb' } })],
    ['X-Real-IP twice', nginxParams({ headers: [['X-Real-IP', '1.2.3.4'], ['X_Real_IP', '6.6.6.6']] })],
    ['X-Forwarded-For twice', nginxParams({ headers: [['X-Forwarded-For', '1.2.3.4'], ['X-Forwarded-For', '6.6.6.6']] })],
    ['Host twice', [...GET, ['HTTP_HOST', 'evil.example']]],
  ]
  it.each(cases)('%s: 400, and the connection goes on', async (_what, params) => {
    const started = await start(hello)
    const client = await started.connect()
    expectRefusal(await client.request({ params }), 400)
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_BAD_REQUEST"'])
    await expectUndisturbed(started, client)
  })
  it('an empty PARAMS stream: 400', async () => {
    const started = await start(hello)
    const client = await started.connect()
    expectRefusal(await client.request({ params: [] }), 400)
    await expectUndisturbed(started, client)
  })
  it('CONNECT: 501 that says why', async () => {
    const started = await start(hello)
    const client = await started.connect()
    const response = await client.request({ params: nginxParams({ method: 'CONNECT', url: 'a.example:443' }) })
    expectRefusal(response, 501)
    expect(response.body.toString()).toMatch(/FastCGI.*CONNECT/)
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_UPGRADE"'])
    await expectUndisturbed(started, client)
  })
  it('ambiguous headers are joined where that is asked for', async () => {
    const started = await start(() => (req, res) => res.end(JSON.stringify(req.headers['x-forwarded-for'])), { ambiguousHeaders: 'join' })
    const client = await started.connect()
    const params = nginxParams({ headers: [['X-Forwarded-For', '1.2.3.4'], ['X-Forwarded-For', '6.6.6.6']] })
    expect((await client.request({ params })).body.toString()).toBe('"1.2.3.4, 6.6.6.6"')
  })
  it('a refused HEAD has no body', async () => {
    const started = await start(hello, { limits: { paramsCount: 30 } })
    const client = await started.connect()
    const many = Array.from({ length: 31 }, (_nothing, i): [string, string] => [`P${String(i)}`, ''])
    const response = await client.request({ params: [...nginxParams({ method: 'HEAD' }), ...many] })
    expect(response.status).toBe(431)
    expect(response.body).toHaveLength(0)
  })
})

describe('a peer that does not read', () => {
  /** Sends without end until the server stops reading, or `most` octets are gone. */
  const flood = async (client: FastCgiClient, bytes: Buffer, most: number): Promise<number> => {
    let sent = 0
    while (sent < most) {
      if (!client.socket.write(bytes)) {
        const drained = new Promise<boolean>((resolve) => client.socket.once('drain', () => {
          resolve(true)
        }))
        if (!(await Promise.race([drained, turns(300).then(() => false)]))) return sent
      }
      sent += bytes.length
    }
    return sent
  }
  const floods: [string, (id: number) => Buffer][] = [
    ['GET_VALUES', () => Buffer.concat(Array.from({ length: 500 }, () => encodeRecord(RecordType.GET_VALUES, 0)))],
    ['unknown management types', () => Buffer.concat(Array.from({ length: 500 }, () => encodeRecord(99, 0)))],
    ['requests of an unknown role', () => Buffer.concat(Array.from({ length: 100 }, () => encodeRequest({ requestId: 1, role: 9 }).subarray(0, 16)))],
    ['requests', () => Buffer.concat(Array.from({ length: 50 }, () => encodeRequest({ requestId: 1, params: GET })))],
    ['refused requests', () => Buffer.concat(Array.from({ length: 50 }, () => encodeRequest({ requestId: 1 })))],
  ]
  it.each(floods)('cannot make the server hold answers without end: %s', async (_what, bytes) => {
    const started = await start(hello)
    const client = await started.connect()
    client.pause()
    const sent = await flood(client, bytes(1), 40_000_000)
    expect(sent).toBeLessThan(20_000_000)
    await client.destroy()
    await expectUndisturbed(started)
  })
})

describe('timeouts', () => {
  const withTimeouts = async (timeouts: ServerOptions['timeouts'], app = hello): Promise<Started> => start(app, { timeouts: timeouts ?? {} })

  it('params: PARAMS that are not completed in time close the connection', async () => {
    const started = await withTimeouts({ params: 60 })
    const client = await started.connect()
    await client.begin(1)
    await client.params(1, GET, false)
    await client.whenClosed()
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_PARAMS_TIMEOUT"'])
    await expectUndisturbed(started)
  })
  it('params: so does a record header that stays cut', async () => {
    const started = await withTimeouts({ params: 60 })
    const client = await started.connect()
    await client.send(Buffer.of(1, 1, 0))
    await client.whenClosed()
    expect(started.journal.entries).toEqual(['clientError "ERR_FCGI_PARAMS_TIMEOUT"'])
  })
  it('params: a slow answer and a slow upload are not under it', async () => {
    const started = await withTimeouts({ params: 40, idle: 40, linger: 40 }, () => (req, res) => {
      req.resume().on('end', () => setTimeout(() => res.end('hello'), 150))
    })
    const client = await started.connect()
    await client.begin(1)
    await client.params(1, nginxParams({ method: 'POST' }))
    await new Promise((resolve) => setTimeout(resolve, 150))
    await client.stdin(1, 'x')
    expect((await client.response(1)).body.toString()).toBe('hello')
  })
  it('idle: a connection without a request is closed, kept or new, and the web server sees a clean end', async () => {
    const started = await withTimeouts({ idle: 60 })
    const client = await started.connect()
    await client.request({ params: GET })
    await client.whenEnded()
    const fresh = await started.connect()
    await fresh.whenEnded()
    expect([client.error, fresh.error]).toEqual([undefined, undefined])
    expect(started.journal.entries).toEqual(Array(2).fill('clientError "ERR_FCGI_IDLE_TIMEOUT"'))
  })
  it('linger: a peer that does not close a connection that is done with is cut off', async () => {
    const started = await withTimeouts({ linger: 60 })
    const client = await started.connect({ allowHalfOpen: true })
    await client.begin(1, { keepConnection: false })
    await client.params(1, nginxParams({ method: 'POST' }))
    await client.response(1)
    await client.whenEnded()
    const { server } = started
    for (;;) {
      const count = await new Promise<number>((resolve) => {
        server.getConnections((_error, connections) => {
          resolve(connections)
        })
      })
      if (count === 0) break
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })

  describe('by a clock of the test', () => {
    it('a connection that was idle for long has its full time for the next PARAMS', async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'setTimeout', 'Date', 'performance', 'hrtime'] })
      try {
        const started = await withTimeouts({ params: 4000, idle: 100_000 })
        const client = await started.connect()
        await client.request({ params: GET })
        jest.advanceTimersByTime(60_000)
        client.expect(2)
        const bytes = encodeRequest({ requestId: 2, params: GET })
        await client.send(bytes.subarray(0, 5))
        await turns()
        jest.advanceTimersByTime(2000)
        await client.send(bytes.subarray(5))
        expect((await client.response(2)).status).toBe(200)
      } finally {
        jest.useRealTimers()
      }
    })
    it('timeouts.params and timeouts.idle of 0 are no limit', async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'setTimeout', 'Date', 'performance', 'hrtime'] })
      try {
        const started = await withTimeouts({ params: 0, idle: 0 })
        const [idle, slow] = [await started.connect(), await started.connect()]
        await slow.begin(1)
        await turns()
        jest.advanceTimersByTime(10_000_000)
        await slow.params(1, GET)
        await slow.stdin(1)
        expect((await slow.response(1)).status).toBe(200)
        expect((await idle.request({ params: GET })).status).toBe(200)
      } finally {
        jest.useRealTimers()
      }
    })
  })
})
