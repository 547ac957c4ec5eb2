/** A load of GET and POST through a web server, by clients that keep their connections; counts what was not answered whole. */
import { Agent, request, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** The load: so many clients, each with a connection of its own that it keeps, and a pause between its requests in ms, at the mean. */
const CLIENTS = 12
const PAUSE = 5
const BODY = 'b'.repeat(21_000)

/** Clients of an app that answers as programs/replaceable.ts does. */
export class Load {
  requests = 0
  posts = 0
  readonly failures: string[] = []
  /** What became of those that failed, by their ids. */
  readonly failed = new Map<string, string>()
  /** Between when and when each of those was open, by `performance.now()`. */
  readonly #open = new Map<string, readonly [begin: number, end: number]>()
  readonly processes = new Set<string>()
  readonly #port: number
  readonly #clients: Promise<void>[]
  readonly #path: string
  readonly #hasIds: boolean
  readonly #pause: number
  #ending = false

  /**
   * @param path what is asked for, beside `/slow` by two of the clients
   * @param hasIds whether each request has an id of its own in its query
   * @param pause between a client's requests, in milliseconds
   */
  constructor(port: number, path = '/', { hasIds = false, pause = PAUSE } = {}) {
    this.#port = port
    this.#path = path
    this.#hasIds = hasIds
    this.#pause = pause
    this.#clients = Array.from({ length: CLIENTS }, (_, number) => this.#run(number))
  }

  /** Whether a request that failed was open in one of these times. */
  wasOpen(id: string, times: readonly (readonly [begin: number, end: number])[]): boolean {
    const [begin, end] = this.#open.get(id) ?? [Infinity, -Infinity]
    return times.some(([from, to]) => begin <= to && end >= from)
  }

  /** No client asks again; what is asked goes on. */
  stopAsking(): void {
    this.#ending = true
  }

  async end(): Promise<void> {
    this.stopAsking()
    await Promise.all(this.#clients)
  }

  async #run(number: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let count = 0; !this.#ending; count++) {
      const method = (count + number) % 2 === 0 ? 'GET' : 'POST'
      await this.#ask(agent, method, number < 2 ? '/slow' : this.#path, `${String(number)}-${String(count)}`)
      await delay(Math.random() * 2 * this.#pause)
    }
    agent.destroy()
  }

  async #ask(agent: Agent, method: 'GET' | 'POST', place: string, id: string): Promise<void> {
    const path = this.#hasIds ? `${place}${place.includes('?') ? '&' : '?'}id=${id}` : place
    const body = method === 'POST' ? BODY : ''
    this.requests++
    if (method === 'POST') this.posts++
    const begin = performance.now()
    const fail = (what: string): void => {
      this.failures.push(what)
      this.failed.set(id, what)
      this.#open.set(id, [begin, performance.now()])
    }
    try {
      const { response, text } = await this.#fetch(agent, method, path, body)
      const whole = response.statusCode === 200 && text === `${method} ${String(body.length)} ${'.'.repeat(2000)}`
      if (whole) this.processes.add(String(response.headers['x-process']))
      else fail(`${method} ${path}: ${String(response.statusCode)} ${text.slice(0, 60)}`)
    } catch (error) {
      fail(`${method} ${path}: ${String(error)}`)
    }
  }

  #fetch(agent: Agent, method: string, path: string, body: string): Promise<{ response: IncomingMessage, text: string }> {
    const headers = { 'Host': 'app.example.com', 'Content-Length': body.length }
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.#port, method, path, agent, headers }
      request(options, (response) => {
        let text = ''
        response.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
        response.on('error', reject)
        response.on('end', () => {
          resolve({ response, text })
        })
      }).on('error', reject).end(body)
    })
  }
}
