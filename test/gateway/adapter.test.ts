/** The gateway in front of this package's own adapter: the whole road, as supertest drives it. */
import { existsSync } from 'node:fs'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import express from 'express'
import { createServer, gateway } from 'express-responder'
import request from 'supertest'
import { close, fetchFrom, listen } from '../support/http.js'

describe('supertest(gateway(createServer(app)))', () => {
  const app = express()
  app.get('/hello', (_req, res) => {
    res.type('text/plain').send('Hello World!')
  })
  app.post('/echo', express.json(), (req, res) => {
    res.json(req.body)
  })
  app.get('/secure', (req, res) => {
    res.json({ secure: req.secure, ip: req.ip, hostname: req.hostname, protocol: req.protocol })
  })

  it('answers request after request, each time listening anew', async () => {
    const server = createServer(app)
    const front = gateway(server)
    for (let index = 0; index < 3; index++) {
      const response = await request(front).get('/hello')
      expect(response.status).toBe(200)
      expect(response.text).toBe('Hello World!')
      expect(response.headers['content-length']).toBe('12')
    }
    expect(server.listening).toBe(false)
  })

  it('answers requests at the same time', async () => {
    const front = gateway(createServer(app))
    const responses = await Promise.all(
      Array.from({ length: 20 }, (_item, index) => request(front).post('/echo').send({ index })),
    )
    expect(responses.map(({ body }) => body as unknown)).toEqual(responses.map((_item, index) => ({ index })))
  })

  it('says who asks', async () => {
    const response = await request(gateway(createServer(app))).get('/secure').set('Host', 'example.test:8080')
    expect(response.body).toEqual({ secure: false, ip: '127.0.0.1', hostname: 'example.test', protocol: 'http' })
  })

  it('answers a chunked upload', async () => {
    const front = await listen(gateway(createServer(app)))
    const headers = { 'Content-Type': 'application/json' }
    const response = await fetchFrom(front, { method: 'POST', path: '/echo', headers, body: ['{"a"', ':1}'] })
    expect(String(response.body)).toBe('{"a":1}')
    await close(front)
  })

  it('tells the app of a client that leaves, also for the requests it has pipelined', async () => {
    const closed = new Set<string | undefined>()
    let client: Socket | undefined
    const allClosed = new Promise<void>((resolve) => {
      const server = createServer((req, res) => {
        req.resume()
        res.on('close', () => {
          if (closed.add(req.url).size === 2) resolve()
        })
        if (req.url === '/2') client?.destroy()
      })
      const front = gateway(server)
      void listen(front).then(() => {
        const { port } = front.address() as AddressInfo
        client = connect(port, '127.0.0.1')
        client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
        client.on('close', () => {
          void close(front)
        })
      })
    })
    await allClosed
    expect([...closed].sort()).toEqual(['/1', '/2'])
  })

  it('lets a FastCGI server listen on a private socket, and cleans up after it', async () => {
    const server = createServer(app)
    const front = await listen(gateway(server))
    await request(front).get('/hello').expect(200)
    const path = server.address() as string
    expect(existsSync(path)).toBe(true)
    await close(front)
    expect(server.listening).toBe(false)
    expect(existsSync(dirname(path))).toBe(false)
  })

  it('uses a FastCGI server that listens already, and leaves it alone', async () => {
    const server = await listen(createServer(app))
    await request(gateway(server)).get('/hello').expect(200, 'Hello World!')
    expect(server.listening).toBe(true)
    await close(server)
  })
})
