/**
 * A request and its response as caps see them: when it is over, told once, whatever comes first of the response's
 * 'finish', its 'close' and the socket's 'close'. The last of them is the only one for a response that waits behind others
 * on a pipelined connection.
 *
 * What is noted stands at the socket and not at the request or the response: Express gives those a prototype of the
 * app's, after which every property and listener that is added to one costs microseconds on Node 20 and 22. So 'finish' is
 * heard on the channel that Node's HTTP server publishes it on, and so does what does its work.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Patches } from '../shared/patches.js'

/** How it ended for a cap: answered; the client left; the handler failed or held on; or it goes on and counts no longer (a stream, an upgrade). */
export type Ending = 'answered' | 'left' | 'failed' | 'streams'

/** What a cap holds for an exchange. */
export interface Holding {
  /** The first call counts. */
  end(ending: Ending): void
  /** Release at `response.end()`, not when everything has been sent. */
  readonly releaseAtEnd: boolean
  /** Whose it is. */
  readonly desk: object
}

const EXCHANGES = Symbol('express-responder exchanges')

/** What closes when the client is gone: a socket, or the one stream of HTTP/2; the response where it has neither. */
interface Carrier {
  [EXCHANGES]?: Map<ServerResponse, Exchange>
  destroyed: boolean
  /** Set by Node's HTTP server, as is the response whose turn it is on this socket. */
  server?: unknown
  _httpMessage?: unknown
  on(event: 'close', listener: () => void): unknown
}

export class Exchange {
  readonly #response: ServerResponse
  readonly #mates: Map<ServerResponse, Exchange>
  readonly #holdings: Holding[] = []
  #atEnd = false
  #over = false

  private constructor(response: ServerResponse, carrier: Carrier) {
    this.#response = response
    this.#mates = matesOn(carrier)
    this.#mates.set(response, this)
    announceHeads(response)
    if (isPublished(response, carrier)) return
    response.on('finish', () => { this.finish('answered') })
    response.on('close', () => { this.finish('left') })
  }

  /** The one exchange of a request, for all caps. */
  static of(request: IncomingMessage, response: ServerResponse): Exchange {
    const carrier = carrierOf(request, response)
    return carrier[EXCHANGES]?.get(response) ?? new Exchange(response, carrier)
  }

  static known(request: IncomingMessage, response: ServerResponse): Exchange | undefined {
    return carrierOf(request, response)[EXCHANGES]?.get(response)
  }

  /** Whether the exchange has been at that desk. */
  isAt(desk: object): boolean {
    return this.#holdings.some((holding) => holding.desk === desk)
  }

  add(holding: Holding): void {
    this.#holdings.push(holding)
    if (holding.releaseAtEnd && !this.#atEnd) this.#watchEnd()
  }

  /** It goes on, and counts no longer. */
  stream(): void {
    for (const holding of this.#holdings) holding.end('streams')
  }

  /** It is over. The first call counts. */
  finish(ending: Ending): void {
    if (this.#over) return
    this.#over = true
    this.#mates.delete(this.#response)
    for (const holding of this.#holdings) holding.end(ending)
  }

  #watchEnd(): void {
    this.#atEnd = true
    const response = this.#response
    const end = response.end.bind(response) as (...args: unknown[]) => ServerResponse
    response.end = ((...args: unknown[]) => {
      end(...args)
      for (const holding of this.#holdings) {
        if (holding.releaseAtEnd) holding.end('answered')
      }
      return response
    }) as ServerResponse['end']
  }
}

/** Its client is gone, though nothing may have said so yet. */
export function hasLeft(request: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || carrierOf(request, response).destroyed
}

/**
 * Whether Node's HTTP server publishes when this response is finished. Of the socket's own response that is certain; any
 * other waits behind it, or was made up or wrapped by the app, and nobody publishes those.
 */
function isPublished(response: ServerResponse, { server, _httpMessage }: Carrier): boolean {
  return server !== undefined && _httpMessage === response
}

/** What looks like the socket of an HTTP/2 request is the whole session's. Requests made up by tests may have none, or a mere object. */
function carrierOf(request: { readonly httpVersionMajor: number; readonly socket?: Partial<Carrier> | null }, response: ServerResponse): Carrier {
  if (request.httpVersionMajor >= 2 && 'stream' in request) return request.stream as Carrier
  return typeof request.socket?.on === 'function' ? request.socket as Carrier : response
}

function matesOn(carrier: Carrier): Map<ServerResponse, Exchange> {
  const known = carrier[EXCHANGES]
  if (known !== undefined) return known
  const mates = new Map<ServerResponse, Exchange>()
  carrier[EXCHANGES] = mates
  carrier.on('close', () => {
    for (const exchange of mates.values()) exchange.finish('left')
  })
  return mates
}

let hears = false

/** To be called before the first request: who publishes may ask then whether anybody listens. */
export function hearOfFinish(): void {
  if (hears) return
  hears = true
  subscribe('http.server.response.finish', (message) => {
    const { response, socket } = message as { response: ServerResponse; socket: Carrier }
    // Where nobody is there any more to be written to, the write itself has destroyed the socket.
    socket[EXCHANGES]?.get(response)?.finish(socket.destroyed ? 'left' : 'answered')
  })
}

const patches = new Patches()
/** The prototype of the response before: nearly always that of the next one, too. */
let announcing: object | null = null

/** Server-sent events and 101 go on for as long as the client likes: they count until their head is sent. */
function announceHeads(response: ServerResponse): void {
  const prototype = Object.getPrototypeOf(response) as object | null
  if (prototype === announcing) return
  announcing = prototype
  let owner = prototype
  while (owner !== null && !Object.hasOwn(owner, 'writeHead')) owner = Object.getPrototypeOf(owner) as object | null
  if (owner === null || patches.has(owner, 'writeHead')) return
  patches.replace(owner as ServerResponse, 'writeHead', (writeHead) => function announcingWriteHead(this: ServerResponse, ...args: unknown[]) {
    Reflect.apply(writeHead, this, args)
    if (args[0] === 101 || isEventStream(contentType(args.at(-1)) ?? this.getHeader('content-type'))) Exchange.known(this.req, this)?.stream()
    return this
  })
}

/** Of the headers given to `writeHead()`, which it need not store: an object, pairs, or names and values in turn. */
function contentType(headers: unknown): unknown {
  if (typeof headers !== 'object' || headers === null) return undefined
  const pairs = Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers)
  return pairs.find(([name]) => String(name).toLowerCase() === 'content-type')?.[1]
}

function pairsOf(headers: readonly unknown[]): readonly (readonly unknown[])[] {
  if (headers.every((pair) => Array.isArray(pair))) return headers
  return headers.flatMap((name, index) => index % 2 === 0 ? [[name, headers[index + 1]]] : [])
}

function isEventStream(type: unknown): boolean {
  return typeof type === 'string' && /^text\/event-stream/i.test(type)
}
