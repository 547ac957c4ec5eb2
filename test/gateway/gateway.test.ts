/** The gateway's connections, streams and life, in front of a scripted application. */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { FastCgiError, gateway, type GatewayOptions } from 'express-responder'
import request from 'supertest'
import { close, exchangeRaw, fetchFrom, listen, portOf, readResponse } from '../support/http.js'
import { ScriptedApplication, type ScriptedRequest } from '../support/scripted-application.js'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function start(script: (asked: ScriptedRequest) => unknown, options?: GatewayOptions) {
  const application = await ScriptedApplication.start(script)
  const server = await listen(gateway(application.path, options))
  cleanups.push(() => close(server), () => application.stop())
  return { application, server }
}

function hello(asked: ScriptedRequest): void {
  asked.reply('Status: 200 OK\r\nContent-Length: 5', 'hello')
}

/** A script that leaves its request unanswered, and that request. */
function held(): { script: (asked: ScriptedRequest) => void; asked: Promise<ScriptedRequest> } {
  let script: (asked: ScriptedRequest) => void = () => undefined
  const asked = new Promise<ScriptedRequest>((resolve) => (script = resolve))
  return { script, asked }
}

describe('connections to the application', () => {
  it('are kept: one serves request after request', async () => {
    const { application, server } = await start(hello)
    for (let index = 0; index < 3; index++) expect((await fetchFrom(server)).status).toBe(200)
    expect(application.connections).toHaveLength(1)
    expect(application.connections[0]?.requests.map(({ keepConnection }) => keepConnection)).toEqual([true, true, true])
  })

  it('carry one request at a time', async () => {
    const waiting: ScriptedRequest[] = []
    const { application, server } = await start((asked) => {
      waiting.push(asked)
      if (waiting.length === 3) waiting.forEach(hello)
    })
    await Promise.all([fetchFrom(server), fetchFrom(server), fetchFrom(server)])
    expect(application.connections.map(({ requests }) => requests.length)).toEqual([1, 1, 1])
  })

  it('are closed after each request where keepConnection is false', async () => {
    const { application, server } = await start(hello, { keepConnection: false })
    await fetchFrom(server)
    await fetchFrom(server)
    expect(application.connections.map(({ requests }) => requests.map(({ keepConnection }) => keepConnection))).toEqual([[false], [false]])
    for (const connection of application.connections) await connection.whenClosed()
  })

  it('are kept up to idleConnections', async () => {
    const waiting: ScriptedRequest[] = []
    const { application, server } = await start((asked) => {
      waiting.push(asked)
      if (waiting.length === 3) waiting.forEach(hello)
    }, { idleConnections: 1 })
    await Promise.all([fetchFrom(server), fetchFrom(server), fetchFrom(server)])
    const { connections } = application
    await Promise.race(connections.map((connection) => connection.whenClosed()))
    await Promise.race(connections.filter(({ closed }) => !closed).map((connection) => connection.whenClosed()))
    expect(connections.filter(({ closed }) => closed)).toHaveLength(2)
  })

  it('that the application has closed meanwhile are replaced', async () => {
    const { application, server } = await start((asked) => {
      hello(asked)
      asked.connection.socket.end()
    })
    for (let index = 0; index < 3; index++) {
      expect((await fetchFrom(server)).status).toBe(200)
      await application.connections[index]?.whenClosed()
    }
    expect(application.connections).toHaveLength(3)
  })

  it('that turn out closed without an answer: the request is sent once more, on a new one', async () => {
    const { application, server } = await start((asked) => {
      if (asked.connection.requests.length === 1) hello(asked)
      else asked.connection.socket.destroy()
    })
    expect((await fetchFrom(server)).status).toBe(200)
    expect(await fetchFrom(server, { path: '/again' })).toMatchObject({ status: 200, body: Buffer.from('hello') })
    expect(application.connections.map(({ requests }) => requests.map(({ params }) => params['REQUEST_URI']))).toEqual([['/', '/again'], ['/again']])
  })

  it('that turn out closed: only once is it tried again', async () => {
    let asked = 0
    const { server, application } = await start((request) => {
      if (++asked === 1) hello(request)
      else request.connection.socket.destroy()
    })
    await fetchFrom(server)
    expect((await fetchFrom(server)).status).toBe(502)
    expect(asked).toBe(3)
    expect(application.connections).toHaveLength(2)
  })

  it('that turn out closed: a request with a body is not sent again', async () => {
    let asked = 0
    const { server } = await start((request) => {
      if (++asked === 1) hello(request)
      else request.connection.socket.destroy()
    })
    await fetchFrom(server)
    expect((await fetchFrom(server, { method: 'POST', body: ['x'] })).status).toBe(502)
    expect(asked).toBe(2)
  })

  it('that turn out closed after some octets of the answer: it is not sent again', async () => {
    let asked = 0
    const { server } = await start((request) => {
      if (++asked === 1) hello(request)
      else request.connection.socket.end(request.stdout('Status: 200 OK'))
    })
    await fetchFrom(server)
    expect((await fetchFrom(server)).status).toBe(502)
    expect(asked).toBe(2)
  })

  it('on which something comes unasked are not used again', async () => {
    const { application, server } = await start(hello)
    await fetchFrom(server)
    const connection = await application.connection(0)
    connection.socket.write(Buffer.alloc(16))
    await connection.whenClosed()
    expect((await fetchFrom(server)).status).toBe(200)
    expect(application.connections).toHaveLength(2)
  })

  it('are closed with the gateway', async () => {
    const { application, server } = await start(hello)
    await fetchFrom(server)
    await close(server)
    await (await application.connection(0)).whenClosed()
  })

  it('over TCP, closed without an answer: ERR_FCGI_UPSTREAM_CLOSED', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end())
    })
    await listen(server)
    const front = await listen(gateway({ host: '127.0.0.1', port: portOf(server) }))
    cleanups.push(() => close(front), () => close(server))
    expect(String((await fetchFrom(front)).body)).toContain('ERR_FCGI_UPSTREAM_CLOSED')
  })
})

