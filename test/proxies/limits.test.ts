/** How much passes each web server as its example configures it, and what stands in the others' way. */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { expect, it } from '@jest/globals'
import { Exchange, ask } from './support/client.js'
import { echoOf } from './support/json.js'
import { describeSite, forEachServer, newId } from './support/suite.js'
import { servers } from './support/servers.js'
import { caddy } from './support/servers/caddy.js'
import { h2o } from './support/servers/h2o.js'
import { haproxy } from './support/servers/haproxy.js'
import { lighttpd } from './support/servers/lighttpd.js'
import { nginx } from './support/servers/nginx.js'
import type { Site } from './support/site.js'
import type { WebServer } from './support/web-server.js'

/** The examples whose comments say that larger bodies are refused with 413, with 1 MB in the place of 16. */
const REFUSING: readonly WebServer[] = [
  nginx('nginx', 'nginx/app.conf', { edit: (text) => text.replace('client_max_body_size 16m', 'client_max_body_size 1m') }),
  lighttpd('lighttpd', 'lighttpd/app.conf', { edit: (text) => text.replace('max-request-size = 16384', 'max-request-size = 1024') }),
  caddy('Caddy', 'caddy/Caddyfile', { edit: (text) => text.replace('max_size 16MB', 'max_size 1MB') }),
  h2o('h2o', 'h2o/h2o.conf', { edit: (text) => text.replace('limit-request-body: 16777216', 'limit-request-body: 1000000') }),
]

for (const server of REFUSING) {
  describeSite(server, `a body through ${server.name}`, (site) => {
    it('passes up to the limit of the example, and is refused with 413 above', async () => {
      const fits = await ask(site().origin, { method: 'POST', path: '/echo', body: Buffer.alloc(1_000_000) })
      expect(echoOf(fits).length).toBe(1_000_000)
      const larger = await ask(site().origin, { method: 'POST', path: '/echo', body: Buffer.alloc(1_050_000) })
      // 0: the server also closes a connection that is still written to, and the client may not read the answer then.
      expect([0, 413]).toContain(larger.status)
      expect((await ask(site().origin, '/echo')).status).toBe(200)
    })
  })
}

forEachServer(
  'HAProxy’s buffers, as set in',
  ({ site }) => {
    it('hold a path of 8,000 bytes', async () => {
      const path = `/echo/${'p'.repeat(8_000)}`
      expect(echoOf(await ask(site().origin, path)).url).toBe(path)
    })

    it('hold 150 headers of a response', async () => {
      const answer = await ask(site().origin, '/many-headers?count=150')
      expect(answer.status).toBe(200)
      expect(answer.headers['x-many-149']).toBeDefined()
    })
  },
  { only: ['haproxy', 'haproxyMultiplexed'] },
)

forEachServer(
  'more than 100 headers of a response through',
  ({ site }) => {
    it('are an error of h2o’s own, and the app is told', async () => {
      const codes: unknown[] = []
      site().app?.on('warning', ({ code }: { code: string }) => codes.push(code))
      expect((await ask(site().origin, '/many-headers?count=90')).status).toBe(200)
      expect(codes).not.toContain('ERR_FCGI_HEADER_COUNT')
      expect((await ask(site().origin, '/many-headers?count=120')).status).toBe(503)
      expect(codes).toContain('ERR_FCGI_HEADER_COUNT')
    })
  },
  { only: ['h2o'] },
)

forEachServer(
  'open event streams through',
  ({ site }) => {
    it('leave room for other requests: 150 of them', async () => {
      const streams = Array.from({ length: 150 }, () => {
        const id = newId()
        return { id, exchange: new Exchange(site().origin, { path: `/sse?id=${id}` }) }
      })
      await Promise.all(streams.map(({ exchange }) => exchange.received('data: one')))
      expect((await ask(site().origin, '/echo')).status).toBe(200)
      for (const { exchange } of streams) exchange.abort()
    })
  },
  { only: ['nginx', 'lighttpd', 'caddy', 'haproxy', 'h2o'] },
)

/** A client that asks for 16 MB and does not read; resolves once the answer has begun to arrive. */
async function slowReader(site: Site): Promise<Socket> {
  const socket = connect({ port: site.web.port, host: '127.0.0.1' })
  await once(socket, 'connect')
  socket.write('GET /download?size=16000000 HTTP/1.1\r\nHost: app.example.com\r\n\r\n')
  await once(socket, 'data')
  socket.pause()
  return socket
}

const IMPATIENT = haproxy('HAProxy, multiplexed', 'haproxy/multiplexed.cfg', {
  edit: (text) => text.replace(/timeout client 5s/, 'timeout client 1s'),
})

/** Asks three times at once beside a client that does not read. */
async function besideSlowReader(site: Site): Promise<void> {
  await ask(site.origin, '/echo')
  const slow = await slowReader(site)
  try {
    const answers = await Promise.all(Array.from({ length: 3 }, () => ask(site.origin, '/download?size=100000')))
    expect(answers.map(({ status, complete }) => [status, complete])).toEqual(Array.from({ length: 3 }, () => [200, true]))
  } finally {
    slow.destroy()
  }
}

describeSite(servers.haproxy, 'a slow reader behind HAProxy', (site) => {
  it('holds nobody up', () => besideSlowReader(site()))
})

describeSite(IMPATIENT, 'a slow reader behind HAProxy, multiplexed', (site) => {
  it('holds the others of its connection up for no longer than timeout client', () => besideSlowReader(site()))

  it('does not cut off a handler that takes longer', async () => {
    const id = newId()
    const exchange = new Exchange(site().origin, { path: `/wait?id=${id}` })
    await site().events.wait(id, 'called')
    await once(AbortSignal.timeout(1500), 'abort')
    site().events.release(id)
    expect((await exchange.answer).body.toString()).toBe('released\n')
  })
})
