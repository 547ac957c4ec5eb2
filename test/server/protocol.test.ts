/** The FastCGI specification's demands on an application server, one by one, over a real Unix socket. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { Socket, type AddressInfo } from 'node:net'
import type { RequestListener } from 'node:http'
import { authorize, createServer, filterData, params } from 'express-responder'
import express from 'express'
import {
  encodeBeginRequest,
  encodeRecord,
  ProtocolStatus,
  RecordType,
  Role,
} from '../../lib/fastcgi/record.js'
import { decodePairs, encodePairs } from '../../lib/fastcgi/params.js'
import type { Journal } from '../contract/support/journal.js'
import { encodeRequest } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { afterTest, connectTo, start, turns } from './support/started.js'

const GET = nginxParams({ url: '/hello' })
const post = (body: string | Buffer) => nginxParams({ method: 'POST', url: '/post', body })

const hello = (): RequestListener => (req, res) => res.end(`hello ${req.url ?? ''}`)

/** Answers with what it read. */
const echo = (): RequestListener => (req, res) => {
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => chunks.push(chunk))
  req.on('end', () => res.end(Buffer.concat(chunks)))
}

/** Answers when the journal says `go <url>`, having noted `asked <url>`. */
const gated = (journal: Journal): RequestListener => (req, res) => {
  const url = req.url ?? ''
  journal.note(`asked ${url}`)
  void journal.until(`go ${url}`).then(() => res.end(`answer ${url}`))
}

// Demand 1, descriptor 0 as the listening socket, needs a process of its own: see test/process.

describe('2: FCGI_WEB_SERVER_ADDRS', () => {
  const overTcp = async (addresses: string | undefined, host = '127.0.0.1') => {
    const before = process.env['FCGI_WEB_SERVER_ADDRS']
    if (addresses === undefined) delete process.env['FCGI_WEB_SERVER_ADDRS']
    else process.env['FCGI_WEB_SERVER_ADDRS'] = addresses
    const errors: string[] = []
    try {
      const server = createServer(hello())
      server.on('clientError', (error) => errors.push((error as NodeJS.ErrnoException).code ?? ''))
      server.listen(0, host)
      await once(server, 'listening')
      afterTest(async () => {
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      })
      return { server, port: (server.address() as AddressInfo).port, errors }
    } finally {
      if (before === undefined) delete process.env['FCGI_WEB_SERVER_ADDRS']
      else process.env['FCGI_WEB_SERVER_ADDRS'] = before
    }
  }
  it.each([[undefined], [''], ['127.0.0.1'], ['192.0.2.1, 127.0.0.1']])('%s lets 127.0.0.1 in', async (addresses) => {
    const { port } = await overTcp(addresses)
    const client = await connectTo(port)
    expect((await client.request({ params: GET })).status).toBe(200)
  })
  it('refuses a peer that is not in the list', async () => {
    const { port, errors } = await overTcp('192.0.2.1,::1')
    const client = await connectTo(port)
    await client.whenClosed()
    expect(client.records).toEqual([])
    expect(errors).toEqual(['ERR_FCGI_PEER_REFUSED'])
  })
  it('refuses a peer that has no address any more, because it has reset its connection', async () => {
    const { server, errors } = await overTcp('127.0.0.1')
    const peer = new Socket()
    server.emit('connection', peer)
    expect(peer.destroyed).toBe(true)
    expect(errors).toEqual(['ERR_FCGI_PEER_REFUSED'])
  })
  it('knows an IPv4 address in IPv6 form', async () => {
    const { port } = await overTcp('127.0.0.1', '::')
    const client = await connectTo(port)
    expect((await client.request({ params: GET })).status).toBe(200)
  })
  it('an address that is none is an error that names it', () => {
    expect(() => createServer(hello(), { webServerAddresses: ['localhost'] })).toThrow(/localhost/)
  })
})

