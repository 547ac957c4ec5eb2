/** Streams of events: how many, what becomes of clients that do not read, and of servers that stop. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http, { IncomingMessage, ServerResponse } from 'node:http'
import { connect, Socket, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { createHttpTerminator } from 'http-terminator'
import { gateway, serve } from '../../../../lib/index.js'
import { memoryStats, type MemoryStats } from '../../../../middleware/memory.js'
import { ProcessMonitor } from '../../../../middleware/memory/process-monitor.js'
import { EventStreams } from '../../../../middleware/memory/routes/events.js'
import { MemoryServer } from '../memory-server.js'

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

function endpoint(): MemoryStats {
  const stats = memoryStats({ authorize: () => true })
  closers.push(() => { stats.close() })
  return stats
}

/** A stream that has begun. */
async function watch(port: number, path = '/events'): Promise<IncomingMessage> {
  const client = http.get({ port, host: '127.0.0.1', path, agent: false })
  client.on('error', () => undefined)
  closers.push(() => { client.destroy() })
  const [response] = await once(client, 'response') as [IncomingMessage]
  response.on('error', () => undefined)
  return response
}

describe('a stream', () => {
  it('frees its place when its client leaves, one that waits behind another on a pipelined connection too', async () => {
    const stats = endpoint()
    let asked = 0
    const server = http.createServer((request, response) => { asked++; stats(request, response) }).listen(0, '127.0.0.1')
    closers.push(() => { server.close(); server.closeAllConnections() })
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const socket = connect(port, '127.0.0.1').resume()
    socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(16))
    while (asked < 16) await once(server, 'request')
    expect((await watch(port)).statusCode).toBe(429)
    socket.destroy()
    const streams = new Set<IncomingMessage>()
    while (streams.size < 16) {
      const stream = await watch(port)
      if (stream.statusCode === 200) streams.add(stream)
    }
  }, 10_000)

  it('does not begin when the endpoint was closed while authorize was deciding', async () => {
    let allow = (): void => undefined
    let asked = (): void => undefined
    const begun = new Promise<void>((resolve) => { asked = resolve })
    const stats = memoryStats({ authorize: () => new Promise((resolve) => { allow = () => { resolve(true) }; asked() }) })
    const server = http.createServer((request, response) => { stats(request, response) }).listen(0, '127.0.0.1')
    closers.push(() => { server.close(); server.closeAllConnections() })
    await once(server, 'listening')
    const stream = watch((server.address() as AddressInfo).port)
    await begun
    stats.close()
    allow()
    expect((await stream).statusCode).toBe(404)
  })

  it('is not one too many: the seventeenth is told to come later', async () => {
    const server = await MemoryServer.startWith('plain http')
    closers.push(() => { server.stop() })
    const streams = await Promise.all(Array.from({ length: 16 }, () => watch(server.port, '/debug/pprof/events')))
    const { status, headers, body } = await server.get('events')
    expect([status, headers['content-type']]).toEqual([429, 'application/problem+json'])
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(30)
    expect(body).toContain('16 clients watch already.')
    streams[0]?.destroy()
    // Its place is free once the server has noticed.
    for (let again = 429; again === 429;) {
      const stream = server.request('GET', 'events').request
      const [response] = await once(stream, 'response') as [IncomingMessage]
      again = response.statusCode ?? 0
      stream.destroy()
    }
  })

  it('ends when its server takes nobody new any more, so that the server can stop', async () => {
    const stats = endpoint()
    const server = http.createServer((request, response) => { stats(request, response) }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const stream = await watch((server.address() as AddressInfo).port)
    stream.resume()
    await Promise.all([once(stream, 'end'), new Promise((resolve) => server.close(resolve))])
  })

  it('does not hold up the graceful stop over FastCGI', async () => {
    const stats = endpoint()
    const directory = mkdtempSync(join(tmpdir(), 'mem-'))
    closers.push(() => { rmSync(directory, { recursive: true, force: true }) })
    const serving = await serve((request, response) => { stats(request, response) }, { socket: join(directory, 's'), signals: false, stopTimeout: 25_000 })
    const web = gateway(serving.address).listen(0, '127.0.0.1')
    closers.push(() => { web.close(); web.closeAllConnections() })
    await once(web, 'listening')
    const stream = await watch((web.address() as AddressInfo).port)
    stream.resume()
    const begun = performance.now()
    await Promise.all([once(stream, 'end'), serving.stop()])
    expect(performance.now() - begun).toBeLessThan(20_000)
  })

  it('is cut off by http-terminator in its own time', async () => {
    const stats = endpoint()
    const server = http.createServer((request, response) => { stats(request, response) })
    const { terminate } = createHttpTerminator({ server, gracefulTerminationTimeout: 50 })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const stream = await watch((server.address() as AddressInfo).port)
    stream.resume()
    const closed = new Promise((resolve) => stream.on('close', resolve))
    await Promise.all([terminate(), closed])
  })
})

describe('a client that does not read', () => {
  it('misses samples, and is cut off after half a minute', () => {
    let time = 0
    const monitor = new ProcessMonitor()
    const streams = new EventStreams(monitor, () => time)
    closers.push(() => { streams.close(); monitor.close() })
    const request = new IncomingMessage(new Socket())
    const response = new ServerResponse(request)
    const write = jest.spyOn(response, 'write').mockReturnValue(false)
    const destroy = jest.spyOn(response, 'destroy').mockReturnThis()
    let full = false
    Object.defineProperty(response, 'writableNeedDrain', { get: () => full })
    void streams.routes[0]?.handle(request, response)
    const tell = (): void => { monitor.emit('reading', monitor.latest) }
    tell()
    expect(write.mock.calls.map(([text]) => String(text).split('\n', 1)[0])).toEqual(['retry: 2000', 'event: sample'])
    full = true
    for (; time < 29_000; time += 1000) tell()
    expect([write.mock.calls.length, destroy.mock.calls.length]).toEqual([2, 0])
    const { verdict } = monitor
    monitor.emit('verdict', verdict, verdict)
    expect(String(write.mock.calls.at(-1)?.[0])).toMatch(/^event: verdict\ndata: \{"pid":\d+,"state":"warming",/)
    full = false
    tell()
    full = true
    for (time += 1000; time <= 59_000; time += 1000) tell()
    expect([write.mock.calls.length, destroy.mock.calls.length]).toEqual([4, 0])
    time = 61_000
    tell()
    expect(destroy).toHaveBeenCalledTimes(1)
  })
})
