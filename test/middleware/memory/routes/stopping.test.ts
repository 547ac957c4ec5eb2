/** Profiles that take long, where the server stops that carries them, or the endpoint is closed. */
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from '@jest/globals'
import { memoryStats, type MemoryStats } from '../../../../middleware/memory.js'
import { TRANSPORTS, type Running } from '../../../contract/support/transports.js'
import { fetchFrom, listen } from '../../../support/http.js'

const closers: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Open {
  running: Running
  stats: MemoryStats
  /** Of the request. */
  answer: Promise<{ status: number | undefined; detail: string; headers: http.IncomingHttpHeaders }>
  /** Lets the request in, which `authorize` has been asked about. */
  allow: () => void
}

/** An endpoint that was asked for `path`, and waits until it may answer. */
async function open(transport: (typeof TRANSPORTS)[keyof typeof TRANSPORTS], path: string): Promise<Open> {
  let allow = (): void => undefined
  let asked = (): void => undefined
  const begun = new Promise<void>((resolve) => { asked = resolve })
  const stats = memoryStats({ authorize: () => new Promise((resolve) => { allow = () => { resolve(true) }; asked() }) })
  closers.push(() => { stats.close() })
  const running = await transport.start((request, response) => { stats(request, response) })
  closers.push(() => running.stop())
  const agent = new http.Agent({ keepAlive: true })
  closers.push(() => { agent.destroy() })
  const request = http.get({ host: '127.0.0.1', port: running.port, path: `/debug/pprof/${path}`, headers: { Accept: 'application/json' }, agent })
  const answer = once(request, 'response').then(async ([response]) => {
    const { statusCode: status, headers } = response as IncomingMessage
    const { detail } = JSON.parse(await text(response as IncomingMessage)) as { detail: string }
    return { status, detail, headers }
  })
  await begun
  return { running, stats, answer, allow: () => { allow() } }
}

describe.each(Object.values(TRANSPORTS))('over $name', (transport) => {
  it.each(['profile?seconds=300', 'heap?seconds=300'])('%s does not hold up the stop of its server', async (path) => {
    const { running, answer, allow } = await open(transport, path)
    allow()
    const stopped = once(running.server, 'close')
    running.server.close()
    expect(await answer).toMatchObject({ status: 503, detail: 'The server is stopping.' })
    await stopped
  })

  it('nor where it was let in after the server began to stop', async () => {
    const { running, answer, allow } = await open(transport, 'profile?seconds=300')
    const stopped = once(running.server, 'close')
    running.server.close()
    allow()
    expect((await answer).status).toBe(503)
    await stopped
  })

  it.each(['profile?seconds=300', 'heap?seconds=300'])('nor where it is the first that the endpoint is asked, and its server stops already: %s', async (path) => {
    const stats = memoryStats({ authorize: () => true })
    closers.push(() => { stats.close() })
    const running = await transport.start((request, response) => {
      running.server.close()
      stats(request, response)
    })
    closers.push(() => running.stop())
    const stopped = once(running.server, 'close')
    expect((await fetch(`http://127.0.0.1:${String(running.port)}/${path}`)).status).toBe(503)
    await stopped
  })
})

it('a server that is given its connections, and never listens, is not taken for one that stops', async () => {
  const stats = memoryStats({ authorize: () => true })
  closers.push(() => { stats.close() })
  const given = http.createServer((request, response) => { stats(request, response) })
  const accepting = net.createServer((socket) => { given.emit('connection', socket) })
  await listen(accepting)
  closers.push(() => { accepting.close() })
  expect((await fetchFrom(accepting, { path: '/profile?seconds=1' })).status).toBe(200)
})

it.each(['profile?seconds=300', 'heap?seconds=300'])('%s ends with the endpoint, and lets the next one in', async (path) => {
  const { stats, answer, allow } = await open(TRANSPORTS.http, path)
  allow()
  // Until its turn has come, so that it is a profile that is ended.
  const other = memoryStats({ authorize: () => true })
  closers.push(() => { other.close() })
  const running = await TRANSPORTS.http.start((request, response) => { other(request, response) })
  closers.push(() => running.stop())
  const profile = (): Promise<Response> => fetch(`http://127.0.0.1:${String(running.port)}/profile?seconds=1`)
  expect((await profile()).status).toBe(429)
  stats.close()
  expect(await answer).toMatchObject({ status: 503, detail: 'This endpoint was closed.' })
  expect((await profile()).status).toBe(200)
})
