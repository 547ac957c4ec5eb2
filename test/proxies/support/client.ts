/** An HTTP client that shows what a client sees: raw headers, every byte, and whether the answer was whole. */
import { once } from 'node:events'
import http from 'node:http'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import https from 'node:https'

/** Longer than any server takes, shorter than a test may: a hang is told as such. */
const ANSWER_LIMIT_MS = 20_000

/** A request to send. */
export interface Question {
  method?: string
  /** As it is to appear in the request line. */
  path: string
  /** Pairs are sent as they are, in this order and case, duplicates and all. */
  headers?: readonly (readonly [name: string, value: string])[]
  /** Sent with its length, or in chunks where `chunked`. */
  body?: Buffer | string
  chunked?: boolean
}

/** An answer as it came. */
export interface Answer {
  /** 0 where the connection ended without one. */
  status: number
  reason: string
  headers: IncomingHttpHeaders
  rawHeaders: readonly string[]
  body: Buffer
  /** Whether the message was whole by HTTP's own rules (length, last chunk). */
  complete: boolean
  /** The 1xx statuses that came before. */
  informational: readonly number[]
}

/** One exchange under way. */
export class Exchange {
  readonly request: ClientRequest
  /** Resolves with what came, whole or not; rejects only where nothing happens for too long. */
  readonly answer: Promise<Answer>
  readonly #agent: http.Agent
  readonly #chunks: Buffer[] = []
  readonly #informational: number[] = []
  #response: IncomingMessage | undefined

  constructor(origin: string, question: Question, whole = true) {
    const url = new URL(origin)
    // A test's certificate signs itself.
    const encrypted = url.protocol === 'https:'
    this.#agent = encrypted ? new https.Agent({ keepAlive: true, rejectUnauthorized: false }) : new http.Agent({ keepAlive: true })
    const headers = [...(question.headers ?? [])]
    if (!headers.some(([name]) => name.toLowerCase() === 'host')) headers.unshift(['Host', url.host])
    const { body } = question
    if (question.chunked === true) headers.push(['Transfer-Encoding', 'chunked'])
    else if (body !== undefined && whole) headers.push(['Content-Length', String(Buffer.byteLength(body))])
    this.request = (encrypted ? https : http).request({
      host: url.hostname,
      port: url.port,
      method: question.method ?? 'GET',
      path: question.path,
      headers: headers.flat(),
      agent: this.#agent,
    })
    this.answer = this.#settle()
    // Whoever does not wait for the answer has no use for its failure.
    this.answer.catch(() => undefined)
    if (whole) this.request.end(body)
    else this.request.flushHeaders()
  }

  /** The head of the answer. */
  async head(): Promise<IncomingMessage> {
    if (this.#response !== undefined) return this.#response
    const [response] = (await once(this.request, 'response')) as [IncomingMessage]
    return response
  }

  /** Resolves once the body so far contains this text; rejects where it ends without. */
  async received(expected: string): Promise<void> {
    const response = await this.head()
    while (!Buffer.concat(this.#chunks).includes(expected)) {
      if (response.readableEnded || response.destroyed) {
        throw new Error(`the answer ended before '${expected}' had come`)
      }
      await Promise.race([once(response, 'data'), once(response, 'close')])
    }
  }

  /** Goes away without a word. */
  abort(): void {
    this.request.destroy()
    this.#agent.destroy()
  }

  #settle(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        reject(new Error(`no end of the answer after ${String(ANSWER_LIMIT_MS)} ms`))
        this.abort()
      }, ANSWER_LIMIT_MS)
      const done = (): void => {
        clearTimeout(limit)
        this.#agent.destroy()
        resolve(this.#result())
      }
      this.request.on('information', ({ statusCode }) => this.#informational.push(statusCode))
      this.request.once('response', (response) => {
        this.#response = response
        response.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
        response.on('error', () => undefined)
        response.once('close', done)
      })
      this.request.on('error', () => {
        if (this.#response === undefined) done()
      })
    })
  }

  #result(): Answer {
    const response = this.#response
    return {
      status: response?.statusCode ?? 0,
      reason: response?.statusMessage ?? '',
      headers: response?.headers ?? {},
      rawHeaders: response?.rawHeaders ?? [],
      body: Buffer.concat(this.#chunks),
      complete: response?.complete ?? false,
      informational: this.#informational,
    }
  }
}

/** Sends a whole request and waits for the answer. */
export function ask(origin: string, question: Question | string): Promise<Answer> {
  return new Exchange(origin, typeof question === 'string' ? { path: question } : question).answer
}

/** Starts a request whose body the test writes itself, through `exchange.request`. */
export function begin(origin: string, question: Question): Exchange {
  return new Exchange(origin, question, false)
}

/** The values of a header in an answer, one for each line. */
export function lines(answer: Answer, name: string): string[] {
  return answer.rawHeaders.filter((_, index) => index % 2 === 1 && answer.rawHeaders[index - 1]?.toLowerCase() === name)
}
