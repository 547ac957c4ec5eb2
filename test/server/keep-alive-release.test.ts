/** A server that drains asks for kept connections to be closed, so that no request is sent into its own close. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { createServer, type FastCgiServer, type ServerOptions } from 'express-responder'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { REQUEST_COUNTS } from '../../lib/server/request-counts.js'
import { FastCgiClient } from '../support/fastcgi-client.js'

const PARAMS = { REQUEST_METHOD: 'GET', REQUEST_URI: '/', SERVER_PROTOCOL: 'HTTP/1.1', HTTP_HOST: 'test', SERVER_SOFTWARE: 'nginx/1.22.1' }
const LONG = 60_000
const running: FastCgiServer[] = []
let held: ServerResponse[] = []

async function start(options?: ServerOptions): Promise<{ server: FastCgiServer, client: FastCgiClient }> {
  held = []
  const server = createServer((request, response) => {
    if (request.url === '/hold') held.push(response)
    else response.end('hello')
  }, options)
  running.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, client: await FastCgiClient.connect((server.address() as AddressInfo).port) }
}

async function drained(server: FastCgiServer, linger: number): Promise<void> {
  server.drain(linger)
  for (let turns = 0; turns < 4; turns++) await new Promise(setImmediate)
}

describe('a kept connection of a server that drains', () => {
  afterEach(() => {
    for (const server of running.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })

  it('that is idle gets the record, stays open for the web server to close, and answers what still comes', async () => {
    const { server, client } = await start()
    await client.request({ params: PARAMS })
    await drained(server, LONG)
    await client.until(() => client.goodbyes.length === 1)
    const late = await client.request({ params: PARAMS })
    expect(late.body.toString()).toBe('hello')
    // With the answer, and again once it has gone.
    await client.until(() => client.goodbyes.length >= 3)
    expect(client.goodbyes).toEqual([1, 2, 2])
    expect(client.closed).toBe(false)
  })

  it('gets the record in one piece with the answer to the last open request', async () => {
    const { server, client } = await start()
    const answer = client.request({ params: { ...PARAMS, REQUEST_URI: '/hold' } })
    await once(server, 'request')
    await drained(server, LONG)
    expect(client.goodbyes).toEqual([])
    const chunks: number[] = []
    client.socket.on('data', (chunk: Buffer) => chunks.push(chunk.length))
    held[0]?.end('at last')
    expect((await answer).body.toString()).toBe('at last')
    expect(client.goodbyes).toEqual([1])
    expect(chunks).toHaveLength(1)
  })

  it('gets none while another request is open on it', async () => {
    const { server, client } = await start()
    const first = client.request({ params: { ...PARAMS, REQUEST_URI: '/hold' } })
    await once(server, 'request')
    const second = client.request({ params: { ...PARAMS, REQUEST_URI: '/hold' } })
    await once(server, 'request')
    await drained(server, LONG)
    held[0]?.end('first')
    expect((await first).body.toString()).toBe('first')
    expect(client.goodbyes).toEqual([])
    held[1]?.end('second')
    await second
    await client.until(() => client.goodbyes.length > 0)
    expect(client.goodbyes[0]).toBe(2)
  })

  it('is closed in the end, if the web server does not', async () => {
    const { server, client } = await start()
    await client.request({ params: PARAMS })
    await drained(server, 30)
    await client.whenClosed()
    expect(client.goodbyes).toEqual([1])
    expect(client.violations).toEqual([])
    expect(server[REQUEST_COUNTS].closedKept).toBe(1)
  })

  it.each(['Apache/2.4.66 (Debian)', 'Apache'])('of %s gets no record, and is closed once it has been idle', async (software) => {
    const { server, client } = await start()
    await client.request({ params: { ...PARAMS, SERVER_SOFTWARE: software } })
    await drained(server, LONG)
    const late = await client.request({ params: { ...PARAMS, SERVER_SOFTWARE: software } })
    expect(late.body.toString()).toBe('hello')
    await client.whenClosed()
    expect(client.goodbyes).toEqual([])
    expect(server[REQUEST_COUNTS].closedKept).toBe(1)
  })

  it('that the web server closes is not counted as closed from this side', async () => {
    const { server, client } = await start()
    await client.request({ params: PARAMS })
    await drained(server, LONG)
    await client.until(() => client.goodbyes.length === 1)
    client.socket.end()
    await client.whenClosed()
    expect(server[REQUEST_COUNTS].closedKept).toBe(0)
  })

  it('is closed at once where the web server has asked for that, and where no time is given', async () => {
    const { server, client } = await start()
    const answer = client.request({ params: { ...PARAMS, REQUEST_URI: '/hold' }, keepConnection: false })
    await once(server, 'request')
    await drained(server, LONG)
    held[0]?.end('at last')
    await answer
    await client.whenClosed()
    expect(client.goodbyes).toEqual([])
    const other = await start()
    await other.client.request({ params: PARAMS })
    await drained(other.server, 0)
    await other.client.whenClosed()
  })

  it('with keepAliveRelease: \'idle\' gets no record from any server, is not moved by the balance, and is closed once it has been idle', async () => {
    const { server, client } = await start({ keepAliveRelease: 'idle' })
    await client.request({ params: PARAMS })
    expect(server.releaseConnections(1, LONG)).toBe(0)
    await drained(server, LONG)
    const late = await client.request({ params: PARAMS })
    expect(late.body.toString()).toBe('hello')
    await client.whenClosed()
    expect(client.goodbyes).toEqual([])
  })

  it.each(['nginx/1.22.1', 'Apache'])('of %s answers a request that has come since the event loop last looked, and is closed then', async (software) => {
    const { server, client } = await start({ keepAliveRelease: 'close' })
    const params = { ...PARAMS, SERVER_SOFTWARE: software }
    await client.request({ params })
    let late: ReturnType<FastCgiClient['request']> | undefined
    // Right before the callback in which the drain closes its connections.
    setImmediate(() => {
      setImmediate(() => {
        late = client.request({ params })
      })
    })
    await drained(server, LONG)
    expect((await late)?.body.toString()).toBe('hello')
    await client.whenClosed()
    expect(client.violations).toEqual([])
  })

  it('with keepAliveRelease: \'close\' is closed with the answer, or at once, as most servers do', async () => {
    const { server, client } = await start({ keepAliveRelease: 'close' })
    const idle = await FastCgiClient.connect((server.address() as AddressInfo).port)
    await idle.request({ params: PARAMS })
    const answer = client.request({ params: { ...PARAMS, REQUEST_URI: '/hold' } })
    await once(server, 'request')
    expect(server.releaseConnections(2, LONG)).toBe(0)
    await drained(server, LONG)
    await idle.whenClosed()
    held[0]?.end('at last')
    expect((await answer).body.toString()).toBe('at last')
    await client.whenClosed()
    expect([idle.goodbyes, client.goodbyes]).toEqual([[], []])
  })
})
