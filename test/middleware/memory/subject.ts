/** An app with the memory endpoint on /debug/pprof, on everything that it may run on. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import express4 from 'express4'
import express5 from 'express'
import { createServer } from '../../../lib/index.js'
import { memoryStats, type MemoryStats, type MemoryStatsOptions } from '../../../middleware/memory.js'

export const CARRIERS = ['Express 5 over HTTP', 'Express 4 over HTTP', 'Express 5 over FastCGI', 'plain http'] as const
export type Carrier = (typeof CARRIERS)[number]

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

const MOUNT = '/debug/pprof'

export class Subject {
  readonly stats: MemoryStats
  readonly port: number
  readonly #closers: (() => void)[]

  private constructor(stats: MemoryStats, port: number, closers: (() => void)[]) {
    this.stats = stats
    this.port = port
    this.#closers = closers
  }

  /** Everybody may, unless the options say else; `{ authorize: undefined }` leaves it to the endpoint. */
  static async start(carrier: Carrier, options: { [Name in keyof MemoryStatsOptions]?: MemoryStatsOptions[Name] | undefined } = {}, handler: RequestListener = answer): Promise<Subject> {
    const given = Object.fromEntries(Object.entries({ authorize: () => true, ...options }).filter(([, value]) => value !== undefined)) as MemoryStatsOptions
    const stats = memoryStats(given)
    const closers = [() => { stats.close() }]
    const app = mount(carrier, stats, handler)
    return new Subject(stats, await listen(carrier, app, closers), closers)
  }

  /** A request of its own connection; `path` below the mount. */
  request(method: string, path: string, headers: Record<string, string> = {}, whole = `${MOUNT}/${path}`): { request: http.ClientRequest; answer: Promise<Answer> } {
    const request = http.request({ port: this.port, host: '127.0.0.1', method, path: whole, headers, agent: false })
    const answered = new Promise<Answer>((resolve, reject) => {
      request.on('error', reject)
      request.on('response', (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (piece: string) => { body += piece }).on('error', reject)
        response.on('end', () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body }) })
      })
    })
    answered.catch(() => undefined)
    request.end()
    return { request, answer: answered }
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('GET', path, headers).answer
  }

  post(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('POST', path, headers).answer
  }

  stop(): void {
    for (const close of this.#closers) close()
  }
}

function answer(_request: IncomingMessage, response: ServerResponse): void {
  response.end('of the app')
}

function mount(carrier: Carrier, stats: MemoryStats, handler: RequestListener): RequestListener {
  if (carrier === 'plain http') {
    return (request, response) => {
      if (request.url?.startsWith(`${MOUNT}/`) === true) stats(request, response)
      else handler(request, response)
    }
  }
  const app = carrier.startsWith('Express 4') ? express4() : express5()
  app.set('env', 'test')
  app.use(MOUNT, stats)
  app.use(handler)
  return app as RequestListener
}

/** The port on which it is reached over HTTP. */
async function listen(carrier: Carrier, app: RequestListener, closers: (() => void)[]): Promise<number> {
  const overFastCgi = carrier === 'Express 5 over FastCGI'
  const server = overFastCgi ? createServer(app) : http.createServer(app)
  closers.push(() => { server.close(); server.closeAllConnections() })
  if (!overFastCgi) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const directory = mkdtempSync(join(tmpdir(), 'mem-'))
  closers.push(() => { rmSync(directory, { recursive: true, force: true }) })
  const path = join(directory, 's')
  server.listen(path)
  await once(server, 'listening')
  // In a thread of its own: its requests are none of the process that is looked at.
  const web = new Worker(new URL('./programs/web-server.js', import.meta.url), { workerData: path })
  closers.push(() => { void web.terminate() })
  const [port] = await once(web, 'message') as [number]
  return port
}