describe('streams', () => {
  it('sends a head as soon as it is there, and each piece of the body', async () => {
    const steps: (() => void)[] = []
    const { server } = await start((asked) => {
      asked.send(asked.stdout('Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n'))
      steps.push(
        () => {
          asked.send(asked.stdout('one'))
        },
        () => {
          asked.send(asked.stdout('two'))
        },
        () => {
          asked.send(asked.end())
        },
      )
    })
    const req = http.get({ port: portOf(server), agent: false })
    const [response] = (await once(req, 'response')) as [http.IncomingMessage]
    steps.shift()?.()
    expect(String((await once(response, 'data'))[0])).toBe('one')
    steps.shift()?.()
    expect(String((await once(response, 'data'))[0])).toBe('two')
    steps.shift()?.()
    await once(response, 'end')
    expect(response.headers['transfer-encoding']).toBe('chunked')
  })

  it('stops reading from the application while the client does not read', async () => {
    const piece = Buffer.alloc(32_768, 0x61)
    const total = 1024 * piece.length
    let written = 0
    const { server } = await start((asked) => {
      const { socket } = asked.connection
      asked.send(asked.stdout('Status: 200 OK\r\n\r\n'))
      const writeOn = () => {
        while (written < total) {
          written += piece.length
          if (!socket.write(asked.stdout(piece))) return
        }
        socket.off('drain', writeOn)
        asked.send(asked.end())
      }
      socket.on('drain', writeOn)
      writeOn()
    })
    const req = http.get({ port: portOf(server), agent: false })
    const [response] = (await once(req, 'response')) as [http.IncomingMessage]
    await standstill(() => written)
    expect(written).toBeLessThan(total / 2)
    const { body, complete } = await readResponse(response)
    expect(body.length).toBe(total)
    expect(complete).toBe(true)
  })

  it('stops reading from the client while the application does not read', async () => {
    const body = Buffer.alloc(32 * 1024 * 1024, 0x62)
    const { script, asked } = held()
    const { server } = await start((request) => {
      request.connection.socket.pause()
      script(request)
    })
    const connected = once(server, 'connection') as Promise<[net.Socket]>
    const req = http.request({ port: portOf(server), method: 'POST', agent: false })
    req.end(body)
    const request = await asked
    const [socket] = await connected
    await standstill(() => socket.bytesRead)
    expect(socket.bytesRead).toBeLessThan(body.length / 2)
    request.connection.socket.resume()
    expect((await request.body()).length).toBe(body.length)
    hello(request)
    const [response] = (await once(req, 'response')) as [http.IncomingMessage]
    expect((await readResponse(response)).complete).toBe(true)
  })

  it('takes an answer that comes before the body has ended', async () => {
    const { application, server } = await start((asked) => {
      asked.reply('Status: 413 Payload Too Large\r\nContent-Length: 3', 'big')
    })
    const req = http.request({ port: portOf(server), method: 'POST', agent: false })
    req.on('error', () => undefined)
    req.write('some')
    const [response] = (await once(req, 'response')) as [http.IncomingMessage]
    expect(response.statusCode).toBe(413)
    expect(String((await readResponse(response)).body)).toBe('big')
    await (await application.connection(0)).whenClosed()
    req.destroy()
  })

  it('answers Expect: 100-continue once the application is there', async () => {
    const { server } = await start(async (asked) => {
      asked.reply('Status: 200 OK', await asked.body())
    })
    const req = http.request({ port: portOf(server), method: 'POST', agent: false, headers: { Expect: '100-continue', 'Content-Length': 2 } })
    req.flushHeaders()
    await once(req, 'continue')
    req.end('hi')
    const [response] = (await once(req, 'response')) as [http.IncomingMessage]
    expect(String((await readResponse(response)).body)).toBe('hi')
  })

  it('answers Expect: 100-continue with 502 where the application is not there', async () => {
    const front = await listen(gateway('/nonexistent/app.sock'))
    cleanups.push(() => close(front))
    const text = await exchangeRaw(front, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n')
    expect(text).toMatch(/^HTTP\/1.1 502 /)
  })

  it('breaks an HTTP/1.0 response off, which ends with its connection, by a reset', async () => {
    const { server } = await start((asked) => {
      asked.connection.socket.end(asked.stdout('Status: 200 OK\r\n\r\nhalf'))
    })
    const socket = net.connect({ host: '127.0.0.1', port: portOf(server) })
    socket.resume()
    socket.write('GET / HTTP/1.0\r\n\r\n')
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
  })
})

describe('clients that give up', () => {
  it('before the answer: ABORT_REQUEST, then the connection closes', async () => {
    const { script, asked } = held()
    const { server } = await start(script)
    const req = http.get({ port: portOf(server), agent: false })
    req.on('error', () => undefined)
    const request = await asked
    req.destroy()
    await request.connection.whenClosed()
    expect(request.aborted).toBe(true)
  })

  it('in the middle of the answer: ABORT_REQUEST, then the connection closes', async () => {
    const { application, server } = await start((asked) => {
      asked.send(asked.stdout('Status: 200 OK\r\n\r\nhalf'))
    })
    const req = http.get({ port: portOf(server), agent: false })
    const [response] = (await once(req, 'response')) as [http.IncomingMessage]
    response.on('error', () => undefined)
    response.destroy()
    const connection = await application.connection(0)
    await connection.whenClosed()
    expect(connection.requests[0]?.aborted).toBe(true)
  })

  it('in the middle of the upload: ABORT_REQUEST, and no end of STDIN', async () => {
    const { script, asked } = held()
    const { server } = await start(script)
    const req = http.request({ port: portOf(server), method: 'POST', agent: false, headers: { 'Content-Length': 10 } })
    req.on('error', () => undefined)
    req.write('half')
    const request = await asked
    await request.connection.until(() => request.chunks.length > 0)
    req.destroy()
    await request.connection.whenClosed()
    expect(request.aborted).toBe(true)
    expect(request.stdinEnded).toBe(false)
  })
})

describe('the server', () => {
  it('refuses CONNECT', async () => {
    const { server } = await start(hello)
    expect(await exchangeRaw(server, 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n')).toMatch(/^HTTP\/1.1 405 /)
  })

  it('passes a request to upgrade on as a plain one', async () => {
    const { application, server } = await start(hello)
    const text = await exchangeRaw(server, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n')
    expect(text).toMatch(/^HTTP\/1.1 200 /)
    expect(application.connections[0]?.requests[0]?.params).toMatchObject({ HTTP_UPGRADE: 'websocket' })
  })

  it('adds the Date that the application left out, and keeps the one it sent', async () => {
    const date = 'Tue, 15 Nov 1994 08:12:31 GMT'
    const { server } = await start((asked) => {
      asked.reply(asked.params['REQUEST_URI'] === '/' ? 'Status: 200 OK' : `Status: 200 OK\r\nDate: ${date}`)
    })
    expect((await fetchFrom(server)).headers.date).toMatch(/GMT$/)
    expect((await fetchFrom(server, { path: '/dated' })).headers.date).toBe(date)
  })

  it('keeps names, order and repetition of headers', async () => {
    const { server } = await start((asked) => {
      asked.reply('Status: 200 OK\r\nX-One: 1\r\nSet-Cookie: a\r\nx-TWO: 2\r\nSet-Cookie: b')
    })
    const { rawHeaders } = await fetchFrom(server)
    expect(rawHeaders.slice(0, 8)).toEqual(['X-One', '1', 'Set-Cookie', 'a', 'x-TWO', '2', 'Set-Cookie', 'b'])
  })

  it('listens again after it has been closed', async () => {
    const { application } = await start(hello)
    const front = gateway(application.path)
    for (let index = 0; index < 3; index++) await request(front).get('/').expect(200, 'hello')
    await listen(front)
    expect((await fetchFrom(front)).status).toBe(200)
    await close(front)
    expect(application.connections).toHaveLength(4)
  })

  it('answers what was asked before it is closed', async () => {
    const { script, asked } = held()
    const { server } = await start(script)
    const response = fetchFrom(server)
    const request = await asked
    const closed = close(server)
    hello(request)
    expect((await response).status).toBe(200)
    await closed
  })

  it('does not wait for clients that have not asked, nor for those that keep their connection', async () => {
    const { script, asked } = held()
    const { server } = await start(script)
    const accepted = once(server, 'connection')
    const silent = net.connect({ host: '127.0.0.1', port: portOf(server) })
    await accepted
    const agent = new http.Agent({ keepAlive: true })
    const req = http.get({ port: portOf(server), agent })
    const request = await asked
    const closed = close(server)
    await once(silent.resume(), 'close')
    hello(request)
    const [response] = (await once(req, 'response')) as [http.IncomingMessage]
    expect((await readResponse(response)).complete).toBe(true)
    await closed
    agent.destroy()
  })

  it.each([
    [() => gateway(undefined as never)],
    [() => gateway({} as never)],
    [() => gateway('')],
    [() => gateway(http.createServer() as never)],
    [() => gateway((() => undefined) as never)],
    [() => gateway('/a', { timeout: -1 })],
    [() => gateway('/a', { idleConnections: 0.5 })],
    [() => gateway('/a', { headBytes: NaN })],
    [() => gateway('/a', { typo: 1 } as object)],
    [() => gateway('/a', null as never)],
    [() => gateway('/a', { keepConnection: 'no' as never })],
    [() => gateway('/a', { params: 'a' as never })],
  ])('refuses wrong options: %s', (make) => {
    expect(make).toThrow(FastCgiError)
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_FCGI_OPTION' }))
  })
})

/** Waits until a measure stays as it is for many turns of the event loop, in which all the parties live. */
async function standstill(measure: () => number): Promise<void> {
  let last = measure()
  for (let turns = 0; turns < 200; turns++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (measure() === last) continue
    last = measure()
    turns = 0
  }
}
