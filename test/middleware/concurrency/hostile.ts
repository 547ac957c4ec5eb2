/**
 * Clients and handlers that do everything wrong at once, through one cap: clients that leave while they wait or are answered,
 * pipeline and go, stop in the middle of an upload, do not read; handlers that throw, end twice, stream, or never answer.
 * A count of its own, kept beside the cap's, tells whether a slot was ever held twice.
 */
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import express from 'express'
import type { ConcurrencyLimit } from '../../../middleware/concurrency.js'
import { seeded } from '../../support/seeded.js'

export interface Outcome {
  sent: number
  handled: number
  /** The most handlers whose request was neither answered nor gone. */
  mostAtOnce: number
  /** Handlers that were called for a request whose client had been seen to leave. */
  handledAfterLeaving: number
  accepted: number
  rejected: number
  abandoned: number
  leaked: number
  active: number
  waiting: number
  byKind: Record<string, number>
}

const CONNECTIONS = 64
const LARGE = Buffer.alloc(300_000, 'x')

interface Kind {
  /** Requests on one connection. */
  requests: number
  text: string
  /** How the connection ends, once everything is sent. */
  leave: 'at once' | 'soon' | 'when answered' | 'when leaked' | 'unread'
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
}

const KINDS: Readonly<Record<string, Kind>> = {
  'answered': { requests: 10, text: get('/soon').repeat(10), leave: 'when answered' },
  'leaves at once': { requests: 1, text: get('/soon'), leave: 'at once' },
  'leaves soon': { requests: 1, text: get('/late'), leave: 'soon' },
  'pipelines and goes': { requests: 20, text: get('/soon').repeat(20), leave: 'soon' },
  'pipelines and goes at once': { requests: 20, text: get('/late').repeat(20), leave: 'at once' },
  'stops uploading': { requests: 1, text: 'POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf', leave: 'soon' },
  'does not read': { requests: 3, text: get('/large').repeat(3), leave: 'unread' },
  'throws': { requests: 5, text: get('/throws').repeat(5), leave: 'when answered' },
  'ends twice': { requests: 5, text: get('/twice').repeat(5), leave: 'when answered' },
  'never answered': { requests: 2, text: get('/never').repeat(2), leave: 'when leaked' },
  'streams': { requests: 1, text: get('/events'), leave: 'soon' },
}

export async function beHostile(cap: ConcurrencyLimit, requests: number, seed: number): Promise<Outcome> {
  const outcome: Outcome = {
    sent: 0, handled: 0, mostAtOnce: 0, handledAfterLeaving: 0, accepted: 0, rejected: 0, abandoned: 0, leaked: 0, active: 0, waiting: 0, byKind: {},
  }
  const server = http.createServer({ keepAliveTimeout: 1000 }, createApp(cap, outcome))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const random = seeded(seed)
  const names = Object.keys(KINDS)
  const client = async (): Promise<void> => {
    while (outcome.sent < requests) {
      const name = names[Math.floor(random() * names.length)] ?? ''
      const kind = KINDS[name]
      if (kind === undefined) continue
      outcome.sent += kind.requests
      outcome.byKind[name] = (outcome.byKind[name] ?? 0) + kind.requests
      await connect(port, kind)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client))
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  // What p-limit holds falls some microtasks after the last socket has closed.
  await new Promise(setImmediate)
  const { accepted, abandoned, leaked, active, waiting } = cap
  const rejected = Object.values(cap.rejected).reduce((sum, count) => sum + count, 0)
  return { ...outcome, accepted, rejected, abandoned, leaked, active, waiting }
}

function createApp(cap: ConcurrencyLimit, outcome: Outcome): http.RequestListener {
  const app = express()
  app.set('env', 'test')
  let atOnce = 0
  const ends = new WeakMap<http.IncomingMessage, () => void>()
  cap.events.on('leak', (_leak, request) => {
    ends.get(request)?.()
    request.socket.destroy()
  })
  app.use(cap)
  app.use((request, response, next) => {
    outcome.handled += 1
    if (request.socket.destroyed) outcome.handledAfterLeaving += 1
    outcome.mostAtOnce = Math.max(outcome.mostAtOnce, ++atOnce)
    let over = false
    const end = (): void => {
      if (!over) atOnce -= 1
      over = true
    }
    ends.set(request, end)
    response.on('finish', end)
    response.on('close', end)
    request.socket.setMaxListeners(0).on('close', end)
    // Where the cap no longer counts it, neither does this.
    if (request.url === '/never' || request.url === '/events') end()
    next()
  })
  app.get('/soon', (_request, response) => setImmediate(() => response.end('ok')))
  app.get('/late', (_request, response) => setTimeout(() => response.end('ok'), 2))
  app.post('/body', (request, response) => request.resume().on('end', () => response.end('ok')))
  app.get('/large', (_request, response) => response.end(LARGE))
  app.get('/throws', () => {
    throw Object.assign(new Error('by intention'), { status: 500 })
  })
  app.get('/twice', (_request, response) => {
    response.on('error', () => undefined)
    response.end('once')
    response.end('twice')
    setImmediate(() => response.end('thrice'))
  })
  app.get('/never', () => undefined)
  app.get('/events', (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: hello\n\n')
  })
  return app
}

function connect(port: number, { requests, text, leave }: Kind): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    let answers = 0
    socket.on('error', () => undefined)
    socket.on('close', () => { resolve() })
    if (leave === 'unread') socket.pause()
    else socket.on('data', (piece) => {
      answers += piece.toString('latin1').split('HTTP/1.1 ').length - 1
      // What is never answered is leaked, which ends the connection, or turned away, which is the first answer there is.
      if (answers >= (leave === 'when leaked' ? 1 : requests)) socket.destroy()
    })
    socket.on('connect', () => {
      socket.write(text, () => {
        if (leave === 'at once') socket.destroy()
        else if (leave === 'soon' || leave === 'unread') setTimeout(() => { socket.destroy() }, 3)
      })
    })
  })
}
