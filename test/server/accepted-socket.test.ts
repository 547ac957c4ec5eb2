/** An accepted connection is a `net.Socket` for whoever looks at it, whenever that is, and whatever it was doing. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { Server as HttpServer } from 'node:http'
import { Server, Socket, connect, type AddressInfo } from 'node:net'
import { createServer, type FastCgiServer } from 'express-responder'
import { AcceptedSocket, createAcceptedSocket, readBuffer } from '../../lib/server/accepted-socket.js'
import { acceptWithSharedBuffer } from '../../lib/server/shared-read-buffer.js'
import { findSocketInternals } from '../../lib/server/socket-internals.js'
import { addingConnectionListeners } from '../../shared/connection-listeners.js'
import { FastCgiClient } from '../support/fastcgi-client.js'

const MEGABYTE = 1024 * 1024
const servers: Server[] = []
const sockets: Socket[] = []

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
})

interface Accepted {
  server: Server
  socket: Socket
  client: Socket
  /** What it has read so far, while it was lean. */
  read: string[]
}

/** What comes while it is paused is read when it goes on. */
async function expectReadOnceResumed({ socket, client, read }: Accepted): Promise<void> {
  client.write('late')
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  expect(read).toEqual([])
  socket.resume()
  await until(() => read.length > 0)
  expect(read).toEqual(['late'])
}

/** A connection that has just been accepted. */
async function accept(): Promise<Accepted> {
  const server = new HttpServer().removeAllListeners('connection')
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const read: string[] = []
  acceptWithSharedBuffer(server, (_socket, length) => {
    read.push(readBuffer.toString('latin1', 0, length))
    return true
  })
  const accepted = new Promise<Socket>((resolve) => addingConnectionListeners(server, () => server.on('connection', resolve)))
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const socket = await accepted
  sockets.push(socket, client)
  return { server, socket, client, read }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

function isWhole(socket: Socket): boolean {
  return Object.getPrototypeOf(socket) === Socket.prototype && !AcceptedSocket.isLean(socket)
}

function connections(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.getConnections((_error, count) => { resolve(count) })
  })
}

it('this Node is one on which making a net.Socket of a connection can be put off', () => {
  expect(createAcceptedSocket).toBeDefined()
})

describe('a connection that nobody looks at', () => {
  it('reads, writes and closes without becoming a whole net.Socket', async () => {
    const { server, socket, client, read } = await accept()
    client.write('to the server')
    await until(() => read.length > 0)
    expect(read).toEqual(['to the server'])
    let isAsync = false
    const written = new Promise<boolean>((resolve) => socket.write(Buffer.from('to the client'), () => { resolve(isAsync) }))
    isAsync = true
    expect(await written).toBe(true)
    const [chunk] = await once(client, 'data') as [Buffer]
    expect(chunk.toString()).toBe('to the client')
    const closed = once(socket, 'close')
    socket.destroy()
    expect(socket.destroyed).toBe(true)
    expect(await closed).toEqual([false])
    expect(AcceptedSocket.isLean(socket)).toBe(true)
    expect(await connections(server)).toBe(0)
    await once(client, 'close')
  })

  it('is a net.Socket by instanceof, tells both ends\' addresses and what it has read, and still is not made whole', async () => {
    const { socket, client, read } = await accept()
    client.write('1234')
    await until(() => read.length > 0)
    expect(socket).toBeInstanceOf(Socket)
    expect(socket.constructor).toBe(Socket)
    expect([socket.remoteAddress, socket.remotePort, socket.localPort]).toEqual(['127.0.0.1', client.localPort, client.remotePort])
    expect(socket.bytesRead).toBe(4)
    expect(AcceptedSocket.isLean(socket)).toBe(true)
  })

  it('pauses and resumes reading', async () => {
    const accepted = await accept()
    const { socket } = accepted
    socket.pause()
    await expectReadOnceResumed(accepted)
    expect(AcceptedSocket.isLean(socket)).toBe(true)
  })

  it('closes with an error once the peer has gone while it writes', async () => {
    const { socket, client } = await accept()
    const closed = once(socket, 'close')
    client.resetAndDestroy()
    const failed = new Promise<Error | null | undefined>((resolve) => {
      const write = (): void => {
        socket.write(Buffer.alloc(MEGABYTE), (error) => {
          if (error) resolve(error)
          else setImmediate(write)
        })
      }
      write()
    })
    expect(await failed).toHaveProperty('code')
    await closed
    expect(socket.destroyed).toBe(true)
  })
})

