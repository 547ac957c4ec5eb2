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
  readonly processes = new Set<string>()
  readonly #port: number
  readonly #clients: Promise<void>[]
  readonly #path: string
  readonly #pause: number
  #ending = false

  /**
   * @param path what is asked for, beside `/slow` by two of the clients
   * @param pause between two requests of a client, in ms, at the mean
   */
  constructor(port: number, path = '/', pause = PAUSE) {
    this.#pause = pause
    this.#port = port
    this.#path = path
    this.#clients = Array.from({ length: CLIENTS }, (_, number) => this.#run(number))
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
      await this.#ask(agent, method, number < 2 ? '/slow' : this.#path)
      await delay(Math.random() * 2 * this.#pause)
    }
    agent.destroy()
  }

  async #ask(agent: Agent, method: 'GET' | 'POST', path: string): Promise<void> {
    const body = method === 'POST' ? BODY : ''
    this.requests++
    if (method === 'POST') this.posts++
    try {
      const { response, text } = await this.#fetch(agent, method, path, body)
      const whole = response.statusCode === 200 && text === `${method} ${String(body.length)} ${'.'.repeat(2000)}`
      if (whole) this.processes.add(String(response.headers['x-process']))
      else this.failures.push(`${method} ${path}: ${String(response.statusCode)} ${text.slice(0, 60)}`)
    } catch (error) {
      this.failures.push(`${method} ${path}: ${String(error)}`)
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
