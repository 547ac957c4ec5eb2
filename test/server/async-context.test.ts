/** What a handler leaves in an AsyncLocalStorage reaches the next request of the same read no more than over HTTP. */
import { expect, it } from '@jest/globals'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { encodeRequest } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

const leaky = (): { app: RequestListener; seen: unknown[] } => {
  const storage = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const app: RequestListener = (req, res) => {
    seen.push(storage.getStore())
    storage.enterWith(req.url ?? '')
    res.end()
  }
  return { app, seen }
}

it('enterWith() in one of two requests that come together', async () => {
  const overHttp = leaky()
  const server = http.createServer(overHttp.app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.resume()
  socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  server.close()

  const overFastCgi = leaky()
  const { connect: connectTo } = await start(() => overFastCgi.app)
  const client = await connectTo()
  for (const id of [1, 2]) client.expect(id)
  await client.send(Buffer.concat([1, 2].map((id) => encodeRequest({ requestId: id, params: nginxParams({ url: `/${String(id)}` }) }))))
  await Promise.all([client.response(1), client.response(2)])

  expect(overFastCgi.seen).toEqual(overHttp.seen)
})

it("'finish' of each of two responses that leave together comes in its own request's context", async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen: string[] = []
  const release: (() => void)[] = []
  const { connect: connectTo } = await start(() => (req, res) => {
    const url = req.url ?? ''
    storage.run(url, () => {
      res.on('finish', () => seen.push(`${url} ${storage.getStore() ?? 'none'}`))
      release.push(AsyncLocalStorage.bind(() => res.end()))
      if (release.length === 2) for (const end of release) end()
    })
  })
  const client = await connectTo()
  for (const id of [1, 2]) client.expect(id)
  await client.send(Buffer.concat([1, 2].map((id) => encodeRequest({ requestId: id, params: nginxParams({ url: `/${String(id)}` }) }))))
  await Promise.all([client.response(1), client.response(2)])
  expect(seen.sort()).toEqual(['/1 /1', '/2 /2'])
})