describe('3: another protocol version closes the connection', () => {
  it.each([0, 2, 255])('version %i', async (version) => {
    const { connect, journal } = await start(hello)
    const client = await connect()
    const bytes = encodeRequest({ requestId: 1, params: GET })
    bytes[0] = version
    await client.send(bytes)
    await client.whenClosed()
    expect(client.records).toEqual([])
    expect(journal.entries).toEqual(['clientError "ERR_FCGI_BAD_VERSION"'])
  })
  it('an HTTP client is told by closing, at its first octet', async () => {
    const { connect, journal } = await start(hello)
    const client = await connect()
    await client.send(Buffer.from('G'))
    await client.whenClosed()
    expect(journal.entries).toEqual(['clientError "ERR_FCGI_BAD_VERSION"'])
  })
  it('in the middle of a connection, other connections go on', async () => {
    const { connect } = await start(gated)
    const [bad, good] = [await connect(), await connect()]
    good.expect(1)
    await good.send(encodeRequest({ requestId: 1, params: GET }))
    await bad.send(encodeRequest({ requestId: 1, params: nginxParams({ url: '/bad' }) }), Buffer.from([9, 9, 9]))
    await bad.whenClosed()
    const { journal, connect: connectAgain } = await start(hello)
    expect(journal.entries).toEqual([])
    const other = await connectAgain()
    expect((await other.request({ params: GET })).status).toBe(200)
  })
})

describe('4: lengths and padding', () => {
  it.each([1, 7, 8, 200, 255])('%i octets of padding are skipped', async (padding) => {
    const { connect } = await start(echo)
    const client = await connect()
    client.expect(1)
    const padded = (record: Buffer): Buffer => {
      const bare = record.subarray(0, 8 + record.readUInt16BE(4))
      const bytes = Buffer.concat([bare, Buffer.alloc(padding, 0xff)])
      bytes[6] = padding
      return bytes
    }
    await client.send(
      padded(encodeBeginRequest(1, { role: Role.RESPONDER, keepConnection: true })),
      padded(encodeRecord(RecordType.PARAMS, 1, encodePairs(post('abc')))),
      padded(encodeRecord(RecordType.PARAMS, 1)),
      padded(encodeRecord(RecordType.STDIN, 1, Buffer.from('abc'))),
      padded(encodeRecord(RecordType.STDIN, 1)),
    )
    expect((await client.response(1)).body.toString()).toBe('abc')
    expect((await client.request({ params: post('d'), body: 'd' })).body.toString()).toBe('d')
  })
  it('records of 65535 octets', async () => {
    const { connect } = await start(echo)
    const client = await connect()
    const body = Buffer.alloc(65_535 * 2, 'z')
    client.expect(1)
    await client.send(
      encodeRequest({ requestId: 1, params: post(body) }).subarray(0, -8),
      encodeRecord(RecordType.STDIN, 1, body.subarray(0, 65_535)),
      encodeRecord(RecordType.STDIN, 1, body.subarray(65_535)),
      encodeRecord(RecordType.STDIN, 1),
    )
    expect((await client.response(1)).body.equals(body)).toBe(true)
  })
  it.each([1, 2, 3, 5, 7, 8, 9, 11, 64])('input in pieces of %i octets reads the same', async (size) => {
    const { connect } = await start(echo)
    const client = await connect()
    const body = 'the body of it'
    client.expect(1)
    client.expect(2)
    const bytes = Buffer.concat([
      encodeRequest({ requestId: 1, params: post(body), body }),
      encodeRecord(RecordType.GET_VALUES, 0, encodePairs([['FCGI_MPXS_CONNS', '']])),
      encodeRequest({ requestId: 2, params: post(body), body }),
    ])
    await client.sendCut(bytes, size)
    expect((await client.response(1)).body.toString()).toBe(body)
    expect((await client.response(2)).body.toString()).toBe(body)
    expect(client.records.filter(({ type }) => type === RecordType.GET_VALUES_RESULT)).toHaveLength(1)
  })
})

describe('5: what is sent is 8-byte aligned', () => {
  it('whatever the length of a body', async () => {
    const { connect } = await start(() => (req, res) => {
      const [, length] = (req.url ?? '').split('?')
      res.write('x'.repeat(Number(length)))
      res.end(Buffer.alloc(Number(length)))
    })
    const client = await connect()
    for (const length of [0, 1, 7, 8, 9, 5461, 5462, 16_383, 16_385, 65_527, 65_528, 65_529, 65_535, 65_536, 200_001]) {
      const { body } = await client.request({ params: nginxParams({ url: `/?${String(length)}` }) })
      expect(body).toHaveLength(2 * length)
    }
    expect(client.violations).toEqual([])
    expect(Math.max(...client.records.map(({ content }) => content.length))).toBeLessThanOrEqual(65_528)
  })
})

