/** Helpers of others for stopping a server find connections and requests as over HTTP. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { createHttpTerminator } from 'http-terminator'
import type { Journal } from '../contract/support/journal.js'
import { encodeRequest } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { start, type Started } from './support/started.js'

const gated = (journal: Journal) => (req: { url?: string | undefined }, res: { end(text: string): unknown }): void => {
  journal.note(`asked ${req.url ?? ''}`)
  if (req.url === '/slow') void journal.until('go').then(() => res.end('answered'))
  else res.end('at once')
}

/** As stoppable, @godaddy/terminus and Apollo's drain plugin. */
function countRequests(server: Server): { open: Map<Socket, number>; stop: () => void } {
  const open = new Map<Socket, number>()
  server.on('connection', (socket: Socket) => {
    open.set(socket, 0)
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', ({ socket }, res) => {
    open.set(socket, (open.get(socket) ?? 0) + 1)
    res.once('finish', () => open.set(socket, (open.get(socket) ?? 0) - 1))
  })
  return {
    open,
    stop() {
      server.close()
      for (const [socket, count] of open) if (count === 0) socket.end()
    },
  }
}

/** As http-shutdown and http-graceful-shutdown. */
function markIdle(server: Server): { open: Set<Socket>; stop: () => void } {
  type Marked = Socket & { isIdle?: boolean }
  const open = new Set<Marked>()
  let stopping = false
  server.on('connection', (socket: Marked) => {
    socket.isIdle = true
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', ({ socket }: { socket: Marked }, res) => {
    socket.isIdle = false
    res.once('finish', () => {
      socket.isIdle = true
      if (stopping) socket.destroy()
    })
  })
  return {
    open,
    stop() {
      stopping = true
      server.close()
      for (const socket of open) if (socket.isIdle) socket.destroy()
    },
  }
}

describe.each([['counts requests by sockets', countRequests], ['marks idle sockets', markIdle]])('a helper that %s', (_what, help) => {
  const prepare = async (): Promise<Started & { helper: ReturnType<typeof help> }> => {
    const started = await start(gated)
    return { ...started, helper: help(started.server) }
  }

  it('keeps nothing of requests that are over', async () => {
    const { connect, helper } = await prepare()
    const client = await connect()
    for (let i = 0; i < 20; i++) await client.request({ params: nginxParams({ url: '/' }) })
    expect(helper.open.size).toBeLessThanOrEqual(2)
    await client.destroy()
    const other = await connect()
    await other.request({ params: nginxParams({ url: '/' }) })
    expect(helper.open.size).toBeLessThanOrEqual(2)
  })

  it('lets the request in flight be answered, and then nothing is left', async () => {
    const { server, connect, journal, helper } = await prepare()
    const client = await connect()
    const idle = await connect()
    for (const one of [client, idle]) await one.request({ params: nginxParams({ url: '/' }) })
    client.expect(2)
    await client.send(encodeRequest({ requestId: 2, params: nginxParams({ url: '/slow' }) }))
    await journal.until('asked /slow')
    const closed = once(server, 'close')
    helper.stop()
    await idle.whenEnded()
    journal.note('go')
    expect((await client.response(2)).body.toString()).toBe('answered')
    await closed
    expect(helper.open.size).toBe(0)
  })
})

it('without such a helper a request’s socket is no connection', async () => {
  const { server, connect } = await start(gated)
  let connections = 0
  server.on('connection', () => connections++)
  const client = await connect()
  for (let i = 0; i < 3; i++) await client.request({ params: nginxParams({ url: '/' }) })
  expect(connections).toBe(1)
})

it('http-terminator is done when the request in flight is answered', async () => {
  const { server, connect, journal } = await start(gated)
  const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: 60_000 })
  const client = await connect()
  client.expect(1)
  await client.send(encodeRequest({ requestId: 1, params: nginxParams({ url: '/slow' }) }))
  await journal.until('asked /slow')
  const terminated = terminator.terminate()
  journal.note('go')
  expect((await client.response(1)).body.toString()).toBe('answered')
  await terminated
  await client.whenEnded()
})

describe('a response that says that its connection closes', () => {
  it.each([
    ['Connection: close', true],
    ['connection: keep-alive, Close', true],
    ['shouldKeepAlive = false', true],
    ['Connection: keep-alive', false],
  ])('%s', async (said, closes) => {
    const { connect } = await start(() => (_req, res) => {
      const [name = '', value] = said.split(': ')
      if (value === undefined) res.shouldKeepAlive = false
      else res.setHeader(name, value)
      res.end('bye')
    })
    const client = await connect()
    const answer = await client.request({ params: nginxParams() })
    expect([answer.body.toString(), answer.headers['connection']]).toEqual(['bye', undefined])
    if (closes) await client.whenEnded()
    else expect((await client.request({ params: nginxParams() })).body.toString()).toBe('bye')
  })
})
