/**
 * What the doctor asks for through a web server, and how it is answered: marks that its requests bear, and an answer for each.
 * `diagnosticHandler()` answers in a running server; the doctor's own stand-in answers where no app listens. Pure apart from the handler.
 */
import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { params } from './request-api.js'
import { RequestSocket } from './request-socket.js'

/** What a request of the doctor's asks for. */
export const DIAGNOSTIC_COMMANDS = ['plain', 'large-head', 'many-headers', 'events', 'stream', 'upload'] as const

/** One of {@link DIAGNOSTIC_COMMANDS}. */
export type DiagnosticCommand = (typeof DIAGNOSTIC_COMMANDS)[number]

/** What arrived at the app of one request. */
export interface Arrival {
  /** The name of the question, which the doctor chose; empty where the request bears no mark. */
  readonly name: string
  /** Counts the connections of this source, from 1. */
  readonly connection: number
  /** Whether another request has come on the connection before, as far as this source has seen. */
  readonly reused: boolean
  readonly requestId: number
  readonly role: number
  /** The flag FCGI_KEEP_CONN of BEGIN_REQUEST. */
  readonly keepConnection: boolean
  /** The params in their order; from the stand-in all that came, from a running server the last of each name. */
  readonly params: readonly (readonly [name: string, value: string])[]
  /** Bytes of the body that have come so far. */
  readonly bodyBytes: number
}

/** A mark is in the header {@link MARK_HEADER} and in the query: one of them may be lost on the way. */
export const MARK_HEADER = 'X-Express-Responder-Doctor'

/** How long the second piece of a stream waits for the client to have the first, in milliseconds. */
const HOLD_LIMIT = 2000
/** What a large response head and many response headers are. nginx has 4 or 8 kB by default; HAProxy 101 headers, Status among them. */
const LARGE_HEADERS = 4
const LARGE_HEADER_BYTES = 2000
const MANY_HEADERS = 110
/** Long enough for any web server to compress it. */
const PLAIN_BODY_BYTES = 2000

/** The mark of one request. */
export function diagnosticMark(token: string, command: DiagnosticCommand, name: string): string {
  return `${token}.${command}.${name}`
}

/** The command and the name that a text asks for; undefined where the text has no mark with this token. */
export function readMark(text: string, token: string): { command: DiagnosticCommand, name: string } | undefined {
  const start = text.search(/[0-9a-f]{32}\.[a-z-]+\.[a-z0-9-]+/)
  if (start < 0) return undefined
  const [found = '', given = '', name = ''] = /^[0-9a-f.a-z-]+/.exec(text.slice(start))?.[0].split('.') ?? []
  if (found.length !== token.length || !timingSafeEqual(Buffer.from(found), Buffer.from(token))) return undefined
  const command = DIAGNOSTIC_COMMANDS.find((known) => known === given)
  return command === undefined ? undefined : { command, name }
}

/** One answer: head, and the pieces of the body. Each waits until the client has the one before it; {@link HeldPieces} says how. */
export interface DiagnosticAnswer {
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly pieces: readonly string[]
}

/** The answer to a command. */
export function diagnosticAnswer(command: DiagnosticCommand, arrival: Arrival): DiagnosticAnswer {
  const mark: [string, string] = [MARK_HEADER, arrival.name]
  switch (command) {
    case 'plain':
    case 'upload': {
      const body = JSON.stringify(arrival)
      return { headers: [mark, ['Content-Type', 'text/plain; charset=utf-8'], ['ETag', '"doctor"'], ['Vary', 'Accept-Encoding']], pieces: [body.padEnd(PLAIN_BODY_BYTES)] }
    }
    case 'large-head':
      return { headers: [mark, ['Content-Type', 'text/plain'], ...fill(LARGE_HEADERS, LARGE_HEADER_BYTES)], pieces: ['large'] }
    case 'many-headers':
      return { headers: [mark, ['Content-Type', 'text/plain'], ...fill(MANY_HEADERS, 1)], pieces: ['many'] }
    case 'events':
      return { headers: [mark, ['Content-Type', 'text/event-stream'], ['Cache-Control', 'no-cache'], ['X-Accel-Buffering', 'no']], pieces: ['data: 1\n\n', 'data: 2\n\n'] }
    case 'stream':
      return { headers: [mark, ['Content-Type', 'application/x-ndjson'], ['Cache-Control', 'no-cache']], pieces: ['{"piece":1}\n', '{"piece":2}\n'] }
  }
}

