/** The backlog: who connects while the event loop is held up waits, and is not refused. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { createServer, serve } from 'express-responder'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../proxies/support/ports.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ask, inDirectory, startProgram } from './support.js'

/** More than Node's own backlog of 511, and what the kernel allows here. */
const CLIENTS = 1000
const MOST = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))

const servers: Server[] = []

/** Connects so many clients at once; resolves with those that were refused. */
async function refused(path: string, count: number): Promise<string[]> {
  const codes: string[] = []
  const sockets: Socket[] = []
  await Promise.all(Array.from({ length: count }, async () => {
    const socket = connect(path)
    sockets.push(socket)
    await once(socket, 'connect').catch((error: unknown) => {
      codes.push(String(error))
    })
  }))
  for (const socket of sockets) socket.destroy()
  return codes
}

describe('the backlog', () => {
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  it.each([{}, { replace: true }])('lets a thousand clients wait for a process that is held up (%p)', (options) => inDirectory(async (directory) => {
    expect(MOST).toBeGreaterThan(CLIENTS)
    const path = join(directory, 'app.sock')
    const child = startProgram('programs/app.js', [JSON.stringify({ socket: path, ...options })])
    try {
      await child.line('listening')
      child.process.kill('SIGSTOP')
      expect(await refused(path, CLIENTS)).toEqual([])
      child.process.kill('SIGCONT')
      expect(await ask(await FastCgiClient.connect(path), '/')).toMatch(/^200 x/)
    } finally {
      child.process.kill('SIGKILL')
      await child.ended
    }
  }))

  it.each([
    ['a path', (server: Server, path: string) => server.listen(path)],
    ['a path and a listener', (server: Server, path: string) => server.listen(path, () => undefined)],
    ['options', (server: Server, path: string) => server.listen({ path })],
  ])('is as long where listen() is given %s', (_, listen) => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const server = createServer()
    servers.push(server)
    listen(server, path)
    await once(server, 'listening')
    // This thread accepts nobody while it connects: all of them wait at the same time.
    const sockets = Array.from({ length: CLIENTS }, () => connect(path).on('error', () => undefined))
    const connected = await Promise.all(sockets.map((socket) => once(socket, 'connect').then(() => true, () => false)))
    expect(connected.filter((success) => !success)).toEqual([])
    for (const socket of sockets) socket.destroy()
  }))

  it('is what is asked for where something is', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const { server, stop } = await serve((_, response) => response.end(), { socket: path, backlog: 5, signals: false })
    const sockets = Array.from({ length: 50 }, () => connect(path).on('error', () => undefined))
    const connected = await Promise.all(sockets.map((socket) => once(socket, 'connect').then(() => true, () => false)))
    expect(connected.filter((success) => success).length).toBeLessThan(50)
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    await stop()
  }))

  it('is answered by a stop, on a port as on a path', () => inDirectory(async (directory) => {
    const port = await freePort()
    for (const place of [{ port }, { socket: join(directory, 'app.sock') }]) {
      const child = startProgram('programs/app.js', [JSON.stringify(place)])
      try {
        await child.line('listening')
        child.process.kill('SIGSTOP')
        const clients = await Promise.all(Array.from({ length: 40 }, () => FastCgiClient.connect(place.socket ?? port)))
        const answers = Promise.all(clients.map((client) => ask(client, '/')))
        child.process.kill('SIGTERM')
        child.process.kill('SIGCONT')
        expect((await answers).filter((answer) => !answer.startsWith('200 x'))).toEqual([])
        expect(await child.ended).toMatchObject({ code: 0 })
      } finally {
        child.process.kill('SIGKILL')
        await child.ended
      }
    }
  }))

  it('leaves ports, hosts and listeners as they are', async () => {
    for (const listen of [
      (server: Server) => server.listen(),
      (server: Server) => server.listen(0),
      (server: Server) => server.listen(0, '127.0.0.1'),
      (server: Server) => server.listen(0, '127.0.0.1', 10),
      (server: Server) => server.listen({ port: 0, host: '127.0.0.1' }),
    ]) {
      const server = listen(createServer())
      servers.push(server)
      await once(server, 'listening')
      expect(server.address()).toMatchObject({ port: expect.any(Number) })
    }
  })
})