describe('6: request id 0 is management', () => {
  it.each([
    ['STDIN', RecordType.STDIN],
    ['PARAMS', RecordType.PARAMS],
    ['BEGIN_REQUEST', RecordType.BEGIN_REQUEST],
  ])('a %s record of id 0 begins no request', async (_name, type) => {
    const { connect, journal } = await start(hello)
    const client = await connect()
    await client.send(encodeRecord(type, 0, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0])))
    const answer = await client.recordOfType(RecordType.UNKNOWN_TYPE)
    expect(answer.content[0]).toBe(type)
    expect((await client.request({ params: GET })).status).toBe(200)
    expect(journal.entries).toEqual([])
  })
  it('a stream record of id 0 that arrives in pieces is one record', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.sendCut(encodeRecord(RecordType.STDIN, 0, Buffer.alloc(1000)), [8, 100])
    expect((await client.request({ params: GET })).status).toBe(200)
    expect(client.records.filter(({ type }) => type === RecordType.UNKNOWN_TYPE)).toHaveLength(1)
  })
  it.each([1, 255, 256, 65_535])('id %i is a request', async (requestId) => {
    const { connect } = await start(hello)
    const client = await connect()
    expect((await client.request({ requestId, params: GET })).body.toString()).toBe('hello /hello')
  })
})

describe('7: records for ids that are not active are ignored', () => {
  it.each([
    ['STDIN', RecordType.STDIN],
    ['PARAMS', RecordType.PARAMS],
    ['DATA', RecordType.DATA],
    ['ABORT_REQUEST', RecordType.ABORT_REQUEST],
    ['END_REQUEST', RecordType.END_REQUEST],
    ['STDOUT', RecordType.STDOUT],
    ['a type that is unknown', 77],
  ])('%s before any BEGIN_REQUEST, and after END_REQUEST', async (_name, type) => {
    const { connect, journal } = await start(hello)
    const client = await connect()
    const stray = encodeRecord(type, 9, Buffer.from('stray'))
    await client.send(stray, encodeRecord(type, 9))
    expect((await client.request({ requestId: 9, params: GET })).status).toBe(200)
    await client.send(stray, encodeRecord(type, 9))
    expect((await client.request({ requestId: 10, params: GET })).status).toBe(200)
    expect(journal.entries).toEqual([])
  })
  it('types that only an application sends are ignored on an active id too', async () => {
    const { connect } = await start(gated)
    const client = await connect()
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: GET }))
    for (const type of [RecordType.END_REQUEST, RecordType.STDOUT, RecordType.STDERR, RecordType.GET_VALUES_RESULT, 99]) {
      await client.send(encodeRecord(type, 1, Buffer.alloc(8)))
    }
    await client.getValues('FCGI_MAX_REQS')
    await client.recordOfType(RecordType.GET_VALUES_RESULT)
    expect(client.records).toHaveLength(1)
  })
})

describe('8: BEGIN_REQUEST on an active id closes the connection', () => {
  it('before PARAMS are complete', async () => {
    const { connect, journal } = await start(hello)
    const client = await connect()
    await client.begin(1)
    await client.begin(1)
    await client.whenClosed()
    expect(journal.entries).toEqual(['clientError "ERR_FCGI_BAD_RECORD"'])
  })
  it('while the app answers, which then hears of the abort', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      noted.note('asked')
      res.on('close', noted.noting('res close'))
      req.on('error', () => undefined)
    })
    const client = await connect()
    await client.begin(1)
    await client.params(1, GET)
    await journal.until('asked')
    await client.begin(1)
    await client.whenClosed()
    await journal.until('res close')
    expect(journal.entries).toContain('clientError "ERR_FCGI_BAD_RECORD"')
  })
  it('a BEGIN_REQUEST that is too short', async () => {
    const { connect, journal } = await start(hello)
    const client = await connect()
    await client.send(encodeRecord(RecordType.BEGIN_REQUEST, 1, Buffer.from([0, 1, 1])))
    await client.whenClosed()
    expect(journal.entries).toEqual(['clientError "ERR_FCGI_BAD_RECORD"'])
  })
  it('an id may be used again once END_REQUEST was sent, also before its STDIN has ended', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    for (let use = 0; use < 3; use++) {
      await client.begin(5)
      await client.params(5, post('never sent'))
      expect((await client.response(5)).body.toString()).toBe('hello /post')
    }
    for (let use = 0; use < 3; use++) expect((await client.request({ requestId: 5, params: GET })).status).toBe(200)
  })
})

