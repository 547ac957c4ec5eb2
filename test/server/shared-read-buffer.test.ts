/** Accepted connections are as those of any server, but for the buffer that they are read into. */
import { expect, it } from '@jest/globals'
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { createServer } from 'express-responder'
import { afterTest } from './support/started.js'

it('over TCP, small writes are not held back: TCP_NODELAY is set, as on connections of any http.Server', async () => {
  const server = createServer((_req, res) => res.end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterTest(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = await accepted
  client.destroy()
  const flag = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'kSetNoDelay')
  expect(flag === undefined ? undefined : Reflect.get(socket, flag)).toBe(true)
})
