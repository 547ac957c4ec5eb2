/** One HTTP request over a Unix socket: how the command asks a program that runs. */
import { request, type IncomingHttpHeaders } from 'node:http'
import { FastCgiError } from '../errors.js'

/** More is no answer of this package's. */
const MOST_BYTES = 64 * 1024 * 1024

/** What is asked. */
export interface Question {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  /** Milliseconds without an answer after which it is given up; undefined: the answer may take as long as it takes. */
  readonly timeout?: number
}

/** What was answered. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** The program has not answered in time, or without end. */
export class NoAnswerError extends FastCgiError {
  constructor(message: string) {
    super('ERR_FCGI_STATUS_SOCKET', message)
  }
}

/** Asks, and resolves with the whole answer. @throws NoAnswerError, or the error of the system or of Node's HTTP parser */
export function askOverSocket(socketPath: string, { method, path, timeout }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, agent: false, headers: { Host: 'localhost' } }, (response) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > MOST_BYTES) response.destroy(new NoAnswerError('the answer has no end'))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() })
      })
    })
    if (timeout !== undefined) asked.setTimeout(timeout, () => { asked.destroy(new NoAnswerError('no answer')) })
    asked.on('error', reject)
    asked.end()
  })
}
