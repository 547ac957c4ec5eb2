/** A request that has come with its connection is answered before the next connection is taken from those that wait. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { rm, mkdtemp } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { createServer, type FastCgiServer } from 'express-responder'
import { AcceptedSocket } from '../../lib/server/accepted-socket.js'
import { addingConnectionListeners } from '../../shared/connection-listeners.js'
import { encodeRequest } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'

/** Connects so many times, gives the second half of the bytes when told to, and tells what has come back on each connection. */
const CLIENTS = `
const { connect } = require('node:net')
const { parentPort, workerData: { path, count, pieces, connected } } = require('node:worker_threads')
let missing = count
const sockets = Array.from({ length: count }, () => {
  const socket = connect(path, () => socket.write(pieces[0], () => {
    if (--missing > 0) return
    Atomics.store(connected, 0, 1)
    Atomics.notify(connected, 0)
  }))
  socket.text = ''
  socket.on('data', (chunk) => {
    socket.text += chunk.toString('latin1')
    if (socket.text.includes('answer')) parentPort.postMessage('answered')
  })
  return socket
})
parentPort.on('message', () => {
  for (const socket of sockets) for (const piece of pieces.slice(1)) socket.write(piece)
})
`

describe.each(['a Unix socket', 'TCP'])('connections on %s that wait while the event loop is held up', (kind) => {
  it('are accepted one by one, each after the answer to the one before', async () => {
    const open: number[] = []
    const server = await listening((_request, response) => {
      open.push(server.openConnections)
      response.end('answer')
    })
    const { answered } = await clientsThatWait(server, 4, [request()])
    await answered
    expect(open).toEqual([1, 2, 3, 4])
  })

  it('are answered if their requests are not complete yet', async () => {
    const urls: string[] = []
    const server = await listening((incoming, response) => {
      urls.push(incoming.url ?? '')
      response.end('answer')
    })
    const bytes = request()
    const { answered, goOn } = await clientsThatWait(server, 4, [bytes.subarray(0, 20), bytes.subarray(20)])
    await accepted(server, 4)
    goOn()
    await answered
    expect(urls).toEqual(['/', '/', '/', '/'])
  })

  it('are answered if they have brought nothing', async () => {
    let count = 0
    const server = await listening((_incoming, response) => {
      count += 1
      response.end('answer')
    })
    const { answered, goOn } = await clientsThatWait(server, 100, [new Uint8Array(), request()])
    await accepted(server, 100)
    goOn()
    await answered
    expect(count).toBe(100)
  })

  it('find nothing of what the requests of others have entered', async () => {
    const storage = new AsyncLocalStorage<string>()
    const found: unknown[] = []
    const server = await listening((_incoming, response) => {
      found.push(storage.getStore())
      storage.enterWith(`request ${String(found.length)}`)
      response.end('answer')
    })
    const { answered } = await clientsThatWait(server, 4, [request()])
    await answered
    expect(found).toEqual([undefined, undefined, undefined, undefined])
  })

  it('find the same context as those whose requests come later', async () => {
    const storage = new AsyncLocalStorage<string>()
    const found: unknown[] = []
    const app: RequestListener = (_incoming, response) => {
      found.push(storage.getStore())
      response.end('answer')
    }
    const server = await storage.run('around listen()', () => listening(app))
    const { answered } = await clientsThatWait(server, 1, [request()])
    await answered
    const later = await clientsThatWait(server, 1, [new Uint8Array(), request()])
    await accepted(server, 2)
    later.goOn()
    await later.answered
    expect(found[0]).toBe(found[1])
    expect(found).toHaveLength(2)
  })

  it('count what they have brought: lean, whole and closed', async () => {
    const sockets: Socket[] = []
    const server = await listening((_incoming, response) => {
      response.end('answer')
    })
    addingConnectionListeners(server, () => server.on('connection', (socket: Socket) => sockets.push(socket)))
    const bytes = request()
    const { answered } = await clientsThatWait(server, 3, [bytes])
    await answered
    const counts = (): number[] => sockets.map(({ bytesRead }) => bytesRead)
    const right = [bytes.length, bytes.length, bytes.length]
    expect(sockets.map((socket) => AcceptedSocket.isLean(socket))).toEqual([true, true, true])
    expect(counts()).toEqual(right)
    sockets[0]?.destroy()
    AcceptedSocket.makeWhole(sockets[0] ?? {})
    AcceptedSocket.makeWhole(sockets[1] ?? {}).destroy()
    AcceptedSocket.makeWhole(sockets[2] ?? {})
    expect(counts()).toEqual(right)
  })

  const servers: FastCgiServer[] = []
  const workers: Worker[] = []
  const directories: string[] = []

  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
    for (const server of servers.splice(0)) {
      server.close()
      server.closeAllConnections()
    }
    await Promise.all(directories.splice(0).map((directory) => rm(directory, { recursive: true })))
  })

  async function listening(app: RequestListener): Promise<FastCgiServer> {
    const server = createServer(app)
    servers.push(server)
    if (kind === 'TCP') server.listen(0, '127.0.0.1')
    else {
      const directory = await mkdtemp(path.join(tmpdir(), 'read-at-accept-'))
      directories.push(directory)
      server.listen(path.join(directory, 'app.sock'))
    }
    await once(server, 'listening')
    return server
  }

  /** Holds the event loop up until all have connected and sent the first piece. */
  async function clientsThatWait(server: FastCgiServer, count: number, pieces: Uint8Array[]): Promise<{ answered: Promise<void>, goOn: () => void }> {
    const connected = new Int32Array(new SharedArrayBuffer(4))
    const address = server.address()
    const to = typeof address === 'string' ? address : address?.port
    const worker = new Worker(CLIENTS, { eval: true, workerData: { path: to, count, pieces, connected } })
    workers.push(worker)
    await once(worker, 'online')
    const answered = new Promise<void>((resolve) => {
      let missing = count
      worker.on('message', () => {
        if (--missing === 0) resolve()
      })
    })
    Atomics.wait(connected, 0, 0)
    return { answered, goOn: () => { worker.postMessage('go on') } }
  }
})

async function accepted(server: FastCgiServer, count: number): Promise<void> {
  while (server.openConnections < count) await new Promise(setImmediate)
}

function request(): Uint8Array {
  return encodeRequest({ requestId: 1, params: nginxParams({ url: '/' }) })
}
