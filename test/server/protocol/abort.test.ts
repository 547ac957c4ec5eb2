/** FCGI_ABORT_REQUEST, several requests at once on a connection, and a web server that leaves. */
import { describe, expect, it } from '@jest/globals'
import { ProtocolStatus, RecordType } from '../../../lib/fastcgi/record.js'
import { encodeRequest } from '../../support/fastcgi-client.js'
import { nginxParams } from '../../support/nginx-params.js'
import { start, turns } from '../support/started.js'
import { GET, post, hello, echo, gated, connections, splitRecords } from '../support/protocol.js'

describe('FCGI_ABORT_REQUEST', () => {
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
