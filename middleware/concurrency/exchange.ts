/**
 * A request and its response as caps see them: when it is over, told once, whatever comes first of the response's
 * 'finish', its 'close' and the socket's 'close'. The last of them is the only one for a response that waits behind others
 * on a pipelined connection. Listeners and marks are one for each exchange and socket, however many caps stand in the way.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How it ended for a cap: answered; the client left; or it goes on and counts no longer (a stream, an upgrade). */
export type Ending = 'answered' | 'left' | 'streams'

/** What a cap holds for an exchange. */
export interface Holding {
  /** The first call counts. */
  end(ending: Ending): void
  /** Release at `response.end()`, not when everything has been sent. */
  readonly releaseAtEnd: boolean
  /** Whose it is. */
  readonly desk: object
}

/** A method that is called with its response again. */
type Method = (this: ServerResponse, ...args: never[]) => ServerResponse

const EXCHANGE = Symbol('express-responder exchange')
const EXCHANGES = Symbol('express-responder exchanges')

interface Marked {
  [EXCHANGE]?: Exchange
}

interface MarkedSocket {
  [EXCHANGES]?: Set<Exchange>
}

export class Exchange {
  readonly #response: ServerResponse
  readonly #socketMates: Set<Exchange> | undefined
  readonly holdings: Holding[] = []
  /** What `response.writeHead` and `response.end` were. */
  readonly writeHead: Method
  end: Method | undefined
  #over = false

  private constructor(request: IncomingMessage, response: ServerResponse & Marked) {
    this.#response = response
    // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its response again
    this.writeHead = response.writeHead
    response[EXCHANGE] = this
    response.writeHead = announceHead
    response.on('finish', finished)
    response.on('close', closed)
    // Each stream of HTTP/2 closes its own response, and what looks like its socket is the whole session's.
    if (request.httpVersionMajor >= 2) return
    this.#socketMates = matesOn(request.socket)
    this.#socketMates.add(this)
  }

  /** The one exchange of a request, for all caps. */
  static of(request: IncomingMessage, response: ServerResponse & Marked): Exchange {
    return response[EXCHANGE] ?? new Exchange(request, response)
  }

  static known(response: ServerResponse & Marked): Exchange | undefined {
    return response[EXCHANGE]
  }

  /** Whether the exchange has been at that desk. */
  isAt(desk: object): boolean {
    return this.holdings.some((holding) => holding.desk === desk)
  }

  add(holding: Holding): void {
    if (holding.releaseAtEnd && this.end === undefined) {
      // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its response again
      this.end = this.#response.end
      this.#response.end = endAndRelease
    }
    this.holdings.push(holding)
  }

  /** The exchange is over, for everybody. */
  finish(ending: Ending): void {
    if (this.#over) return
    this.#over = true
    this.#socketMates?.delete(this)
    this.release(ending)
  }

  /** It goes on, and counts no longer. */
  release(ending: Ending): void {
    for (const holding of this.holdings) holding.end(ending)
  }
}

/** Its client is gone, though nothing may have said so yet. */
export function hasLeft(request: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || (request.httpVersionMajor < 2 && request.socket.destroyed)
}

function matesOn(socket: Socket & MarkedSocket): Set<Exchange> {
  const known = socket[EXCHANGES]
  if (known !== undefined) return known
  const mates = new Set<Exchange>()
  socket[EXCHANGES] = mates
  socket.on('close', () => {
    for (const exchange of mates) exchange.finish('left')
  })
  return mates
}

function finished(this: ServerResponse): void {
  Exchange.known(this)?.finish('answered')
}

function closed(this: ServerResponse): void {
  Exchange.known(this)?.finish('left')
}

/** Server-sent events and 101 go on for as long as the client likes: they count until their head is sent. */
const announceHead: ServerResponse['writeHead'] = function announceHead(this: ServerResponse, ...args: unknown[]): ServerResponse {
  const exchange = Exchange.known(this)
  if (exchange === undefined) throw new TypeError('writeHead() is of another response')
  Reflect.apply(exchange.writeHead, this, args)
  if (args[0] === 101 || isEventStream(contentType(args.at(-1)) ?? this.getHeader('content-type'))) exchange.release('streams')
  return this
}

const endAndRelease: ServerResponse['end'] = function endAndRelease(this: ServerResponse, ...args: unknown[]): ServerResponse {
  const exchange = Exchange.known(this)
  if (exchange?.end === undefined) throw new TypeError('end() is of another response')
  Reflect.apply(exchange.end, this, args)
  for (const holding of exchange.holdings) {
    if (holding.releaseAtEnd) holding.end('answered')
  }
  return this
}

/** Of the headers given to `writeHead()`, which it need not store: an object, or names and values in turn. */
function contentType(headers: unknown): unknown {
  if (typeof headers !== 'object' || headers === null) return undefined
  const pairs: [unknown, unknown][] = Array.isArray(headers)
    ? headers.flatMap((name: unknown, index) => index % 2 === 0 ? [[name, headers[index + 1]] as [unknown, unknown]] : [])
    : Object.entries(headers)
  return pairs.find(([name]) => String(name).toLowerCase() === 'content-type')?.[1]
}

function isEventStream(type: unknown): boolean {
  return typeof type === 'string' && type.startsWith('text/event-stream')
}
