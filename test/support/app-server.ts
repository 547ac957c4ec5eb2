/**
 * An app with middleware in front of its handler, on any carrier, and clients of it. Handlers end when the test says so, or are the test's
 * own. All that was opened is closed by `stop()`.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { createServer, gateway } from '../../lib/index.js'
import { mount, type Carrier, type Chain, type Handler, type Middleware } from './carriers.js'
import { portOf } from './http.js'

export { CARRIERS, type Carrier, type Handler, type Middleware } from './carriers.js'

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

export interface Question {
  /** Default: /. */
  path?: string
  /** Default: GET. */
  method?: string
  headers?: Record<string, string>
  /** The client's address, of 127.0.0.0/8. */
  from?: string
}

/** A handler that was called, with what it is to answer. */
export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export interface AppServerOptions extends Omit<Partial<Chain>, 'middleware'> {
  /** Default: plain http. */
  carrier?: Carrier | 'plain HTTP/2'
  middleware?: Middleware | readonly Middleware[]
  /** Default: one that answers when the test ends the visit. */
  handler?: Handler
  /** Listens there and not on a port. */
  socketPath?: string
  /** The HTTP in front of FastCGI is in a thread of its own, where its requests are none of the process that is looked at. */
  gatewayInThread?: boolean
}

export class AppServer {
  /** Where clients connect to, but for a gateway in a thread. */
  readonly server: net.Server
  /** How often the handler was called. */
  handled = 0
  /** Handlers that were called, where the test has given none. */
  readonly visits: Visit[] = []
  /** What `stop()` does, the last first. */
  protected readonly closers: (() => void)[] = []
  readonly #carrier: string
  readonly #socketPath: string | undefined
  #port: number | undefined
  #waiting: (() => void)[] = []

  protected constructor({ carrier = 'plain http', middleware = [], handler, socketPath, gatewayInThread = false, ...chain }: AppServerOptions) {
    this.#carrier = carrier
    this.#socketPath = socketPath
    const app = mount(carrier, {
      ...chain,
      middleware: [middleware].flat(),
      handler: (request, response) => {
        this.handled += 1
        if (handler === undefined) this.enter({ request, response })
        else handler(request, response)
      },
    })
    this.server = this.#serverFor(app, gatewayInThread)
  }

  static async start(options: AppServerOptions = {}): Promise<AppServer> {
    return new AppServer(options).listening(options.gatewayInThread)
  }

  /** The port of 127.0.0.1 that it is reached at over HTTP. */
  get port(): number {
    return this.#port ?? portOf(this.server)
  }

  /** Counts a visit, for handlers that the test has given. */
  enter(visit: Visit): void {
    this.visits.push(visit)
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Until so many handlers have been called in all. */
  async entered(count: number): Promise<readonly Visit[]> {
    while (this.visits.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.visits
  }

  /** A request on a connection of its own, over HTTP/1.1: as it is made, and its answer. */
  open(path = '/', headers: Record<string, string> = {}, { method = 'GET', from }: Pick<Question, 'method' | 'from'> = {}): { request: http.ClientRequest; answer: Promise<Answer> } {
    const where = this.#socketPath === undefined ? { host: '127.0.0.1', port: this.port, localAddress: from } : { socketPath: this.#socketPath }
    const request = http.request({ ...where, method, path, headers, agent: false })
    this.closers.push(() => { request.destroy() })
    const answer = new Promise<Answer>((resolve, reject) => {
      request.on('error', reject)
      request.on('response', (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (piece: string) => { body += piece }).on('error', reject)
        response.on('end', () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body }) })
      })
    })
    // Nobody has to wait for it.
    answer.catch(() => undefined)
    request.end()
    return { request, answer }
  }

  /** The answer to a request on a connection of its own, over what the carrier speaks. */
  ask(question: Question = {}): Promise<Answer> {
    return this.#carrier === 'plain HTTP/2' ? this.#askHttp2(question) : this.open(question.path, question.headers, question).answer
  }

  /** The status alone, of so many requests in turn. */
  async statuses(count: number, question: Question = {}): Promise<number[]> {
    const statuses: number[] = []
    for (let index = 0; index < count; index++) statuses.push((await this.ask(question)).status)
    return statuses
  }

  /** A bare connection. */
  connect(): net.Socket {
    const socket = net.connect(this.port, '127.0.0.1')
    socket.on('error', () => undefined)
    this.closers.push(() => { socket.destroy() })
    return socket
  }

  stop(): void {
    for (const { response } of this.visits) response.destroy()
    for (const close of this.closers.splice(0).reverse()) close()
  }

  /** For what extends this: resolves with itself once it listens. */
  protected async listening(gatewayInThread = false): Promise<this> {
    if (gatewayInThread && this.#carrier.endsWith('over FastCGI')) await this.#listenBehindThread()
    else {
      if (this.#socketPath === undefined) this.server.listen(0, '127.0.0.1')
      else this.server.listen(this.#socketPath)
      await once(this.server, 'listening')
    }
    return this
  }

  async #listenBehindThread(): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'app-'))
    this.closers.push(() => { rmSync(directory, { recursive: true, force: true }) })
    const path = join(directory, 's')
    this.server.listen(path)
    await once(this.server, 'listening')
    const thread = new Worker(new URL('./programs/gateway-thread.js', import.meta.url), { workerData: path })
    this.closers.push(() => { void thread.terminate() })
    const [port] = await once(thread, 'message') as [number]
    this.#port = port
  }

  #serverFor(app: RequestListener, gatewayInThread: boolean): net.Server {
    if (this.#carrier === 'plain HTTP/2') {
      const server = http2.createServer(app as unknown as (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void)
      this.closers.push(() => { server.close() })
      return server
    }
    if (!this.#carrier.endsWith('over FastCGI')) return this.#closing(http.createServer(app))
    const fastcgi = this.#closing(createServer(app))
    return gatewayInThread ? fastcgi : this.#closing(gateway(fastcgi))
  }

  #closing<Server extends http.Server>(server: Server): Server {
    this.closers.push(() => {
      server.close()
      server.closeAllConnections()
    })
    return server
  }

  async #askHttp2({ path = '/', method = 'GET', headers = {}, from }: Question): Promise<Answer> {
    const { port } = this
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
}
