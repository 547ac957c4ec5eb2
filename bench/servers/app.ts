/** The application of the benchmark: an Express app, and the same routes as a bare request listener. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import express from 'express'
import type { Express } from 'express'
import { HELLO, download, items } from '../cases.js'
import { receive, stream } from './streams.js'

const listing = items()
const file = download()

/** The routes on Express 5, as an app would write them; `first` and `last` mount what stands around them. */
export function expressApp(first?: (app: Express) => void, last?: (app: Express) => void): Express {
  const app = express()
  first?.(app)
  app.get('/hello', (_req, res) => {
    res.type('text/plain').send(HELLO)
  })
  app.get('/json', (_req, res) => {
    res.json(listing)
  })
  app.get('/download', (_req, res) => {
    res.type('application/octet-stream').set('Content-Length', String(file.length)).end(file)
  })
  app.post('/upload', (req, res) => {
    countBody(req, (octets) => res.type('text/plain').send(octets))
  })
  app.get('/stream', stream)
  app.post('/receive', receive)
  last?.(app)
  return app
}

/** The same routes without Express. */
export function bareListener(req: IncomingMessage, res: ServerResponse): void {
  switch (req.url) {
    case '/hello':
      send(res, 'text/plain', Buffer.byteLength(HELLO), HELLO)
      return
    case '/json': {
      const text = JSON.stringify(listing)
      send(res, 'application/json', Buffer.byteLength(text), text)
      return
    }
    case '/download':
      send(res, 'application/octet-stream', file.length, file)
      return
    case '/upload':
      countBody(req, (octets) => {
        send(res, 'text/plain', octets.length, octets)
      })
      return
    default:
      res.writeHead(404).end()
  }
}

function send(res: ServerResponse, type: string, octets: number, body: string | Buffer): void {
  res.writeHead(200, { 'Content-Type': type, 'Content-Length': octets }).end(body)
}

function countBody(req: IncomingMessage, done: (octets: string) => void): void {
  let octets = 0
  req.on('data', (chunk: Buffer) => {
    octets += chunk.length
  })
  req.on('end', () => {
    done(String(octets))
  })
}
