/** Listeners on what carries a request belong to the request that adds them: its socket, and over HTTP/2 its stream. */
import { afterEach, expect, it } from '@jest/globals'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import tls from 'node:tls'
import { recovery, type RecoveryMiddleware, type RecoveryReport } from '../../../middleware/recovery.js'
import { SHARED_KEY } from './peers.js'

/** A server without a certificate. */
const SECURE: https.ServerOptions = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2', pskCallback: () => Buffer.alloc(16, 1) }

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void

const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
  recovery.uninstall()
})

function guard(handler: Handler): { listener: Handler; reports: RecoveryReport[]; reported: () => Promise<void>; middleware: RecoveryMiddleware } {
  const reports: RecoveryReport[] = []
  const middleware = recovery({ onRecover: (report) => reports.push(report) })
  const listener: Handler = (request, response) => { middleware(request, response, () => { handler(request, response) }) }
  return { listener, reports, middleware, reported: async () => { if (reports.length === 0) await once(middleware.events, 'recover') } }
}

it("request.socket: each listener is that of its request, also on a kept connection, and can be removed", async () => {
  const removed = (): void => { throw new Error('was removed') }
  const { listener, reports, reported } = guard((request, response) => {
    request.socket.once('close', removed)
    request.socket.off('close', removed)
    if (request.url === '/listens') request.socket.on('close', () => { throw new Error('of the first') })
    response.end()
  })
  const server = http.createServer(listener).listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET /listens HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'data')
  socket.write('GET /other HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'data')
  socket.destroy()
  await reported()
  expect(reports.map(({ url, error }) => [url, error.message])).toEqual([['/listens', 'of the first']])
})

it('an upgraded socket that the app is given as a request: nothing of HTTP is written to it', async () => {
  const { listener, reports, reported } = guard((request) => {
    request.socket.on('data', () => { throw new Error('a bad message') })
  })
  const server = http.createServer().listen(0, '127.0.0.1')
  closing.push(() => server.close())
  server.on('upgrade', (request) => { listener(request, new http.ServerResponse(request)) })
  await once(server, 'listening')
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => (text += String(chunk)))
  socket.write('GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n')
  await once(server, 'upgrade')
  socket.write('message')
  await reported()
  socket.destroy()
  expect([reports.map(({ url, outcome }) => [url, outcome]), text]).toEqual([[['/chat', 'reported only']], ''])
})

