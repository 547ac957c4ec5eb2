/** An app behind a cap, whose handlers end when the test says so. */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { ConcurrencyLimit } from '../../../middleware/concurrency.js'
import { mount, serverFor, type Carrier, type Handler } from '../carriers.js'

export { CARRIERS, type Carrier, type Handler } from '../carriers.js'

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

/** What a handler is doing. */
export class Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
  }
}

export class Subject {
  readonly port: number
  readonly visits: Visit[] = []
  readonly #closers: (() => void)[]
  readonly #agents: http.Agent[] = []
  #waiting: (() => void)[] = []

  private constructor(port: number, closers: (() => void)[]) {
    this.port = port
    this.#closers = closers
  }

  static async start(carrier: Carrier, cap: ConcurrencyLimit | ConcurrencyLimit[], handler?: Handler): Promise<Subject> {
    const holder: { subject?: Subject } = {}
    const app = mount(carrier, {
      middleware: [cap].flat(),
      handler: handler ?? ((request, response) => { holder.subject?.enter(new Visit(request, response)) }),
      route: '/route/:id',
    })
    const closers: (() => void)[] = []
    const server = serverFor(carrier, app, closers)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => { server.close() })
    holder.subject = new Subject((server.address() as AddressInfo).port, closers)
    return holder.subject
  }

  enter(visit: Visit): void {
    this.visits.push(visit)
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Until so many handlers have been called in all. */
  async entered(count: number): Promise<Visit[]> {
    while (this.visits.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.visits
  }

  /** A request of its own connection. */
  get(path = '/', headers: Record<string, string> = {}): { request: http.ClientRequest; answer: Promise<Answer> } {
    const agent = new http.Agent()
    this.#agents.push(agent)
    const request = http.get({ port: this.port, host: '127.0.0.1', path, headers, agent })
    const answer = new Promise<Answer>((resolve, reject) => {
      request.on('error', reject)
      request.on('response', (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (piece: string) => { body += piece }).on('error', reject)
        response.on('end', () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body }) })
      })
    })
    answer.catch(() => undefined)
    return { request, answer }
  }

  connect(): net.Socket {
    const socket = net.connect(this.port, '127.0.0.1')
    socket.on('error', () => undefined)
    this.#closers.push(() => { socket.destroy() })
    return socket
  }

  stop(): void {
    for (const { response } of this.visits) response.destroy()
    for (const agent of this.#agents) agent.destroy()
    for (const close of this.#closers) close()
  }
}
