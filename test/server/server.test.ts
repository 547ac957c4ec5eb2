/** The server as an http.Server: its methods and events, draining and closing, diagnostics, monitoring. */
import { describe, expect, it } from '@jest/globals'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import net from 'node:net'
import { Duplex } from 'node:stream'
import express from 'express'
import { createHttpTerminator } from 'http-terminator'
import { createServer, FastCgiError, FastCgiServer } from 'express-responder'
import { encodeRecord, RecordType } from '../../lib/fastcgi/record.js'
import type { Journal } from '../contract/support/journal.js'
import { encodeRequest } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { connectTo, start, turns } from './support/started.js'

const GET = nginxParams({ url: '/hello' })
const hello = (): RequestListener => (_req, res) => res.end('hello')

/** Answers when the journal says `go`, having noted `asked`. */
const gated = (journal: Journal): RequestListener => (req, res) => {
  journal.note('asked')
  req.on('error', () => undefined)
  void journal.until('go').then(() => res.end('answer'))
}

async function countOf(server: http.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => {
      if (error) reject(error)
      else resolve(count)
    })
  })
}

describe('what it is', () => {
  it('an http.Server, with an app, without one, and with listeners added later', async () => {
    const server = createServer()
    expect(server).toBeInstanceOf(http.Server)
    expect(server).toBeInstanceOf(net.Server)
    expect(server).toBeInstanceOf(FastCgiServer)
    expect(new FastCgiServer(() => undefined)).toBeInstanceOf(http.Server)
    const { connect, server: empty } = await start(hello)
    empty.removeAllListeners('request')
    empty.on('request', (_req, res) => res.end('added later'))
    const client = await connect()
    expect((await client.request({ params: GET })).body.toString()).toBe('added later')
  })
  it('request and response are instances of Node’s classes, and of the app’s prototypes', async () => {
    const app = express()
    let real: boolean[] = []
    app.use((req, res) => {
      real = [req instanceof http.IncomingMessage, res instanceof http.ServerResponse, Object.getPrototypeOf(req) === app.request, Object.getPrototypeOf(res) === app.response]
      res.end()
    })
    const { connect } = await start(() => app)
    await (await connect()).request({ params: GET })
    expect(real).toEqual([true, true, true, true])
  })
  it('req.socket.server and res.req are what they are over HTTP', async () => {
    const { connect, server, journal } = await start((noted) => (req, res) => {
      noted.note('same', [Reflect.get(req.socket, 'server') instanceof http.Server, res.req === req])
      res.end()
    })
    await (await connect()).request({ params: GET })
    expect(journal.entries).toEqual(['same [true,true]'])
    expect(server.listening).toBe(true)
  })
  it('address(), listening, getConnections()', async () => {
    const { server, path, connect } = await start(hello)
    expect(server.address()).toBe(path)
    expect(await countOf(server)).toBe(0)
    const clients = [await connect(), await connect()]
    for (const client of clients) await client.request({ params: GET })
    expect(await countOf(server)).toBe(2)
    await clients[0]?.destroy()
    while ((await countOf(server)) > 1) await turns(1)
    expect(await countOf(server)).toBe(1)
  })
  it('emits connection with the socket', async () => {
    const { server, connect, journal } = await start(hello)
    server.on('connection', (socket) => {
      journal.note('connection', [typeof socket.write, Reflect.get(socket, 'server') === server])
    })
    await (await connect()).request({ params: GET })
    expect(journal.entries).toEqual(['connection ["function",true]'])
  })
  it('speaks on any duplex that is given to it as a connection', async () => {
    const { server } = await start(hello)
    const written: Buffer[] = []
    const duplex = new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _encoding, callback) {
        written.push(chunk)
        callback()
      },
    })
    server.emit('connection', duplex)
    duplex.push(encodeRequest({ requestId: 1, params: GET, keepConnection: false }))
    await once(duplex, 'close')
    expect(Buffer.concat(written).toString('latin1')).toMatch(/Status: 200 OK.*hello/s)
  })
  it('maxConnections of net.Server is obeyed too', async () => {
    const { server, connect } = await start(hello)
    server.maxConnections = 1
    const first = await connect()
    await first.request({ params: GET })
    const second = await connect()
    await second.whenClosed()
    expect((await first.request({ params: GET })).status).toBe(200)
  })
  it('an error that nobody listens for does not end the process', async () => {
    const { server, connect } = await start(hello)
    server.removeAllListeners('clientError')
    const client = await connect()
    await client.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    await client.whenClosed()
    expect((await (await connect()).request({ params: GET })).status).toBe(200)
  })
  it('clientError gives a FastCgiError and the socket', async () => {
    const { server, connect } = await start(hello)
    const told = once(server, 'clientError')
    const client = await connect()
    await client.send(Buffer.from([7]))
    const [error, socket] = (await told) as [unknown, net.Socket]
    expect(error).toBeInstanceOf(FastCgiError)
    expect(error).toMatchObject({ name: 'FastCgiError', code: 'ERR_FCGI_BAD_VERSION' })
    expect(socket.destroyed).toBe(true)
  })
})