describe('9: streams and name-value pairs over several records', () => {
  it('PARAMS cut at every octet into two records', async () => {
    const { connect } = await start(() => (req, res) => res.end(JSON.stringify([req.url, params(req)?.['LONG']?.length])))
    const client = await connect()
    const bytes = encodePairs([...nginxParams({ url: '/cut' }).slice(0, 6), ['LONG', 'l'.repeat(130)]])
    for (let cut = 1; cut < bytes.length; cut++) {
      const requestId = client.newId()
      client.expect(requestId)
      await client.send(
        encodeBeginRequest(requestId, { role: Role.RESPONDER, keepConnection: true }),
        encodeRecord(RecordType.PARAMS, requestId, bytes.subarray(0, cut)),
        encodeRecord(RecordType.PARAMS, requestId, bytes.subarray(cut)),
        encodeRecord(RecordType.PARAMS, requestId),
        encodeRecord(RecordType.STDIN, requestId),
      )
      expect((await client.response(requestId)).body.toString()).toBe('["/cut",130]')
    }
  })
  it('PARAMS of one octet a record', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.begin(1)
    const bytes = encodePairs(GET)
    await client.send(...[...bytes].map((octet) => encodeRecord(RecordType.PARAMS, 1, Buffer.of(octet))))
    await client.params(1, [])
    await client.stdin(1)
    expect((await client.response(1)).body.toString()).toBe('hello /hello')
  })
  it('STDIN in many records', async () => {
    const { connect } = await start(echo)
    const client = await connect()
    await client.begin(1)
    await client.params(1, post('abcdef'))
    for (const letter of 'abcdef') await client.stdin(1, letter, false)
    await client.stdin(1)
    expect((await client.response(1)).body.toString()).toBe('abcdef')
  })
})

describe('10: lengths of pairs', () => {
  it('of 1 and of 4 octets, also where 1 would do', async () => {
    const { connect } = await start(() => (req, res) => res.end(JSON.stringify([req.url, params(req)?.['A'], params(req)?.['']])))
    const client = await connect()
    const long = (length: number): Buffer => Buffer.of(0x80, 0, 0, length)
    const pair = (name: string, value: string): Buffer => Buffer.concat([long(name.length), long(value.length), Buffer.from(name + value)])
    await client.begin(1)
    const bytes = Buffer.concat([pair('REQUEST_METHOD', 'GET'), pair('REQUEST_URI', '/long'), pair('A', ''), pair('', 'nameless')])
    await client.stream(RecordType.PARAMS, 1, bytes)
    await client.stdin(1)
    expect((await client.response(1)).body.toString()).toBe('["/long","","nameless"]')
  })
  it.each([
    ['a value longer than what remains', Buffer.from([1, 5, 65, 66])],
    ['a name longer than what remains', Buffer.from([9, 0, 65])],
    ['lengths whose sum overflows 32 bits', Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 65])],
    ['lengths whose sum overflows 31 bits', Buffer.from([0xc0, 0, 0, 0, 0xc0, 0, 0, 0, 65])],
    ['a length that is cut', Buffer.from([0x80, 0, 0])],
    ['a name length alone', Buffer.from([4])],
  ])('%s closes the connection', async (_name, tail) => {
    const { connect, journal } = await start(hello)
    const client = await connect()
    await client.begin(1)
    await client.stream(RecordType.PARAMS, 1, Buffer.concat([encodePairs(GET), tail]))
    await client.whenClosed()
    expect(client.records).toEqual([])
    expect(journal.entries).toEqual(['clientError "ERR_FCGI_BAD_PARAMS"'])
  })
  it('names that would change an object’s prototype are names', async () => {
    const { connect } = await start(() => (req, res) => {
      const all = params(req) ?? {}
      res.end(JSON.stringify([Object.keys(all).includes('__proto__'), Object.getPrototypeOf(all), ({} as Record<string, unknown>)['polluted'] ?? null]))
    })
    const client = await connect()
    const { body } = await client.request({ params: [...GET, ['__proto__', 'polluted'], ['constructor', 'x'], ['HTTP___PROTO__', 'y']] })
    expect(JSON.parse(body.toString())).toEqual([true, null, null])
  })
})

describe('11: BEGIN_REQUEST', () => {
  it('reserved octets and other flags are ignored', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    client.expect(1)
    await client.send(
      encodeRecord(RecordType.BEGIN_REQUEST, 1, Buffer.from([0, 1, 0xff, 9, 9, 9, 9, 9, 9, 9])),
      encodeRequest({ requestId: 1, params: GET }).subarray(16),
    )
    expect((await client.response(1)).status).toBe(200)
    expect((await client.request({ params: GET })).status).toBe(200)
  })
})