describe('a connection becomes a whole net.Socket', () => {
  it('by the touch of any property that a net.Socket has', async () => {
    const { socket: real } = await wholeFromTheBeginning()
    const ofEmitters = Reflect.ownKeys(new EventEmitter())
    const keys = Reflect.ownKeys(real).filter((key) => !ofEmitters.includes(key) && !String(key).includes('kBuffer'))
    const differing: string[] = []
    for (const key of keys) {
      const { socket } = await accept()
      const value: unknown = Reflect.get(socket, key)
      if (typeof value !== typeof Reflect.get(real, key)) differing.push(String(key))
    }
    expect(keys.length).toBeGreaterThan(20)
    expect(differing).toEqual([])
  })

  it('with everything that was set on it, its listeners, its place in the server and its connection', async () => {
    const { server, socket, client } = await accept()
    const events: string[] = []
    socket.on('end', () => events.push('end'))
    socket.on('close', () => events.push('close'))
    Object.assign(socket, { mine: 1 })
    expect(socket.readable && socket.writable).toBe(true)
    expect(isWhole(socket)).toBe(true)
    expect(socket).toMatchObject({ mine: 1, server, destroyed: false, readyState: 'open', remoteAddress: '127.0.0.1' })
    socket.end('goodbye')
    const [chunk] = await once(client, 'data') as [Buffer]
    expect(chunk.toString()).toBe('goodbye')
    client.end()
    await once(socket, 'close')
    expect(events).toEqual(['end', 'close'])
    expect(await connections(server)).toBe(0)
  })

  it('when the peer ends: end and close come as from any socket', async () => {
    const { socket, client } = await accept()
    const events: string[] = []
    for (const name of ['end', 'error', 'close']) socket.on(name, () => events.push(name))
    client.end('last words')
    await once(socket, 'end')
    expect(isWhole(socket)).toBe(true)
    socket.end()
    await once(socket, 'close')
    expect(events).toEqual(['end', 'close'])
  })

  it('while it writes what the peer does not read: nothing is lost, and everything is told in order', async () => {
    const { socket, client } = await accept()
    client.pause()
    const events: string[] = []
    const before = Buffer.alloc(8 * MEGABYTE, 'a')
    socket.write(before, () => events.push('before'))
    expect(AcceptedSocket.isLean(socket)).toBe(true)
    const unsent = socket.writableLength
    expect(unsent).toBeGreaterThan(0)
    const { arrayBuffers } = process.memoryUsage()
    expect(socket.writableNeedDrain).toBe(true)
    expect(isWhole(socket)).toBe(true)
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(MEGABYTE)
    expect(socket.writableLength).toBe(unsent)
    socket.write('b', () => events.push('after'))
    socket.on('finish', () => events.push('finish'))
    socket.end('c')
    const chunks: Buffer[] = []
    client.on('data', (chunk: Buffer) => chunks.push(chunk)).resume()
    await once(client, 'end')
    const all = Buffer.concat(chunks)
    expect([all.length, all.subarray(before.length).toString()]).toEqual([before.length + 2, 'bc'])
    expect(events).toEqual(['before', 'after', 'finish'])
  })

  it('while it is paused: it stays paused until it is resumed', async () => {
    const accepted = await accept()
    const { socket } = accepted
    socket.pause()
    expect(socket.isPaused()).toBe(true)
    expect(isWhole(socket)).toBe(true)
    await expectReadOnceResumed(accepted)
  })

  it('after it was closed: it says so', async () => {
    const { socket, client, read } = await accept()
    client.write('1234')
    await until(() => read.length > 0)
    socket.destroy()
    await once(socket, 'close')
    expect(socket).toMatchObject({ readable: false, writable: false, destroyed: true, closed: true, bytesRead: 4, readyState: 'closed' })
    expect(isWhole(socket)).toBe(true)
  })

  it('for a time limit, which then ends it', async () => {
    const { socket } = await accept()
    socket.setTimeout(10)
    await once(socket, 'timeout')
    expect(isWhole(socket)).toBe(true)
  })

  it('for destroy() with an error, which is emitted', async () => {
    const { socket } = await accept()
    const failed = once(socket, 'error')
    const cause = new Error('mine')
    socket.destroy(cause)
    expect(await failed).toEqual([cause])
  })
})

describe('those who are given the sockets of a server', () => {
  const running: FastCgiServer[] = []
  afterEach(() => {
    for (const server of running.splice(0)) {
      server.close()
      server.closeAllConnections()
    }
  })

  async function start(): Promise<{ server: FastCgiServer, port: number }> {
    const server = createServer((_req, res) => res.end())
    running.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { server, port: (server.address() as AddressInfo).port }
  }

  it("a listener for 'connection' gets a whole net.Socket", async () => {
    const { server, port } = await start()
    const accepted = once(server, 'connection') as Promise<[Socket]>
    sockets.push(connect(port, '127.0.0.1'))
    const [socket] = await accepted
    expect(isWhole(socket)).toBe(true)
  })

  it("a listener for 'clientError' gets a whole net.Socket, though the connection has none before", async () => {
    const { server, port } = await start()
    const failed = once(server, 'clientError') as Promise<[Error, Socket]>
    const client = connect(port, '127.0.0.1')
    sockets.push(client)
    client.write(Buffer.alloc(8, 7))
    const [error, socket] = await failed
    expect(error).toHaveProperty('code', 'ERR_FCGI_BAD_VERSION')
    expect(isWhole(socket)).toBe(true)
  })

  it("subscribers of the channel 'net.server.socket' get one of each connection, as from any server", async () => {
    const { port } = await start()
    const published: unknown[] = []
    const subscriber = (message: unknown): void => {
      published.push((message as { socket: Socket }).socket)
    }
    subscribe('net.server.socket', subscriber)
    try {
      const client = await FastCgiClient.connect(port)
      await client.request({ params: { REQUEST_METHOD: 'GET', REQUEST_URI: '/', SERVER_PROTOCOL: 'HTTP/1.1', HTTP_HOST: 'test' } })
      await client.destroy()
    } finally {
      unsubscribe('net.server.socket', subscriber)
    }
    expect(published.map((socket) => socket instanceof Socket && isWhole(socket))).toEqual([true])
  })
})

it.each([
  ['leaves something unknown on the handle', (handle: object) => { Object.assign(handle, { unknown: true }) }, {}],
  ['does not wire the handle at all', () => undefined, { handle: undefined }],
])('where net.Socket %s, its internals are not relied on', (_what, change, given) => {
  const found = findSocketInternals((options) => {
    change(options.handle ?? {})
    return new Socket({ ...options, ...given })
  })
  expect(found).toBeUndefined()
  expect(findSocketInternals()).toBeDefined()
})

async function wholeFromTheBeginning(): Promise<{ socket: Socket }> {
  const server = new Server()
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  sockets.push(connect((server.address() as AddressInfo).port, '127.0.0.1'))
  const [socket] = await accepted
  sockets.push(socket)
  return { socket }
}
