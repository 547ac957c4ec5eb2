/** An HTTP client that tells all it saw of an answer, and can be as slow or as rude as a test needs it. */
import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { codeOf } from './journal.js'

/** What the client saw. What belongs to its own connection, and not to the answer, is left out. */
export interface Seen {
  status: number
  statusMessage: string
  headers: [name: string, value: string][]
  body: string
  trailers: Record<string, unknown>
  informational: number[]
  /** How the answer broke off, if it did. */
  broken: string | undefined
}

const OF_THE_CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date'])

export interface AskOptions {
  method?: string
  path?: string
  headers?: http.OutgoingHttpHeaders | string[]
  /** Sent whole; with a Content-Length unless a header says otherwise. */
  body?: string | Buffer
  agent?: http.Agent
}

export class Client {
  readonly port: number

  constructor(port: number) {
    this.port = port
  }

  /** Begins a request, whose body may follow by and by. */
  open(options: AskOptions = {}): ClientRequest {
    const { method = 'GET', path = '/', headers = {}, agent } = options
    const request = http.request({ host: '127.0.0.1', port: this.port, method, path, headers, agent: agent ?? false })
    // What goes wrong is told by `seenBy`, or of no interest.
    request.on('error', () => undefined)
    return request
  }

  /** Asks, and reads the whole answer. */
  async ask(options: AskOptions = {}): Promise<Seen> {
    const { body } = options
    const request = this.open(options)
    const seen = seenBy(request)
    const framed = request.headersSent || request.hasHeader('transfer-encoding') || request.hasHeader('content-length')
    if (body !== undefined && !framed) {
      request.setHeader('Content-Length', Buffer.byteLength(body))
    }
    // As bytes: Node encodes a head that leaves with a string as it encodes the string.
    request.end(body === undefined ? undefined : Buffer.from(body))
    return seen
  }
}

/** All that comes in answer to a request. */
export async function seenBy(request: ClientRequest): Promise<Seen> {
  const seen: Seen = { status: 0, statusMessage: '', headers: [], body: '', trailers: {}, informational: [], broken: undefined }
  request.on('information', ({ statusCode }) => seen.informational.push(statusCode))
  const response = await responseOf(request)
  if (!isResponse(response)) return { ...seen, broken: codeOf(response) ?? response.message }
  seen.status = response.statusCode ?? 0
  seen.statusMessage = response.statusMessage ?? ''
  seen.headers = endToEndHeaders(response)
  response.setEncoding('latin1')
  response.on('data', (text: string) => (seen.body += text))
  response.on('error', (error) => (seen.broken = codeOf(error)))
  if (!response.closed) await once(response, 'close').catch(() => undefined)
  seen.trailers = response.trailers
  if (!response.complete) seen.broken ??= 'incomplete'
  return seen
}

/** The answer's head, or why there is none. */
export async function responseOf(request: ClientRequest): Promise<IncomingMessage | Error> {
  return new Promise((resolve) => {
    request.on('response', resolve)
    request.on('error', resolve)
  })
}

/** The answer, once its head is there, its body unread. */
export async function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  const response = await responseOf(request)
  if (isResponse(response)) return response
  throw new Error(`no answer: ${response.message}`)
}

/** Errors of Node's own are of another realm than the tests. */
function isResponse(outcome: IncomingMessage | Error): outcome is IncomingMessage {
  return 'statusCode' in outcome
}

function endToEndHeaders({ rawHeaders }: IncomingMessage): [string, string][] {
  const headers: [string, string][] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (!OF_THE_CONNECTION.has(name.toLowerCase())) headers.push([name, rawHeaders[i + 1] ?? ''])
  }
  return headers
}
