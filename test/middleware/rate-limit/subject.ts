/** A server behind rate limits, and clients of it with addresses of their own. */
import { once } from 'node:events'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import express4 from 'express4'
import express5, { type NextFunction, type Request, type Response } from 'express'
import { createServer, gateway } from '../../../lib/index.js'
import type { RateLimit } from '../../../middleware/rate-limit.js'
import { portOf, readResponse } from '../../support/http.js'

export const CARRIERS = ['Express 5 over HTTP', 'Express 4 over HTTP', 'Express 5 over FastCGI', 'plain http', 'plain HTTP/2'] as const
export type Carrier = (typeof CARRIERS)[number]

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

export interface Question {
  method?: string
  path?: string
  headers?: Record<string, string>
  /** The client's address, of 127.0.0.0/8. */
  from?: string
}

export interface Setup {
  carrier?: Carrier
  handler?: Handler
  /** Express's settings. */
  settings?: Record<string, unknown>
  /** Listens there and not on a port. */
  socketPath?: string
}

/** What it answers where `next()` got an error. */
export interface ErrorAnswer {
  code: unknown
  message: string
}

export class Subject {
  readonly server: net.Server
  /** How often the handler behind the limits was called. */
  handled = 0
  readonly #carrier: Carrier
  readonly #closers: (() => void)[] = []
  readonly #socketPath: string | undefined

  private constructor(limits: RateLimit[], { carrier = 'plain http', handler, settings = {}, socketPath }: Setup) {
    this.#carrier = carrier
    this.#socketPath = socketPath
    const app = mount(carrier, limits, (request, response) => {
      this.handled += 1
      if (handler === undefined) response.end('ok')
      else handler(request, response)
    }, settings)
    this.server = this.#serve(app)
  }

  static async start(limits: RateLimit | RateLimit[], setup: Setup = {}): Promise<Subject> {
    const subject = new Subject([limits].flat(), setup)
    if (setup.socketPath === undefined) subject.server.listen(0, '127.0.0.1')
    else subject.server.listen(setup.socketPath)
    await once(subject.server, 'listening')
    return subject
  }

  /** The status alone, of so many requests in turn. */
  async statuses(count: number, question: Question = {}): Promise<number[]> {
    const statuses: number[] = []
    for (let index = 0; index < count; index++) statuses.push((await this.ask(question)).status)
    return statuses
  }

  ask(question: Question = {}): Promise<Answer> {
    return this.#carrier === 'plain HTTP/2' ? this.#askHttp2(question) : this.#askHttp1(question)
  }

  stop(): void {
    for (const close of this.#closers) close()
  }

  async #askHttp1({ method = 'GET', path = '/', headers = {}, from }: Question): Promise<Answer> {
    const where = this.#socketPath === undefined ? { host: '127.0.0.1', port: portOf(this.server), localAddress: from } : { socketPath: this.#socketPath }
    const request = http.request({ ...where, method, path, headers, agent: false }).end()
    const [response] = await once(request, 'response') as [IncomingMessage]
    const { status, body, ...answer } = await readResponse(response)
    return { status, headers: answer.headers, body: body.toString() }
  }

  async #askHttp2({ method = 'GET', path = '/', headers = {}, from }: Question): Promise<Answer> {
    const port = portOf(this.server)
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: from })
    const session = http2.connect(`http://127.0.0.1:${String(port)}`, { createConnection: () => socket })
    const stream = session.request({ ':method': method, ':path': path, ...headers })
    try {
      const closed = once(stream, 'close').then(() => { throw new Error('closed without a response') })
      const [answered] = await Promise.race([once(stream, 'response'), closed]) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]
      closed.catch(() => undefined)
      let body = ''
      stream.setEncoding('utf8').on('data', (piece: string) => { body += piece })
      await once(stream, 'end')
      return { status: answered[':status'] ?? 0, headers: answered, body }
    } finally {
      session.close()
    }
  }

  #serve(app: RequestListener): net.Server {
    if (this.#carrier === 'plain HTTP/2') {
      const server = http2.createServer(app as unknown as (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void)
      this.#closers.push(() => { server.close() })
      return server
    }
    const server = this.#carrier === 'Express 5 over FastCGI' ? this.#gateway(app) : http.createServer(app)
    this.#closers.push(() => {
      server.close()
      server.closeAllConnections()
    })
    return server
  }

  #gateway(app: RequestListener): http.Server {
    const fastcgi = createServer(app)
    this.#closers.push(() => { fastcgi.close() })
    return gateway(fastcgi)
  }
}

export function mount(carrier: Carrier, limits: RateLimit[], handler: Handler, settings: Record<string, unknown> = {}): RequestListener {
  if (carrier.startsWith('plain')) {
    return (request, response) => {
      const step = (index: number): void => {
        const limit = limits[index]
        if (limit === undefined) handler(request, response)
        else limit(request, response, (error) => {
          if (error === undefined) step(index + 1)
          else answerError(error, response)
        })
      }
      step(0)
    }
  }
  const app = carrier.startsWith('Express 4') ? express4() : express5()
  app.set('env', 'test')
  for (const [name, value] of Object.entries(settings)) app.set(name, value)
  for (const limit of limits) app.use(limit)
  app.use(handler)
  // Express asks for four parameters.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => { answerError(error, response) })
  return app as RequestListener
}

function answerError(error: unknown, response: ServerResponse): void {
  const { code, message, status, headers = {} } = error as { code?: unknown; message: string; status?: number; headers?: Record<string, string> }
  const answer: ErrorAnswer = { code, message }
  response.writeHead(status ?? 500, headers).end(JSON.stringify(answer))
}
