/** The clients of a situation: each request of theirs is counted by what came of it. */
import http from 'node:http'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'

/** What came of the requests of a situation. */
export interface Outcomes {
  answered: number
  /** 503. */
  refused: number
  /** Anything else: a broken connection, no answer within the client's patience. */
  failed: number
  /** Latencies of what was asked as quick and answered, in milliseconds. */
  readonly quick: number[]
}

export interface Asked {
  path: string
  /** A connection of its own. Default: a kept one. */
  fresh?: boolean
  /** Its latency is of interest. */
  quick?: boolean
  /** Writes the body, and ends it; default: there is none. */
  send?: (request: http.ClientRequest) => Promise<void>
  /** Reads the body, instead of reading it at once. */
  read?: (response: http.IncomingMessage) => Promise<void>
}

const PATIENCE = 30_000
/** Who was turned away comes again after so long. */
const AGAIN_AFTER = 1000

export class Clients {
  readonly seen: Outcomes = { answered: 0, refused: 0, failed: 0, quick: [] }
  readonly #port: number
  readonly #agent = new http.Agent({ keepAlive: true })
  readonly #end: number
  readonly #leaving = new AbortController()

  constructor(port: number, seconds: number) {
    this.#port = port
    this.#end = performance.now() + 1000 * seconds
  }

  get isOver(): boolean {
    return performance.now() >= this.#end
  }

  /** One request, until it is over, however. */
  async ask({ path, fresh = false, quick = false, send, read }: Asked): Promise<void> {
    const start = performance.now()
    const status = await this.#request(path, fresh, send, read)
    if (status === 503) this.seen.refused += 1
    else if (status === 200) this.seen.answered += 1
    else if (status !== undefined || !this.#leaving.signal.aborted) this.seen.failed += 1
    if (status === 200 && quick) this.seen.quick.push(performance.now() - start)
    if (status !== 200 && !this.isOver) await delay(AGAIN_AFTER)
  }

  /** One after another, until the end. */
  async repeat(asked: Asked, pause = 0): Promise<void> {
    while (!this.isOver) {
      await this.ask(asked)
      if (pause > 0) await delay(pause)
    }
  }

  /** So many clients that each ask again and again. */
  async crowd(clients: number, asked: Asked): Promise<void> {
    await Promise.all(Array.from({ length: clients }, () => this.repeat(asked)))
  }

  /** One each so many milliseconds, whatever becomes of those before. */
  async every(milliseconds: number, asked: Asked): Promise<void> {
    const open: Promise<void>[] = []
    for (let next = performance.now(); !this.isOver; next += milliseconds) {
      open.push(this.ask(asked))
      await delay(Math.max(0, next + milliseconds - performance.now()))
    }
    await Promise.all(open)
  }

  /** Those that only wait are let go; they count no more. */
  leave(): void {
    this.#leaving.abort()
    this.#agent.destroy()
  }

  /** The status, once the body has been read; undefined where the connection broke, or the client has left. */
  #request(path: string, fresh: boolean, send: Asked['send'], read: Asked['read']): Promise<number | undefined> {
    return new Promise((resolve) => {
      const agent = fresh ? new http.Agent({ keepAlive: false }) : this.#agent
      const options = { host: '127.0.0.1', port: this.#port, path, agent, method: send === undefined ? 'GET' : 'POST' }
      const request = http.request({ ...options, signal: AbortSignal.any([this.#leaving.signal, AbortSignal.timeout(PATIENCE)]) })
      request.on('error', () => {
        resolve(undefined)
      })
      request.on('response', (response) => {
        response.on('close', () => {
          resolve(response.complete ? response.statusCode : undefined)
        })
        response.on('error', () => undefined)
        if (read === undefined || response.statusCode !== 200) response.resume()
        else void read(response)
      })
      if (send === undefined) request.end()
      else void send(request)
    })
  }
}