describe('12: an unknown role', () => {
  it.each([0, 4, 255, 256, 65_535])('role %i ends with UNKNOWN_ROLE, and the connection is kept', async (role) => {
    const { connect } = await start(hello)
    const client = await connect()
    const refused = await client.request({ role, params: GET })
    expect(refused).toMatchObject({ protocolStatus: ProtocolStatus.UNKNOWN_ROLE, appStatus: 0 })
    expect((await client.request({ params: GET })).status).toBe(200)
  })
  it('without KEEP_CONN the connection is closed', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    const refused = await client.request({ role: 7, params: GET, keepConnection: false })
    expect(refused.protocolStatus).toBe(ProtocolStatus.UNKNOWN_ROLE)
    await client.whenEnded()
  })
})

describe('13: KEEP_CONN', () => {
  it('0: the application closes after the response', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    expect((await client.request({ params: GET, keepConnection: false })).body.toString()).toBe('hello /hello')
    await client.whenClosed()
    expect(client.error).toBeUndefined()
  })
  it('0 with a large response: every octet arrives before the close', async () => {
    const { connect } = await start(() => (_req, res) => res.end(Buffer.alloc(3_000_000, 'k')))
    const client = await connect()
    expect((await client.request({ params: GET, keepConnection: false })).body).toHaveLength(3_000_000)
    await client.whenClosed()
  })
  it('1: it does not', async () => {
    const { connect, server } = await start(hello)
    const client = await connect()
    for (let i = 0; i < 50; i++) expect((await client.request({ params: GET })).status).toBe(200)
    await turns()
    expect([client.ended, await connections(server)]).toEqual([false, 1])
  })
  it('0 on one of several requests closes after the last of them', async () => {
    const { connect, journal } = await start(gated)
    const client = await connect()
    client.expect(1)
    client.expect(2)
    await client.send(encodeRequest({ requestId: 1, params: nginxParams({ url: '/a' }) }))
    await client.send(encodeRequest({ requestId: 2, params: nginxParams({ url: '/b' }), keepConnection: false }))
    await journal.until('asked /b')
    journal.note('go /b')
    expect((await client.response(2)).body.toString()).toBe('answer /b')
    await turns()
    expect(client.ended).toBe(false)
    journal.note('go /a')
    expect((await client.response(1)).body.toString()).toBe('answer /a')
    await client.whenEnded()
  })
  it('0 with an early answer: the upload that goes on costs nobody the answer', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.begin(1, { keepConnection: false })
    await client.params(1, post(Buffer.alloc(2_000_000)))
    expect((await client.response(1)).body.toString()).toBe('hello /post')
    await client.stdin(1, Buffer.alloc(2_000_000))
    await client.whenClosed()
    expect(client.error).toBeUndefined()
  })
  it('0 with an empty STDIN that comes in a write of its own, as Caddy sends it: no reset', async () => {
    const { connect } = await start(hello)
    for (let i = 0; i < 20; i++) {
      const client = await connect()
      client.expect(1)
      const bytes = encodeRequest({ requestId: 1, params: nginxParams({ extra: { CONTENT_LENGTH: '0' } }), keepConnection: false })
      await client.send(bytes.subarray(0, -8))
      expect((await client.response(1)).status).toBe(200)
      await client.send(bytes.subarray(-8))
      await client.whenClosed()
      expect(client.error).toBeUndefined()
    }
  })
  it('nor is one that follows while an upload goes on', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      noted.note(`asked ${req.url ?? ''}`)
      res.end('x')
    })
    const client = await connect({ allowHalfOpen: true })
    await client.begin(1, { keepConnection: false })
    await client.params(1, nginxParams({ url: '/first', method: 'POST' }))
    await client.response(1)
    await client.whenEnded()
    client.expect(2)
    await client.send(encodeRequest({ requestId: 2, params: nginxParams({ url: '/second' }) }))
    client.end()
    await client.whenClosed()
    expect(journal.entries).toEqual(['asked /first'])
  })
  it('a request that follows on a connection that was to be closed is not begun', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      noted.note(`asked ${req.url ?? ''}`)
      res.end('x')
    })
    const client = await connect({ allowHalfOpen: true })
    await client.request({ params: nginxParams({ url: '/first' }), keepConnection: false })
    await client.whenEnded()
    client.expect(2)
    await client.send(encodeRequest({ requestId: 2, params: nginxParams({ url: '/second' }) })).catch(() => undefined)
    client.end()
    await client.whenClosed()
    expect(journal.entries.filter((entry) => entry.startsWith('asked'))).toEqual(['asked /first'])
  })
})

