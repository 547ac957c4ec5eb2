/**
 * The program that fails: an app with every kind of failure, over HTTP or FastCGI. Its argument is a `Setting` as JSON.
 * Tells the process that started it of each recovery.
 */
import { EventEmitter } from 'node:events'
import http, { type RequestListener, type Server } from 'node:http'
import { createRequire } from 'node:module'
import { createServer } from '../../../lib/index.js'
import { recovery, type RecoveryOptions, type RecoveryReport } from '../../../middleware/recovery.js'
import { contexts } from '../../../middleware/recovery/context.js'
import { KINDS, type Phase } from './kinds.js'
import { startPeers } from './peers.js'

export interface Setting {
  express: 4 | 5
  protocol: 'http' | 'fastcgi'
  /** Where to listen. */
  path: string
  /** Whether recovery() stands first, and recovery.errors() last. */
  first: boolean
  last: boolean
  options?: Pick<RecoveryOptions, 'intensity' | 'answerTimeout' | 'drainTimeout' | 'expose' | 'trackPromises'>
  /** What an error middleware of the app's own does. */
  own?: 'answers' | 'answers later' | 'waits' | 'throws'
}

/** What the program tells. */
export type Message =
  | { event: 'listening' | 'give-up' }
  | { event: 'recover'; report: Omit<RecoveryReport, 'error'> & { message: string; note: unknown } }
  | { event: 'memory'; rss: number; total: number }

const setting = JSON.parse(process.argv[2] ?? '') as Setting
const tell = (message: Message): void => {
  process.send?.(message)
}

const peers = await startPeers()
const queue: (() => void)[] = []
// Made before any request: what runs here belongs to none.
setInterval(() => {
  const fn = queue.shift()
  fn?.()
}, 2).unref()
const shared = new EventEmitter()
const guarded = recovery.emitter(new EventEmitter())

interface Application extends RequestListener {
  use(handler: unknown): void
  all(path: string, handler: (...args: never[]) => unknown): void
}

const require = createRequire(import.meta.url)
const express = require(setting.express === 4 ? 'express4' : 'express') as () => Application
const app = express()

// Outside of recovery(): nobody's failures but its own.
app.all('/outside', (_request: unknown, response: http.ServerResponse) => {
  response.end(contexts.getStore()?.request?.url ?? 'nobody')
})

if (setting.first) {
  const first = recovery(setting.options)
  first.events.on('recover', ({ error, ...report }) => {
    const { recovery: note } = error as { recovery?: unknown }
    tell({ event: 'recover', report: { ...report, message: error.message, note } })
  })
  first.events.on('give-up', () => {
    tell({ event: 'give-up' })
  })
  app.use(first)
  process.on('message', () => {
    globalThis.gc?.()
    tell({ event: 'memory', rss: process.memoryUsage().rss, total: first.total })
  })
}

type Handler = (request: http.IncomingMessage & { params: Record<string, string> }, response: http.ServerResponse, next: (error?: unknown) => void) => unknown

const innocent: Handler = (request, response) => {
  const body = `innocent ${request.params['name'] ?? ''}`
  // Some are answered at once, some while others fail.
  if (Number(request.params['name']) % 2 === 0) response.end(body)
  else setTimeout(() => response.end(body), 5)
}

const failing: Handler = (request, response, next) => {
  const kind = KINDS[request.params['kind'] ?? '']
  const phase = request.params['phase'] as Phase
  const elsewhere = (fn: () => void): void => {
    queue.push(fn)
  }
  const trigger = (): unknown => kind?.trigger({ request, response, next, elsewhere, shared, guarded, peers })
  if (phase === 'before-headers') return trigger()
  if (phase === 'streaming') response.write('part')
  else response.end('done')
  return trigger()
}

app.all('/abort', () => {
  setTimeout(() => {
    throw recovery.ABORT
  }, 1)
})
app.all('/memory', () => {
  setTimeout(() => new ArrayBuffer(2 ** 52), 1)
})
app.all('/upload', (request: http.IncomingMessage) => {
  request.once('data', () => {
    throw new Error('by intention')
  })
})
app.all('/stranger', (_request: unknown, response: http.ServerResponse) => {
  response.end('done')
  queue.push(() => {
    throw new Error('of nobody')
  })
})
app.all('/slow', (_request: unknown, response: http.ServerResponse) => {
  setTimeout(() => response.end('slow'), 300)
})
app.all('/innocent/:name', innocent)
app.all('/fail/:kind/:phase', failing)

if (setting.own !== undefined) {
  const { own } = setting
  // Express knows an error middleware by its four parameters.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  app.use((error: unknown, _request: unknown, response: http.ServerResponse, _next: unknown) => {
    if (own === 'throws') throw new Error('the error middleware fails, too')
    const answer = (): void => {
      response.statusCode = 500
      response.end(`own ${error instanceof Error ? error.message : typeof error}`)
    }
    if (own === 'answers') answer()
    // What else fails has failed by then: an interval of a millisecond.
    else if (own === 'answers later') setTimeout(answer, 100)
  })
}
if (setting.last) app.use(recovery.errors(setting.options))

const server: Server = setting.protocol === 'http' ? http.createServer(app) : createServer(app)
if (setting.protocol === 'fastcgi') server.on('warning', () => undefined)
server.listen(setting.path, () => {
  tell({ event: 'listening' })
})
process.on('disconnect', () => process.exit(0))
