/** Restarts by `replace` behind a web server, under a load of GET and POST; counts what was not answered whole. */
import { Agent, request, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { WebServer } from '../proxies/support/web-server.js'
import { createWorkspace } from '../proxies/support/workspace.js'
import { startProgram, type Child } from './support.js'

/** The load: so many clients, each with a connection of its own that it keeps, and a pause between its requests in ms. */
const CLIENTS = 12
const PAUSE = 5
/** How long the load goes on before the first restart, and between one's end and the next, in ms. */
const SETTLING = 500
const BODY = 'b'.repeat(21_000)

export interface Outcome {
  readonly requests: number
  readonly posts: number
  /** What failed: the request, and what came instead. */
  readonly failures: readonly string[]
  /** How many processes have answered. */
  readonly processes: number
  /** How long each old process took to end after its SIGTERM, in ms. */
  readonly stops: readonly number[]
}

/** Restarts the app so many times behind `server`. */
export async function restartBehind(server: WebServer, restarts: number): Promise<Outcome> {
  const workspace = await createWorkspace()
  const start = async (): Promise<Child> => {
    const child = startProgram('programs/replaceable.js', [workspace.socket])
    await child.line('listening')
    return child
  }
  let app = await start()
  const front = await server.start(workspace)
  const load = new Load(front.port)
  const stops: number[] = []
  try {
    await delay(SETTLING)
    for (let restart = 0; restart < restarts; restart++) {
      const next = await start()
      const begin = performance.now()
      app.process.kill('SIGTERM')
      const { code, stderr } = await app.ended
      stops.push(Math.round(performance.now() - begin))
      if (code !== 0 || stderr !== '') throw new Error(`the old process ended with ${String(code)}: ${stderr}`)
      app = next
      await delay(SETTLING)
    }
    await load.end()
  } finally {
    await load.end()
    await front.stop()
    app.process.kill('SIGKILL')
    await workspace.remove()
  }
  const { requests, posts, failures, processes } = load
  return { requests, posts, failures, processes: processes.size, stops }
}

class Load {
  requests = 0
  posts = 0
  readonly failures: string[] = []
  readonly processes = new Set<string>()
  readonly #port: number
  readonly #clients: Promise<void>[]
  #ending = false

  constructor(port: number) {
    this.#port = port
    this.#clients = Array.from({ length: CLIENTS }, (_, number) => this.#run(number))
  }

  async end(): Promise<void> {
    this.#ending = true
    await Promise.all(this.#clients)
  }

  async #run(number: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let count = 0; !this.#ending; count++) {
      const method = (count + number) % 2 === 0 ? 'GET' : 'POST'
      await this.#ask(agent, method, number < 2 ? '/slow' : '/')
      await delay(Math.random() * 2 * PAUSE)
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