describe('14: GET_VALUES', () => {
  const valuesOf = (content: Buffer) => Object.fromEntries(decodePairs(content) ?? [])
  it('is answered with what is known, as the limits are', async () => {
    const { connect } = await start(hello, { limits: { connections: 7, requestsPerConnection: 11 } })
    const client = await connect()
    await client.getValues('FCGI_MAX_CONNS', 'FCGI_MAX_REQS', 'FCGI_MPXS_CONNS', 'FCGI_OTHER', '')
    const { content } = await client.recordOfType(RecordType.GET_VALUES_RESULT)
    expect(valuesOf(content)).toEqual({ FCGI_MAX_CONNS: '7', FCGI_MAX_REQS: '77', FCGI_MPXS_CONNS: '1' })
  })
  it.each([
    ['nothing', []],
    ['names that are unknown', ['A', 'B']],
    ['one name twice', ['FCGI_MPXS_CONNS', 'FCGI_MPXS_CONNS']],
  ])('for %s is answered once', async (_what, names) => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.getValues(...names)
    const { content } = await client.recordOfType(RecordType.GET_VALUES_RESULT)
    expect(valuesOf(content)).toEqual(names.includes('FCGI_MPXS_CONNS') ? { FCGI_MPXS_CONNS: '1' } : {})
    await client.request({ params: GET })
    expect(client.records.filter(({ requestId }) => requestId === 0)).toHaveLength(1)
  })
  it('comes in the middle of PARAMS, of STDIN, and of an answer', async () => {
    const { connect } = await start(() => (req, res) => {
      res.write('begun,')
      req.once('end', () => res.end('ended'))
      req.resume()
    })
    const client = await connect()
    const count = () => client.records.filter(({ type }) => type === RecordType.GET_VALUES_RESULT).length
    await client.begin(1)
    const bytes = encodePairs(post('ab'))
    await client.stream(RecordType.PARAMS, 1, bytes.subarray(0, 10), false)
    await client.getValues('FCGI_MAX_REQS')
    await client.until(() => count() === 1)
    await client.stream(RecordType.PARAMS, 1, bytes.subarray(10))
    await client.stdin(1, 'a', false)
    await client.recordOfType(RecordType.STDOUT)
    await client.getValues('FCGI_MAX_REQS')
    await client.until(() => count() === 2)
    await client.stdin(1, 'b')
    expect((await client.response(1)).body.toString()).toBe('begun,ended')
  })
  it('with pairs that cannot be read closes the connection', async () => {
    const { connect, journal } = await start(hello)
    const client = await connect()
    await client.send(encodeRecord(RecordType.GET_VALUES, 0, Buffer.from([200, 1])))
    await client.whenClosed()
    expect(journal.entries).toEqual(['clientError "ERR_FCGI_BAD_PARAMS"'])
  })
})

describe('15: an unknown management type', () => {
  it.each([0, 10, 11, 12, 100, 255])('type %i is answered with UNKNOWN_TYPE, which carries it', async (type) => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.send(encodeRecord(type, 0, Buffer.from('some content')))
    const { content } = await client.recordOfType(RecordType.UNKNOWN_TYPE)
    expect([...content]).toEqual([type, 0, 0, 0, 0, 0, 0, 0])
    expect((await client.request({ params: GET })).status).toBe(200)
  })
})

