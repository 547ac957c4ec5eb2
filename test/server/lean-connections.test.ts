/** What a web server's connection goes through every day makes no whole net.Socket of it, and holds no more memory than it has to. */
import { expect, it } from '@jest/globals'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { AcceptedSocket } from '../../lib/server/accepted-socket.js'
import { addingConnectionListeners } from '../../shared/connection-listeners.js'
import { encodeRequest } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { afterTest, start, turns, type Started } from './support/started.js'

const MEGABYTE = 1024 * 1024
const LARGE = Buffer.alloc(MEGABYTE, 'a')

async function startWithSockets(app: RequestListener): Promise<Started & { sockets: Socket[] }> {
  const sockets: Socket[] = []
  const started = await start(() => app)
  addingConnectionListeners(started.server, () => started.server.on('connection', (socket: Socket) => sockets.push(socket)))
  return { ...started, sockets }
}

it.each<[string, RequestListener, Buffer | undefined]>([
  ['a small answer', (_req, res) => { res.end('small') }, undefined],
  ['an answer of a megabyte', (_req, res) => { res.setHeader('Content-Length', MEGABYTE).end(LARGE) }, undefined],
  ['an answer of unknown length, of a megabyte', (_req, res) => { res.end(LARGE) }, undefined],
  ['an answer in many pieces that waits for drain', (_req, res) => { Readable.from(Array.from({ length: 40 }, () => LARGE.subarray(0, 100_000))).pipe(res) }, undefined],
  ['an upload that is read', (req, res) => { req.resume().on('end', () => { res.end('read') }) }, LARGE],
  ['an upload that is not read', (_req, res) => { res.end('answer') }, LARGE],
])('a connection stays lean through %s, twice, to a web server that reads late', async (_name, app, body) => {
  const { connect: open, sockets } = await startWithSockets(app)
  const client = await open()
  const params = nginxParams(body === undefined ? { url: '/' } : { method: 'POST', url: '/', extra: { CONTENT_LENGTH: String(body.length) } })
  for (let times = 0; times < 2; times++) {
    client.pause()
    const answered = client.request({ params, ...(body === undefined ? {} : { body }) })
    await turns()
    client.resume()
    await answered
  }
  expect(sockets.map((socket) => AcceptedSocket.isLean(socket))).toEqual([true])
})

it('an answer that is not copied holds its record headers, and no whole buffer, while the web server does not read', async () => {
  const clients = 64
  let answers = 0
  const { path } = await startWithSockets((_req, res) => {
    answers++
    res.setHeader('Content-Length', MEGABYTE).end(LARGE)
  })
  // They read once, into a buffer that they share.
  const onread = { buffer: Buffer.alloc(1024), callback: () => false }
  const opened = Array.from({ length: clients }, () => connect({ path, onread }))
  afterTest(() => {
    for (const client of opened) client.destroy()
    return Promise.resolve()
  })
  await Promise.all(opened.map((client) => once(client, 'connect')))
  const before = process.memoryUsage().arrayBuffers
  const request = encodeRequest({ requestId: 1, params: nginxParams({ url: '/' }) })
  for (const client of opened) client.write(request)
  while (answers < clients) await turns(1)
  expect((process.memoryUsage().arrayBuffers - before) / clients).toBeLessThan(16 * 1024)
})
