/** 'error' events of streams that nobody listens to: the request fails, and what Node was about to do goes on. */
import { afterEach, expect, it } from '@jest/globals'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo, type Server } from 'node:net'
import express, { type ErrorRequestHandler, type Express } from 'express'
import request from 'supertest'
import { recovery } from '../../../middleware/recovery.js'

const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
  recovery.uninstall()
})

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Answers /fine, and else breaks the connection. */
function upstreamServer(): Server {
  return http.createServer((incoming, response) => {
    if (incoming.url === '/fine') response.end('fine')
    else incoming.socket.destroy()
  })
}

/** A port of which nobody answers. */
async function closedPort(): Promise<number> {
  const server = net.createServer()
  const port = await portOf(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** An app whose every request asks a server by an agent of its own, and listens for no error. */
function appThatAsks(agent: http.Agent, portFor: (name: string) => number): { app: Express; urls: string[] } {
  closing.push(() => { agent.destroy() })
  const urls: string[] = []
  const app = express()
  app.use(recovery({ intensity: false, onRecover: ({ url }) => urls.push(url) }))
  app.get('/:name', (asked, response) => {
    http.get({ host: '127.0.0.1', port: portFor(asked.params.name), path: asked.path, agent }, (answer) => {
      let text = ''
      answer.on('data', (chunk) => (text += String(chunk)))
      answer.on('end', () => response.send(text))
    })
  })
  const onError: ErrorRequestHandler = (error: Error & { code?: string }, _asked, response, next) => {
    if (response.headersSent) next(error)
    else response.status(500).send(error.code)
  }
  app.use(onError)
  return { app, urls }
}

it('an outgoing request that breaks gets its request a 500, and leaves the http.Agent able to work', async () => {
  const upstream = await portOf(upstreamServer())
  const nowhere = await closedPort()
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const { app, urls } = appThatAsks(agent, (name) => (name === 'refused' ? nowhere : upstream))
  // The first time with a new connection, the second time with one that the agent has kept.
  for (let time = 1; time <= 2; time++) {
    for (const [url, code] of [['/breaks', 'ECONNRESET'], ['/refused', 'ECONNREFUSED']] as const) {
      expect(await request(app).get(url)).toMatchObject({ status: 500, text: code })
      expect(await request(app).get('/fine')).toMatchObject({ status: 200, text: 'fine' })
    }
  }
  expect(urls).toEqual(['/breaks', '/refused', '/breaks', '/refused'])
  expect(Object.values(agent.sockets).flat()).toEqual([])
})

it('outgoing requests that wait in an http.Agent while their server is down: each gets its own request a 500', async () => {
  const nowhere = await closedPort()
  const { app, urls } = appThatAsks(new http.Agent({ maxSockets: 1 }), () => nowhere)
  const names = ['/1', '/2', '/3', '/4']
  const port = await portOf(http.createServer(app))
  const answers = await Promise.all(names.map((name) => request(`http://127.0.0.1:${String(port)}`).get(name)))
  expect(answers.map(({ status, text }) => [status, text])).toEqual(names.map(() => [500, 'ECONNREFUSED']))
  expect(urls.sort()).toEqual(names)
})