describe('16: ABORT_REQUEST', () => {
  it('before PARAMS are complete: END_REQUEST, and the id is free', async () => {
    const { connect, journal } = await start(gated)
    const client = await connect()
    await client.begin(1)
    await client.params(1, GET, false)
    await client.abort(1)
    const ended = await client.response(1)
    expect(ended).toMatchObject({ protocolStatus: ProtocolStatus.REQUEST_COMPLETE, complete: true })
    expect(ended.appStatus).not.toBe(0)
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked /hello')
    journal.note('go /hello')
    expect((await client.response(1)).status).toBe(200)
  })
  it('while the app works: it hears of it, and END_REQUEST comes without its doing', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      noted.note('asked')
      req.on('aborted', noted.noting('aborted'))
      req.on('error', (error) => {
        noted.note('req error', (error as NodeJS.ErrnoException).code)
      })
      res.on('close', () => {
        noted.note('res close', res.writableFinished)
      })
    })
    const client = await connect()
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked')
    await client.abort(1)
    expect((await client.response(1)).appStatus).not.toBe(0)
    await journal.until('req error')
    expect(journal.entries).toEqual(['asked', 'aborted', 'res close false', 'req error "ECONNRESET"'])
  })
  it('in the middle of an answer, and of an upload; what comes for the id later is ignored', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      req.on('error', () => undefined)
      req.once('data', () => res.write('begun', noted.noting('begun')))
      res.on('close', noted.noting('res close'))
      if (req.url === '/hello') res.end('hello')
    })
    const client = await connect()
    await client.begin(1)
    await client.params(1, post('abcdef'))
    await client.stdin(1, 'abc', false)
    await journal.until('begun')
    await client.abort(1)
    const ended = await client.response(1)
    expect(ended.body.toString()).toBe('begun')
    expect(ended.appStatus).not.toBe(0)
    await client.stdin(1, 'def')
    await client.abort(1)
    expect((await client.request({ requestId: 2, params: GET })).body.toString()).toBe('hello')
  })
  it('after the answer is ignored', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.request({ requestId: 1, params: GET })
    await client.abort(1)
    expect((await client.request({ requestId: 2, params: GET })).status).toBe(200)
    expect(client.records.filter(({ type }) => type === RecordType.END_REQUEST)).toHaveLength(2)
  })
  it('without KEEP_CONN closes the connection', async () => {
    const { connect, journal } = await start(gated)
    const client = await connect()
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: GET, keepConnection: false }))
    await journal.until('asked /hello')
    await client.abort(1)
    expect((await client.response(1)).complete).toBe(true)
    await client.whenEnded()
  })
  it('of one request leaves the others alone', async () => {
    const { connect, journal } = await start(gated)
    const client = await connect()
    for (const [id, url] of [[1, '/a'], [2, '/b'], [3, '/c']] as const) {
      client.expect(id)
      await client.send(encodeRequest({ requestId: id, params: nginxParams({ url }) }))
    }
    await journal.until('asked /c')
    await client.abort(2)
    expect((await client.response(2)).appStatus).not.toBe(0)
    journal.note('go /a')
    journal.note('go /c')
    journal.note('go /b')
    expect((await client.response(1)).body.toString()).toBe('answer /a')
    expect((await client.response(3)).body.toString()).toBe('answer /c')
  })
})

