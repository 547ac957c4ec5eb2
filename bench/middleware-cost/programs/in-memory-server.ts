/**
 * One contender: Node's own HTTP server on connections in memory, with a middleware. Arguments: plain http or Express, and the
 * middleware's name. Tells µs of CPU a request each time that it is sent a message.
 */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import express, { type RequestHandler } from 'express'
import pLimit from 'p-limit'
import { concurrencyLimit } from 'express-responder/concurrency'
import { REQUESTS } from '../contenders.js'

type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void

const WARM_UP = 30_000
/** Connections, each with one request at a time. */
const AT_ONCE = 5
const BODY = Buffer.from('Hello World!')
const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')

const slots = pLimit(64)
const MIDDLEWARE: Readonly<Record<string, () => Middleware>> = {
  'no-op': () => (_request, _response, next) => {
    next()
  },
  'p-limit': () => (_request, response, next) => {
    void slots(() => new Promise<void>((resolve) => {
      response.on('close', resolve)
      next()
    }))
  },
  'fixed': () => concurrencyLimit({ limit: 64 }),
  'auto': () => concurrencyLimit(),
}

/** The end of a connection that the server has: gives it a request each time that the answer to the one before is there. */
class Connection extends Duplex {
  #left = 0
  #done: (() => void) | undefined

  ask(requests: number): Promise<void> {
    this.#left = requests
    this.push(REQUEST)
    return new Promise((resolve) => { this.#done = resolve })
  }

  override _read(): void {
    // Requests are pushed when they are due.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: () => void): void {
    written()
    if (!chunk.subarray(-BODY.length).equals(BODY)) return
    this.#left -= 1
    if (this.#left > 0) setImmediate(() => this.push(REQUEST))
    else this.#done?.()
  }

  setTimeout(): this { return this }
  setNoDelay(): this { return this }
  setKeepAlive(): this { return this }
}

function listener(face: string, middleware: Middleware | undefined): RequestListener {
  if (face === 'Express') {
    const app = express()
    app.disable('x-powered-by')
    if (middleware !== undefined) app.use(middleware as RequestHandler)
    app.get('/', (_request, response) => { response.type('text/plain').send(BODY.toString()) })
    return app
  }
  const handle = (response: ServerResponse): void => {
    response.setHeader('Content-Type', 'text/plain')
    response.end(BODY.toString())
  }
  if (middleware === undefined) return (_request, response) => { handle(response) }
  return (request, response) => { middleware(request, response, () => { handle(response) }) }
}

async function serve(face: string, name: string): Promise<void> {
  const server = createServer(listener(face, MIDDLEWARE[name]?.()))
  const connections = Array.from({ length: AT_ONCE }, () => new Connection())
  for (const connection of connections) server.emit('connection', connection)
  const ask = async (requests: number): Promise<number> => {
    const before = process.cpuUsage()
    await Promise.all(connections.map((connection) => connection.ask(requests / AT_ONCE)))
    const { user, system } = process.cpuUsage(before)
    return (user + system) / requests
  }
  await ask(WARM_UP)
  process.on('message', () => void ask(REQUESTS).then((cost) => process.send?.(cost)))
  process.send?.('ready')
}

const [, , face = '', name = ''] = process.argv
await serve(face, name)
