/** Which connections the cap counts as new ones. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { createServer } from 'express-responder'
import { acceptedConnections, countAccepts } from '../../../middleware/concurrency/clock.js'
import { FastCgiClient } from '../../support/fastcgi-client.js'
import { nginxParams } from '../../support/nginx-params.js'

it('a request is none, where a helper for stopping has the server tell of each as a connection', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'accepts-'))
  const path = join(directory, 's')
  const server = createServer((req, res) => {
    countAccepts(req)
    res.end()
  })
  let told = 0
  server.on('connection', () => told++)
  server.on('request', () => undefined)
  server.listen(path)
  await once(server, 'listening')
  const clients: FastCgiClient[] = []
  const connect = async (): Promise<FastCgiClient> => {
    const client = await FastCgiClient.connect(path)
    clients.push(client)
    return client
  }
  try {
    const first = await connect()
    await first.request({ params: nginxParams() })
    const before = acceptedConnections()
    for (let i = 0; i < 3; i++) await first.request({ params: nginxParams() })
    expect([acceptedConnections() - before, told]).toEqual([0, 5])
    await (await connect()).request({ params: nginxParams() })
    expect([acceptedConnections() - before, told]).toEqual([1, 7])
  } finally {
    for (const client of clients) await client.destroy()
    server.close()
    await once(server, 'close')
    await rm(directory, { recursive: true })
  }
})