describe('drain()', () => {
  it('closes idle connections, and others after their answers; listening goes on', async () => {
    const { server, connect, journal } = await start(gated)
    const [idle, busy] = [await connect(), await connect()]
    await idle.getValues()
    await idle.until(() => idle.records.length > 0)
    busy.expect(1)
    await busy.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked')
    server.drain()
    await idle.whenEnded()
    expect(busy.ended).toBe(false)
    journal.note('go')
    expect((await busy.response(1)).body.toString()).toBe('answer')
    await busy.whenEnded()
    const late = await connect()
    expect((await late.request({ params: GET })).body.toString()).toBe('answer')
    await late.whenEnded()
  })
  it('a request that the web server has sent already is answered', async () => {
    const { server, connect } = await start(hello)
    const client = await connect()
    await client.request({ params: GET })
    client.expect(2)
    client.socket.write(encodeRequest({ requestId: 2, params: GET }))
    server.drain()
    expect((await client.response(2)).body.toString()).toBe('hello')
    await client.whenEnded()
  })
  it('a connection with an upload that was answered early closes when the upload is over', async () => {
    const { server, connect } = await start(hello)
    const client = await connect()
    await client.begin(1)
    await client.params(1, nginxParams({ method: 'POST', body: 'x'.repeat(2000) }))
    await client.response(1)
    const stdin = encodeRecord(RecordType.STDIN, 1, Buffer.alloc(2000, 'x'))
    await client.send(stdin.subarray(0, 500))
    await turns()
    server.drain()
    await turns()
    await client.send(stdin.subarray(500), encodeRecord(RecordType.STDIN, 1))
    await client.whenEnded()
  })
  it('every request of a multiplexed connection is answered', async () => {
    const { server, connect, journal } = await start(gated)
    const client = await connect()
    for (const id of [1, 2, 3]) {
      client.expect(id)
      await client.send(encodeRequest({ requestId: id, params: GET }))
    }
    await journal.until('asked')
    await turns()
    server.drain()
    journal.note('go')
    for (const id of [1, 2, 3]) expect((await client.response(id)).body.toString()).toBe('answer')
    await client.whenEnded()
  })
})

