/** What the FastCGI specification demands of connections: who may connect, roles, FCGI_KEEP_CONN, and management records. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { Socket, type AddressInfo } from 'node:net'
import { createServer } from 'express-responder'
import { encodeRecord, ProtocolStatus, RecordType } from '../../../lib/fastcgi/record.js'
import { decodePairs, encodePairs } from '../../../lib/fastcgi/params.js'
import { encodeRequest } from '../../support/fastcgi-client.js'
import { nginxParams } from '../../support/nginx-params.js'
import { afterTest, connectTo, start, turns } from '../support/started.js'
import { GET, post, hello, gated, connections } from '../support/protocol.js'

describe('FCGI_WEB_SERVER_ADDRS', () => {
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

describe('request id 0 is management', () => {
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

describe('FCGI_BEGIN_REQUEST', () => {
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

describe('an unknown role', () => {
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

describe('FCGI_KEEP_CONN', () => {
  it('without the flag: the application closes after the response', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    expect((await client.request({ params: GET, keepConnection: false })).body.toString()).toBe('hello /hello')
    await client.whenClosed()
    expect(client.error).toBeUndefined()
  })
  it('without the flag, with a large response: every octet arrives before the close', async () => {
    const { connect } = await start(() => (_req, res) => res.end(Buffer.alloc(3_000_000, 'k')))
    const client = await connect()
    expect((await client.request({ params: GET, keepConnection: false })).body).toHaveLength(3_000_000)
    await client.whenClosed()
  })
  it('with the flag: it does not', async () => {
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
  it('without the flag, with an early answer: the upload that goes on costs nobody the answer', async () => {
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

describe('FCGI_GET_VALUES', () => {
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

describe('an unknown management type', () => {
  it.each([0, 10, 11, 12, 100, 255])('type %i is answered with UNKNOWN_TYPE, which carries it', async (type) => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.send(encodeRecord(type, 0, Buffer.from('some content')))
    const { content } = await client.recordOfType(RecordType.UNKNOWN_TYPE)
    expect([...content]).toEqual([type, 0, 0, 0, 0, 0, 0, 0])
    expect((await client.request({ params: GET })).status).toBe(200)
  })
})

describe('SIGTERM means: leave', () => {
  it('serve() does so; the server itself leaves signals alone', () => {
    const before = process.listenerCount('SIGTERM')
    const server = createServer(hello())
    expect(process.listenerCount('SIGTERM')).toBe(before)
    server.close()
  })
})
