/** The stop: whoever was let in is answered, and nothing is left. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import type { RequestListener, ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { operate, type Serving } from '../../lib/process/serve.js'
import { resolveOptions, type ServeOptions } from '../../lib/process/options.js'
import { StandInServer, connected, inDirectory, received } from './support.js'

const GET = 'GET / HTTP/1.1\r\nHost: test\r\n\r\n'

function run(app: RequestListener, options: ServeOptions): Promise<Serving<StandInServer>> {
  return operate(new StandInServer(app), resolveOptions({ signals: false, ...options }))
}

/** Sends a request on a connection that is then kept, and has read the answer. */
async function keptConnection(path: string): Promise<Socket> {
  const socket = await connected(path)
  socket.write(GET)
  await once(socket, 'data')
  return socket
}

const hello: RequestListener = (_, response) => {
  response.end('hello')
}

describe('a graceful stop', () => {
  it('answers requests in flight, and closes idle connections at once', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const held: ServerResponse[] = []
    const serving = await run((request, response) => {
      if (request.url === '/') response.end('hello')
      else held.push(response)
    }, { socket: path })
    const idle = await keptConnection(path)
    const idleEnded = once(idle, 'close')
    const busy = await connected(path)
    busy.write('GET /slow HTTP/1.1\r\nHost: test\r\n\r\n')
    const answer = received(busy)
    await once(serving.server, 'request')

    const stopped = serving.stop()
    expect(existsSync(path)).toBe(false)
    await idleEnded
    expect(busy.destroyed).toBe(false)
    held[0]?.end('at last')
    expect(await answer).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*at last$/)
    await stopped
    await serving.closed
    expect(readdirSync(directory)).toEqual([])
    expect(serving.server.listening).toBe(false)
  }))

  it('serves those who had connected, though nobody had accepted them yet', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const serving = await run(hello, { socket: path })
    // The kernel connects at once; accepting needs a turn of the event loop, which the stop does not leave.
    const clients = Array.from({ length: 50 }, () => connect(path))
    const stopped = serving.stop()
    const answers = clients.map((client) => {
      client.write(GET)
      return received(client)
    })
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/hello$/)
    await stopped
  }))

  it('serves those who had connected and send their request only now', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const serving = await run(hello, { socket: path })
    const accepted = once(serving.server, 'connection')
    const client = await connected(path)
    await accepted
    const stopped = serving.stop()
    for (let turns = 0; turns < 10; turns++) await turn()
    client.write(GET)
    expect(await received(client)).toMatch(/hello$/)
    await stopped
  }))

  it('does not wait for a connection that never speaks', () => inDirectory(async (directory) => {
    const serving = await run(hello, { socket: join(directory, 'app.sock') })
    const accepted = once(serving.server, 'connection')
    const client = await connected(serving.address)
    await accepted
    const ended = received(client)
    await serving.stop()
    expect(await ended).toBe('')
  }))

  it('delivers the tail of a response to a client that is slow to read', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const length = 8 * 1024 * 1024
    const serving = await run((_, response) => {
      response.end(Buffer.alloc(length, 'x'))
    }, { socket: path })
    const client = connect(path)
    client.pause()
    client.write(GET)
    const [, response] = await once(serving.server, 'request') as [unknown, ServerResponse]
    expect(response.writableEnded).toBe(true)
    const stopped = serving.stop()
    for (let turns = 0; turns < 20; turns++) await turn()
    const answer = await received(client.resume())
    expect(answer.length - answer.indexOf('\r\n\r\n') - 4).toBe(length)
    await stopped
  }))

  it.each([100, 0])('ends what is still open when its time, %p ms, is over', (stopTimeout) => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const serving = await run((_, response) => {
      response.write('never ')
    }, { socket: path, stopTimeout })
    const client = await connected(path)
    client.write(GET)
    await once(serving.server, 'request')
    const answer = received(client)
    await serving.stop()
    expect(await answer).not.toMatch(/\r\n0\r\n/)
    expect(readdirSync(directory)).toEqual([])
  }))

  it('leaves the socket of the process that has replaced it', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const old = await run((_, response) => response.end('old'), { socket: path })
    const next = await run((_, response) => response.end('next'), { socket: `${path}.next` })
    renameSync(`${path}.next`, path)
    await old.stop()
    const client = await connected(path)
    client.end(GET)
    expect(await received(client)).toMatch(/next$/)
    await next.stop()
  }))

  it('is one stop, however often it is asked for', () => inDirectory(async (directory) => {
    const serving = await run(hello, { socket: join(directory, 'app.sock') })
    expect(serving.stop()).toBe(serving.stop())
    await serving.stop()
    await serving.stop()
  }))

  it('takes its file away, too, when the server is closed by its owner, and then does nothing more', () => inDirectory(async (directory) => {
    const serving = await run(hello, { socket: join(directory, 'app.sock') })
    serving.server.close()
    await serving.closed
    expect(readdirSync(directory)).toEqual([])
    await serving.stop()
  }))

  it('frees a TCP port', async () => {
    const serving = await run(hello, { port: 0 })
    const { port } = serving.server.address() as AddressInfo
    expect(serving.address).toBe(`127.0.0.1:${String(port)}`)
    const busy = connect(port, '127.0.0.1')
    busy.write(GET)
    await once(serving.server, 'request')
    const answer = received(busy)
    await serving.stop()
    expect(await answer).toMatch(/hello$/)
    const again = await run(hello, { port })
    await again.stop()
  })

  it('leaves no listener on the process', () => inDirectory(async (directory) => {
    const count = (): number[] => ['exit', 'SIGINT', 'SIGTERM'].map((name) => process.listenerCount(name))
    const before = count()
    const serving = await run(hello, { socket: join(directory, 'app.sock'), signals: true })
    expect(count()).toEqual(before.map((number) => number + 1))
    const second = await run(hello, { socket: join(directory, 'second.sock'), signals: true })
    await serving.stop()
    expect(count()).toEqual(before.map((number) => number + 1))
    await second.stop()
    expect(count()).toEqual(before)
  }))
})