describe('close()', () => {
  it('stops listening, answers what is open, and calls back when all is gone', async () => {
    const { server, connect, journal, path } = await start(gated)
    const [idle, busy] = [await connect(), await connect()]
    await idle.getValues()
    await idle.until(() => idle.records.length > 0)
    busy.expect(1)
    await busy.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked')
    const closed = new Promise<unknown>((resolve) => server.close(resolve))
    await idle.whenEnded()
    await expect(connectTo(path)).rejects.toThrow()
    journal.note('go')
    expect((await busy.response(1)).body.toString()).toBe('answer')
    expect(await closed).toBeUndefined()
    expect(server.listening).toBe(false)
  })
  it('a request that the web server has sent already is answered', async () => {
    const { server, connect } = await start(hello)
    const client = await connect()
    await client.request({ params: GET })
    client.expect(2)
    client.socket.write(encodeRequest({ requestId: 2, params: GET }))
    server.close()
    expect((await client.response(2)).body.toString()).toBe('hello')
    await client.whenEnded()
  })
  it('of a server that does not listen says so', async () => {
    const server = createServer(hello())
    const error = await new Promise<unknown>((resolve) => server.close(resolve))
    expect(error).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' })
  })
  it('it can listen again, and keeps connections again', async () => {
    const { server, path, connect } = await start(hello)
    const before = await connect()
    await before.request({ params: GET })
    const closed = once(server, 'close')
    server.close()
    await closed
    server.listen(path)
    await once(server, 'listening')
    const client = await connectTo(path)
    for (let i = 0; i < 3; i++) expect((await client.request({ params: GET })).status).toBe(200)
    await turns()
    expect(client.ended).toBe(false)
  })
  it('closeIdleConnections() closes those only', async () => {
    const { server, connect, journal } = await start(gated)
    const [idle, busy] = [await connect(), await connect()]
    await idle.getValues()
    await idle.until(() => idle.records.length > 0)
    busy.expect(1)
    await busy.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked')
    server.closeIdleConnections()
    await idle.whenEnded()
    journal.note('go')
    expect((await busy.response(1)).status).toBe(200)
  })
  it('closeAllConnections() closes all, and the app hears of it', async () => {
    const { server, connect, journal } = await start((noted) => (req, res) => {
      req.on('error', () => undefined)
      res.on('close', noted.noting('res close'))
      noted.note('asked')
    })
    const client = await connect()
    client.expect(1)
    await client.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked')
    server.closeAllConnections()
    await journal.until('res close')
    await client.whenClosed()
  })
  it('http-terminator waits for what is open, and ends what is not', async () => {
    const { server, connect, journal } = await start(gated)
    const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: 20_000 })
    const [idle, busy] = [await connect(), await connect()]
    await idle.getValues()
    await idle.until(() => idle.records.length > 0)
    busy.expect(1)
    await busy.send(encodeRequest({ requestId: 1, params: GET }))
    await journal.until('asked')
    // A kept connection would be waited for: draining is what ends it after its answer.
    server.drain()
    const terminated = terminator.terminate()
    await idle.whenEnded()
    await turns()
    expect(busy.ended).toBe(false)
    journal.note('go')
    expect((await busy.response(1)).body.toString()).toBe('answer')
    await terminated
  })
})

describe('those who watch', () => {
  it.each(['http.server.request.start', 'http.server.response.finish'])('%s is published', async (name) => {
    const messages: Record<string, unknown>[] = []
    const listen = (message: unknown): void => {
      messages.push(message as Record<string, unknown>)
    }
    const { server, connect } = await start(hello)
    subscribe(name, listen)
    try {
      await (await connect()).request({ params: GET })
      await turns()
    } finally {
      unsubscribe(name, listen)
    }
    const own = messages.filter((message) => message['server'] === server)
    expect(own).toHaveLength(1)
    expect(Object.keys(own[0] ?? {}).sort()).toEqual(['request', 'response', 'server', 'socket'])
  })
  it('http.server.response.created, where Node publishes it, is published over HTTP only for HTTP', async () => {
    const seen: string[] = []
    const listen = (message: unknown): void => {
      seen.push(typeof message)
    }
    const { connect } = await start(hello)
    subscribe('http.server.response.created', listen)
    try {
      expect((await (await connect()).request({ params: GET })).status).toBe(200)
    } finally {
      unsubscribe('http.server.response.created', listen)
    }
    expect(seen.length).toBeLessThanOrEqual(1)
  })
  it('agents that wrap emit of http.Server see every request', async () => {
    const { server, connect } = await start(hello)
    const emit: unknown = Reflect.get(http.Server.prototype, 'emit')
    const seen: (string | undefined)[] = []
    const wrapped = function (this: http.Server, event: string, ...args: unknown[]): unknown {
      if (event === 'request') seen.push((args[0] as http.IncomingMessage).url)
      return typeof emit === 'function' ? Reflect.apply(emit, this, [event, ...args]) : undefined
    }
    Reflect.set(http.Server.prototype, 'emit', wrapped)
    try {
      const client = await connect()
      for (let i = 0; i < 3; i++) await client.request({ params: GET })
    } finally {
      // What was found was inherited.
      Reflect.deleteProperty(http.Server.prototype, 'emit')
    }
    expect(seen).toEqual(['/hello', '/hello', '/hello'])
    expect(server.listenerCount('request')).toBe(1)
  })
  it('several listeners of request each get it', async () => {
    const { server, connect, journal } = await start(hello)
    server.prependListener('request', (req: http.IncomingMessage) => {
      journal.note('before', req.url)
    })
    server.on('request', (_req: http.IncomingMessage, res: http.ServerResponse) => {
      journal.note('after', res.writableEnded)
    })
    await (await connect()).request({ params: GET })
    expect(journal.entries).toEqual(['before "/hello"', 'after true'])
  })
})