function fill(count: number, bytes: number): [string, string][] {
  return Array.from({ length: count }, (_, index) => [`X-Doctor-${String(index)}`, 'x'.repeat(bytes)])
}

/**
 * Pieces that wait until the client has got the one before. No time is measured, which would say nothing on a busy machine: whoever has
 * got a piece asks for the next, and one that was not asked for within the limit shows that the first was held back.
 */
export class HeldPieces {
  readonly #held = new Map<string, { timer: NodeJS.Timeout, goOn: () => void }>()

  /** Calls `goOn` once it is released, or at the limit. */
  hold(name: string, goOn: () => void): void {
    const end = (): void => {
      this.release(name)
    }
    // What has arrived at a busy process meanwhile is read first.
    const timer = setTimeout(() => setImmediate(() => setImmediate(end)), HOLD_LIMIT)
    this.#held.set(name, { timer, goOn })
  }

  /** The client has got the first piece. @returns whether the next was still held */
  release(name: string): boolean {
    const held = this.#held.get(name)
    if (held === undefined) return false
    clearTimeout(held.timer)
    this.#held.delete(name)
    held.goOn()
    return true
  }

  /** Nothing goes on any more. */
  clear(): void {
    for (const { timer } of this.#held.values()) clearTimeout(timer)
    this.#held.clear()
  }
}

/** The connections of a process, by number. */
const numbers = new WeakMap<object, number>()
let lastNumber = 0

function numberOf(connection: object): number {
  const known = numbers.get(connection)
  if (known !== undefined) return known
  numbers.set(connection, ++lastNumber)
  return lastNumber
}

/** How a server answers the doctor. */
export interface DiagnosticOptions {
  /** 32 hexadecimal digits, of `randomBytes(16)`, that only the doctor has got. */
  readonly token: string
  /** Where streams wait; whoever asks the questions has them released by name. */
  readonly held: HeldPieces
  /** Told of each request, once its body is complete. */
  readonly onArrival: (arrival: Arrival) => void
}

/**
 * Answers the doctor's requests in a running server, in the place of the app; all others are left to the app. It is to be used
 * for the time of one check.
 *
 * @returns a function that says whether it has taken the request; then the app must not be given it
 *
 * @example
 * ```ts
 * const answersDoctor = diagnosticHandler({ token: randomBytes(16).toString('hex'), held: new HeldPieces(), onArrival: tellDoctor })
 * server.on('request', (req, res) => {
 *   if (!answersDoctor(req, res)) app(req, res)
 * })
 * ```
 */
export function diagnosticHandler(options: DiagnosticOptions): (request: IncomingMessage, response: ServerResponse) => boolean {
  const { token } = options
  const seen = new WeakSet()
  return function answersDoctor(request, response) {
    const { socket } = request as { socket: unknown }
    if (!(socket instanceof RequestSocket)) return false
    const connection = socket.carrier.socket
    const reused = seen.has(connection)
    seen.add(connection)
    const header = request.headers[MARK_HEADER.toLowerCase()]
    const mark = readMark(typeof header === 'string' ? header : '', token) ?? readMark(request.url ?? '', token)
    if (mark === undefined) return false
    void answer(request, response, { socket, reused, ...options, ...mark }).catch(() => response.destroy())
    return true
  }
}

/** What an answer needs besides the request. */
interface Asked extends DiagnosticOptions {
  readonly socket: RequestSocket
  readonly reused: boolean
  readonly command: DiagnosticCommand
  readonly name: string
}

async function answer(request: IncomingMessage, response: ServerResponse, { socket, reused, held, onArrival, command, name }: Asked): Promise<void> {
  // The process warns once of a large head: that is left for the app's own.
  socket.writer.largeOnPurpose = true
  let bodyBytes = 0
  for await (const chunk of request) bodyBytes += (chunk as Buffer).length
  const arrival: Arrival = {
    name,
    connection: numberOf(socket.carrier.socket),
    reused,
    requestId: socket.requestId,
    role: socket.role,
    keepConnection: socket.carrier.keptId === socket.requestId,
    params: Object.entries(params(request) ?? {}),
    bodyBytes,
  }
  onArrival(arrival)
  const { headers, pieces } = diagnosticAnswer(command, arrival)
  response.writeHead(200, headers.flat())
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await new Promise<void>((resolve) => { held.hold(name, resolve) })
    response.write(piece)
  }
  response.end()
}
