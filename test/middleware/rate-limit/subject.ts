/** A server behind rate limits, and clients of it with addresses of their own. */
import { once } from 'node:events'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import type { RateLimit } from '../../../middleware/rate-limit.js'
import { portOf, readResponse } from '../../support/http.js'
import { CARRIERS as COMMON, mount, serverFor, type Handler } from '../carriers.js'

export const CARRIERS = [...COMMON, 'plain HTTP/2'] as const
export type Carrier = (typeof CARRIERS)[number]

export type { Handler } from '../carriers.js'

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
    this.server = this.#serve(mountLimits(carrier, limits, (request, response) => {
      this.handled += 1
      if (handler === undefined) response.end('ok')
      else handler(request, response)
    }, settings))
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
    const server = serverFor(this.#carrier, app, this.#closers)
    this.#closers.push(() => {
      server.close()
      server.closeAllConnections()
    })
    return server
  }
}

export function mountLimits(carrier: Carrier, limits: RateLimit[], handler: Handler, settings: Record<string, unknown> = {}): RequestListener {
  return mount(carrier, { middleware: limits, handler, onError: answerError, settings })
}

function answerError(error: unknown, response: ServerResponse): void {
  const { code, message, status, headers = {} } = error as { code?: unknown; message: string; status?: number; headers?: Record<string, string> }
  const answer: ErrorAnswer = { code, message }
  response.writeHead(status ?? 500, headers).end(JSON.stringify(answer))
}
