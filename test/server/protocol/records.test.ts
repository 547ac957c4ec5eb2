/** What the FastCGI specification demands of records, over a real Unix socket: versions, lengths, ids, streams. */
import { describe, expect, it } from '@jest/globals'
import { params } from 'express-responder'
import { encodeBeginRequest, encodeRecord, RecordType, Role } from '../../../lib/fastcgi/record.js'
import { encodePairs } from '../../../lib/fastcgi/params.js'
import { encodeRequest } from '../../support/fastcgi-client.js'
import { nginxParams } from '../../support/nginx-params.js'
import { start } from '../support/started.js'
import { GET, post, hello, echo, gated } from '../support/protocol.js'

describe('another protocol version closes the connection', () => {
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

describe('lengths and padding of records', () => {
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
  it('records of 65535 octets are read, and their content comes back whole', async () => {
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

describe('what is sent is 8-byte aligned', () => {
  it('whatever the length of a body, from 0 to 200001 octets', async () => {
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

describe('records for ids that are not active are ignored', () => {
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

describe('BEGIN_REQUEST on an active id closes the connection', () => {
  it('before PARAMS are complete: ERR_FCGI_BAD_RECORD', async () => {
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

describe('streams and name-value pairs over several records', () => {
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
  it('PARAMS of one octet a record are one request, and answered', async () => {
    const { connect } = await start(hello)
    const client = await connect()
    await client.begin(1)
    const bytes = encodePairs(GET)
    await client.send(...[...bytes].map((octet) => encodeRecord(RecordType.PARAMS, 1, Buffer.of(octet))))
    await client.params(1, [])
    await client.stdin(1)
    expect((await client.response(1)).body.toString()).toBe('hello /hello')
  })
  it('STDIN of one octet a record is one body', async () => {
    const { connect } = await start(echo)
    const client = await connect()
    await client.begin(1)
    await client.params(1, post('abcdef'))
    for (const letter of 'abcdef') await client.stdin(1, letter, false)
    await client.stdin(1)
    expect((await client.response(1)).body.toString()).toBe('abcdef')
  })
})

describe('lengths of name-value pairs', () => {
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