describe('17: when STDOUT may come', () => {
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

describe('18, 19, 20: what an answer is made of', () => {
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

describe('21: STDIN is compared with CONTENT_LENGTH', () => {
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

describe('22: Authorizer', () => {
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

describe('23: Filter', () => {
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
  it('a body and data', async () => {
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

describe('24: SIGTERM means: leave', () => {
  it('serve() does so; the server itself leaves signals alone', () => {
    const before = process.listenerCount('SIGTERM')
    const server = createServer(hello())
    expect(process.listenerCount('SIGTERM')).toBe(before)
    server.close()
  })
})

describe('multiplexing', () => {
  it('requests interleaved octet by octet answer each with its own', async () => {
    const { connect } = await start(echo)
    const client = await connect()
    const requests = [1, 2, 3, 4, 5].map((id) => {
      const body = `body of ${String(id)}, ${'x'.repeat(id * 10)}`
      client.expect(id)
      const records = splitRecords(encodeRequest({ requestId: id, params: post(body), body }))
      return { id, body, records }
    })
    const interleaved: Buffer[] = []
    for (let index = 0; index < 5; index++) for (const { records } of requests) interleaved.push(records[index] ?? Buffer.alloc(0))
    await client.sendCut(Buffer.concat(interleaved), [13, 5, 900, 1, 77])
    for (const { id, body } of requests) expect((await client.response(id)).body.toString()).toBe(body)
  })
  it('answers come in the order in which apps give them', async () => {
    const { connect, journal } = await start(gated)
    const client = await connect()
    for (const id of [1, 2, 3]) {
      client.expect(id)
      await client.send(encodeRequest({ requestId: id, params: nginxParams({ url: `/${String(id)}` }) }))
    }
    await journal.until('asked /3')
    for (const id of [3, 1, 2]) {
      journal.note(`go /${String(id)}`)
      expect((await client.response(id)).body.toString()).toBe(`answer /${String(id)}`)
    }
  })
  it('large answers of several requests do not mix', async () => {
    const { connect } = await start(() => (req, res) => {
      const letter = (req.url ?? '').slice(1)
      let left = 40
      const more = (): void => {
        while (left-- > 0) if (!res.write(left % 2 === 0 ? Buffer.alloc(30_000, letter) : letter.repeat(3000))) return void res.once('drain', more)
        res.end()
      }
      more()
    })
    const client = await connect()
    for (const [id, letter] of [[1, 'a'], [2, 'b'], [3, 'c']] as const) {
      client.expect(id)
      await client.send(encodeRequest({ requestId: id, params: nginxParams({ url: `/${letter}` }) }))
    }
    for (const [id, letter] of [[1, 'a'], [2, 'b'], [3, 'c']] as const) {
      const { body } = await client.response(id)
      expect(body.toString()).toBe(letter.repeat(20 * 33_000))
    }
  })
  it('a reader that is slow lets the others read, until it holds its share', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      if (req.url !== '/slow') {
        req.resume().on('end', () => res.end('fast'))
        return
      }
      req.once('readable', () => {
        void noted.until('go').then(() => {
          let length = 0
          req.on('data', (chunk: Buffer) => (length += chunk.length))
          req.on('end', () => res.end(String(length)))
        })
      })
    }, { limits: { bufferedBytes: 200_000 } })
    const client = await connect()
    await client.begin(1)
    await client.params(1, nginxParams({ method: 'POST', url: '/slow' }))
    client.expect(2)
    await client.begin(2)
    await client.params(2, post('abc'))
    await client.stdin(1, Buffer.alloc(150_000), false)
    await client.stdin(2, 'abc')
    expect((await client.response(2)).body.toString()).toBe('fast')
    journal.note('go')
    await client.stdin(1, Buffer.alloc(5_000_000))
    expect((await client.response(1)).body.toString()).toBe('5150000')
  })
  it('a request that breaks off among others ends with a status that is not 0, and they go on', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      if (req.url === '/broken') {
        res.write('begun', () => {
          res.destroy()
        })
        res.on('error', () => undefined)
        req.on('error', () => undefined)
        return
      }
      gated(noted)(req, res)
    })
    const client = await connect()
    client.expect(1)
    client.expect(2)
    await client.send(
      encodeRequest({ requestId: 1, params: nginxParams({ url: '/whole' }) }),
      encodeRequest({ requestId: 2, params: nginxParams({ url: '/broken' }) }),
    )
    const broken = await client.response(2)
    expect(broken.appStatus).not.toBe(0)
    journal.note('go /whole')
    expect((await client.response(1)).body.toString()).toBe('answer /whole')
  })
  it('alone, it ends the connection without END_REQUEST', async () => {
    const { connect } = await start(() => (req, res) => {
      req.on('error', () => undefined)
      res.write('begun', () => res.destroy())
    })
    const client = await connect()
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: GET }))
    const response = await client.collect(1)
    expect(response).toMatchObject({ complete: false })
    expect(response.body.toString()).toBe('begun')
  })
})

describe('the web server leaves', () => {
  it('its FIN with a request active is an abort', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      noted.note('asked')
      req.on('error', () => undefined)
      res.on('close', noted.noting('res close'))
    })
    const client = await connect()
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked')
    client.end()
    await journal.until('res close')
    await client.whenClosed()
  })
  it('EPIPE and ECONNRESET are no errors', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      noted.note('asked')
      req.on('error', () => undefined)
      void noted.until('gone').then(() => {
        res.write(Buffer.alloc(1_000_000))
        res.end('x', noted.noting('ended'))
      })
    })
    const client = await connect()
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked')
    client.socket.destroy()
    journal.note('gone')
    await turns()
    const other = await connect()
    expect(other.closed).toBe(false)
    expect(journal.entries.filter((entry) => entry.startsWith('clientError'))).toEqual([])
  })
  it('idle connections may leave at any time', async () => {
    const { connect, server, journal } = await start(hello)
    for (let i = 0; i < 5; i++) {
      const client = await connect()
      await client.request({ params: GET })
      client.end()
      await client.whenClosed()
    }
    await turns()
    expect([await connections(server), journal.entries]).toEqual([0, []])
  })
})

async function connections(server: { getConnections: (callback: (error: Error | null, count: number) => void) => unknown }): Promise<number> {
  return new Promise((resolve) => {
    server.getConnections((_error, count) => {
      resolve(count)
    })
  })
}

function splitRecords(bytes: Buffer): Buffer[] {
  const records: Buffer[] = []
  for (let start = 0; start < bytes.length; ) {
    const end = start + 8 + bytes.readUInt16BE(start + 4) + bytes.readUInt8(start + 6)
    records.push(bytes.subarray(start, end))
    start = end
  }
  return records
}