it('request.stream of HTTP/2', async () => {
  const { listener, reports, reported } = guard((request, response) => {
    const { stream } = request as unknown as http2.Http2ServerRequest
    stream.on('close', () => { throw new Error('of the stream') })
    response.end()
  })
  const server = http2.createServer(listener as never).listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  const session = http2.connect(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
  closing.push(() => { session.destroy() })
  session.request({ ':path': '/stream' }).end()
  await reported()
  expect(reports.map(({ url, error, outcome }) => [url, error.message, outcome])).toEqual([['/stream', 'of the stream', 'reported only']])
})

it.each(['GET', 'HEAD'])('%s over HTTP/2: a late failure is answered with 500', async (method) => {
  const { listener, reports } = guard(() => {
    queueMicrotask(() => { throw new Error('late') })
  })
  const server = http2.createServer(listener as never).listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  const session = http2.connect(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
  closing.push(() => { session.destroy() })
  const asked = session.request({ ':path': '/late', ':method': method })
  const [headers] = await once(asked.resume().end(), 'response') as [http2.IncomingHttpHeaders]
  expect([headers[http2.constants.HTTP2_HEADER_STATUS], reports.map(({ phase }) => phase)]).toEqual([500, ['before-headers']])
})

type Responses = Readonly<Record<string, (response: http.ServerResponse) => void>>

/** Asks for all paths at once over one session, and says whether each answer was whole. */
async function askTogether(responses: Responses): Promise<{ seen: string[]; reported: string[] }> {
  const { listener, reports } = guard((request, response) => { responses[request.url ?? '']?.(response) })
  const server = http2.createServer(listener as never).listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  const session = http2.connect(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
  closing.push(() => { session.destroy() })
  const seen = await Promise.all(Object.keys(responses).map(async (path) => {
    const asked = session.request({ ':path': path })
    const errors: Error[] = []
    asked.on('error', (error: Error) => errors.push(error))
    await new Promise((resolve) => asked.resume().on('close', resolve).end())
    return `${path} ${errors.length > 0 ? 'cut off' : 'whole'}`
  }))
  return { seen: seen.sort(), reported: reports.map(({ url, error, kind, phase }) => `${url}: ${error.message}, ${kind}, ${phase}`).sort() }
}

it('HTTP/2: a callback of a write that is completed as another response is cut off', async () => {
  const { seen, reported } = await askTogether({
    '/writes': (response) => { response.write('part', () => { throw new Error('once written') }) },
    '/fails': (response) => {
      response.write('part')
      queueMicrotask(() => { throw new Error('late') })
    },
    '/innocent': (response) => { setTimeout(() => response.end('whole'), 20) },
  })
  expect({ seen, reported }).toEqual({
    seen: ['/fails cut off', '/innocent whole', '/writes cut off'],
    reported: ['/fails: late, microtask, streaming', '/writes: once written, callback, streaming'],
  })
})

it('HTTP/2: callbacks of writes that are completed together, of which Node would tell one exception', async () => {
  const writing = (response: http.ServerResponse): void => {
    setTimeout(() => response.write('part', () => { throw new Error('once written') }), 10)
  }
  const { seen, reported } = await askTogether({
    '/1': writing, '/2': writing, '/3': writing, '/4': (response) => { setTimeout(() => response.end('whole'), 20) },
  })
  expect({ seen, reported }).toEqual({
    seen: ['/1 cut off', '/2 cut off', '/3 cut off', '/4 whole'],
    reported: ['/1', '/2', '/3'].map((url) => `${url}: once written, callback, streaming`),
  })
})

it('HTTP/2: the callback of an end', async () => {
  const { seen, reported } = await askTogether({
    '/ends': (response) => response.end('whole', () => { throw new Error('ended') }),
    '/stream': (response) => {
      const { stream } = response as unknown as http2.Http2ServerResponse
      stream.respond({ ':status': 200 })
      stream.end('whole', () => { throw new Error('ended') })
    },
  })
  expect({ seen, reported: reported.map((report) => report.split(',')[0]) })
    .toEqual({ seen: ['/ends whole', '/stream whole'], reported: ['/ends: ended', '/stream: ended'] })
})

it('recovery.errors() alone hears of what listeners on a request, its response and what carries them throw', async () => {
  const heard: string[] = []
  recovery.errors({ onRecover: ({ url, error, kind }) => heard.push(`${url}: ${error.message}, ${kind}`) })
  const throwing = (message: string) => (): void => { throw new Error(message) }
  const listener: Handler = (request, response) => {
    const { stream = request.socket } = request as unknown as { stream?: net.Socket }
    request.on('data', throwing('of the request'))
    response.on('finish', throwing('of the response'))
    stream.on('close', throwing('of the carrier'))
    setTimeout(() => response.end(), 20)
  }
  const listen = async (server: net.Server): Promise<string> => {
    closing.push(() => server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
  }
  const asked = http.request(`${await listen(http.createServer(listener))}/1`, { method: 'POST', agent: false })
  const [answer] = await once(asked.end('body'), 'response') as [http.IncomingMessage]
  await once(answer.resume(), 'close')
  const session = http2.connect(await listen(http2.createServer(listener as never)))
  closing.push(() => { session.destroy() })
  const asked2 = session.request({ ':path': '/2', ':method': 'POST' })
  await new Promise((resolve) => asked2.resume().on('close', resolve).end('body'))
  for (let look = 0; look < 200 && heard.length < 6; look++) await new Promise((resolve) => { setTimeout(resolve, 5) })
  expect(heard.sort()).toEqual(['/1', '/2'].flatMap((url) => ['carrier', 'request', 'response'].map((what) => `${url}: of the ${what}, emitter`)))
})

it.each(['write', 'end'])('the callback of %s on a pipelined response, which is written once the one before is over', async (method) => {
  const { listener, reports, reported } = guard((request, response) => {
    if (request.url === '/first') setTimeout(() => response.end('first'), 20)
    else if (method === 'end') response.end('second', () => { throw new Error('written') })
    else response.write('second', () => { throw new Error('written') })
  })
  const server = http.createServer(listener).listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1').resume()
  closing.push(() => socket.destroy())
  socket.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n')
  await reported()
  expect(reports.map(({ url, phase }) => [url, phase])).toEqual([['/second', method === 'end' ? 'after-response' : 'streaming']])
})

it.each(['write', 'end'])('over TLS: the callback of %s', async (method) => {
  const { listener, reports, reported } = guard((_request, response) => {
    const callback = (): void => { throw new Error('written') }
    setTimeout(() => { if (method === 'end') response.end('text', callback); else response.write('text', callback) }, 10)
  })
  const server = https.createServer(SECURE, listener)
  closing.push(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const asked = https.get({ ...SHARED_KEY, port: (server.address() as AddressInfo).port, host: '127.0.0.1', path: '/secure', agent: false })
  asked.on('error', () => undefined).on('response', (answer) => answer.on('error', () => undefined).resume())
  await reported()
  expect(reports.map(({ url, phase }) => [url, phase])).toEqual([['/secure', method === 'end' ? 'after-response' : 'streaming']])
})

it.each(['HTTP', 'HTTPS'])('%s: an upgraded socket that has had a listener before: each message that fails is reported', async (protocol) => {
  const heard: string[] = []
  const { listener, reports } = guard((request) => {
    request.socket.on('data', (chunk) => {
      heard.push(String(chunk))
      throw new Error('a bad message')
    })
    request.socket.write('ready')
  })
  const server = protocol === 'HTTP' ? http.createServer() : https.createServer(SECURE)
  closing.push(() => server.close())
  server.on('upgrade', (request: http.IncomingMessage, socket: net.Socket) => {
    socket.on('error', () => undefined)
    listener(request, new http.ServerResponse(request))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const socket = protocol === 'HTTP' ? net.connect(port, '127.0.0.1') : tls.connect({ ...SHARED_KEY, port, host: '127.0.0.1' })
  closing.push(() => socket.destroy())
  socket.write('GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n')
  await once(socket, 'data')
  for (const count of [1, 2, 3]) {
    socket.write(String(count))
    for (let look = 0; look < 200 && reports.length < count; look++) await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
  expect([heard, reports.map(({ url }) => url)]).toEqual([['1', '2', '3'], ['/chat', '/chat', '/chat']])
})

it('HTTPS: a listener on request.socket', async () => {
  const { listener, reports, reported } = guard((request, response) => {
    request.socket.on('close', () => { throw new Error('of the socket') })
    response.end()
  })
  const server = https.createServer(SECURE, listener)
  closing.push(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  https.get({ ...SHARED_KEY, port: (server.address() as AddressInfo).port, host: '127.0.0.1', path: '/secure', agent: false }, (answer) => answer.resume())
  await reported()
  expect(reports.map(({ url, error }) => [url, error.message])).toEqual([['/secure', 'of the socket']])
})

it('a listener on request.socket, a callback of a pipelined response and their reports see what the app keeps for the request', async () => {
  const kept = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const failing = (): void => {
    seen.push(kept.getStore())
    throw new Error('late')
  }
  const { listener, middleware } = guard((request, response) => {
    if (request.url === '/first') {
      setTimeout(() => response.end('first'), 20)
      return
    }
    request.socket.on('close', failing)
    response.end('second', failing)
  })
  middleware.events.on('recover', () => seen.push(kept.getStore()))
  const server = http.createServer((request, response) => { kept.run(String(request.url), listener, request, response) })
  closing.push(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1').resume()
  socket.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  for (let look = 0; look < 200 && seen.length < 4; look++) await new Promise((resolve) => { setTimeout(resolve, 5) })
  expect(seen).toEqual(['/second', '/second', '/second', '/second'])
})
