/**
 * When a request is over, for all middleware: whether it is now, and told once to each who observes it, whatever comes first
 * of the response's 'finish', its 'close' and the socket's 'close'. The last of them is the only one for a response that
 * waits behind others on a pipelined connection.
 *
 * What is noted stands at the socket and not at the request or the response: Express gives those a prototype of the
 * app's, after which every property and listener that is added to one costs microseconds on Node 20 and 22. So 'finish' is
 * heard on the channel that Node's HTTP server publishes it on, and so does what does its work.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Patches } from './patches.js'

/** How it ended: answered; the client left; the handler failed or held on; or it goes on and counts no longer (a stream, an upgrade). */
export type Ending = 'answered' | 'left' | 'failed' | 'streams'

/** What is told when a request is over. */
export interface LifetimeObserver {
  /** The first call counts. */
  end(ending: Ending): void
  /** Release at `response.end()`, not when everything has been sent. */
  readonly releaseAtEnd: boolean
  /** Whose it is. */
  readonly owner: object
}

const LIFETIMES = Symbol('express-responder request lifetimes')

/** What closes when the client is gone: a socket, or the one stream of HTTP/2; the response where it has neither. */
interface Connection {
  [LIFETIMES]?: Map<ServerResponse, RequestLifetime>
  destroyed: boolean
  /** Set by Node's HTTP server, as is the response whose turn it is on this socket. */
  server?: unknown
  _httpMessage?: unknown
  on(event: 'close', listener: () => void): unknown
}

/** When one request is over, told once to all who ask. */
export class RequestLifetime {
  readonly #response: ServerResponse
  readonly #onSameConnection: Map<ServerResponse, RequestLifetime>
  readonly #observers: LifetimeObserver[] = []
  #endIsWrapped = false
  #over = false

  private constructor(response: ServerResponse, connection: Connection, isFinishPublished: boolean) {
    this.#response = response
    this.#onSameConnection = lifetimesOn(connection)
    this.#onSameConnection.set(response, this)
    watchHeads(response)
    if (isFinishPublished) return
    response.on('finish', () => { this.finish('answered') })
    response.on('close', () => { this.finish('left') })
  }

  /** The one lifetime of a request, for all who observe it. */
  static of(request: IncomingMessage, response: ServerResponse): RequestLifetime {
    const connection = connectionOf(request, response)
    return connection[LIFETIMES]?.get(response) ?? new RequestLifetime(response, connection, isPublished(response, connection))
  }

  /** The same for one that Node's HTTP server tells of as started: that it does not stand at its socket yet says nothing. */
  static ofStarted(request: IncomingMessage, response: ServerResponse): RequestLifetime {
    const connection = connectionOf(request, response)
    return connection[LIFETIMES]?.get(response) ?? new RequestLifetime(response, connection, true)
  }

  static existing(request: IncomingMessage, response: ServerResponse): RequestLifetime | undefined {
    return connectionOf(request, response)[LIFETIMES]?.get(response)
  }

  /** Whether that owner observes it, or has. */
  isObservedBy(owner: object): boolean {
    return this.#observers.some((observer) => observer.owner === owner)
  }

  add(observer: LifetimeObserver): void {
    this.#observers.push(observer)
    if (observer.releaseAtEnd && !this.#endIsWrapped) this.#wrapEnd()
  }

  /** Tells that observer no more. Whether it was one. */
  remove(observer: LifetimeObserver): boolean {
    const index = this.#observers.indexOf(observer)
    if (index === -1) return false
    this.#observers.splice(index, 1)
    return true
  }

  /** It goes on, and counts no longer. */
  stream(): void {
    for (const observer of this.#observers) observer.end('streams')
  }

  /** It is over. The first call counts. */
  finish(ending: Ending): void {
    if (this.#over) return
    this.#over = true
    this.#onSameConnection.delete(this.#response)
    for (const observer of this.#observers) observer.end(ending)
  }

  #wrapEnd(): void {
    this.#endIsWrapped = true
    const response = this.#response
    const end = response.end.bind(response) as (...args: unknown[]) => ServerResponse
    response.end = ((...args: unknown[]) => {
      end(...args)
      for (const observer of this.#observers) {
        if (observer.releaseAtEnd) observer.end('answered')
      }
      return response
    }) as ServerResponse['end']
  }
}

/**
 * Whether the whole answer has been given to Node: nothing can be added to it. Over HTTP/2 the response to a HEAD says
 * `writableFinished` before it has begun.
 */
export function isAnswered(response: ServerResponse): boolean {
  return response.writableEnded || (response.writableFinished && response.headersSent)
}

/** Its client is gone, or its connection was cut off, though nothing may have said so yet. */
export function hasLeft(request: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || connectionOf(request, response).destroyed
}

/** Whether there is nothing more to be done for it. */
export function isOver(request: IncomingMessage, response: ServerResponse): boolean {
  return isAnswered(response) || hasLeft(request, response)
}

/** Whether an answer can be begun. */
export function isAnswerable(request: IncomingMessage, response: ServerResponse): boolean {
  return !response.headersSent && !isOver(request, response)
}

/** Calls back once it is over; a stream is when it ends. What is given back takes that back. */
export function onceOver(request: IncomingMessage, response: ServerResponse, call: () => void): () => void {
  const observer: LifetimeObserver = {
    releaseAtEnd: false,
    owner: lifetimeCallers,
    end: (ending) => { if (ending !== 'streams') call() },
  }
  const lifetime = RequestLifetime.of(request, response)
  lifetime.add(observer)
  return () => { lifetime.remove(observer) }
}

const lifetimeCallers = {}

/**
 * Whether Node's HTTP server publishes when this response is finished. Of the socket's own response that is certain; any
 * other waits behind it, or was made up or wrapped by the app, and nobody publishes those.
 */
function isPublished(response: ServerResponse, { server, _httpMessage }: Connection): boolean {
  return server !== undefined && _httpMessage === response
}

/** What looks like the socket of an HTTP/2 request is the whole session's. Requests made up by tests may have none, or a mere object. */
function connectionOf(request: { readonly httpVersionMajor: number; readonly socket?: Partial<Connection> | null }, response: ServerResponse): Connection {
  if (request.httpVersionMajor >= 2 && 'stream' in request) return request.stream as Connection
  return typeof request.socket?.on === 'function' ? request.socket as Connection : response
}

function lifetimesOn(connection: Connection): Map<ServerResponse, RequestLifetime> {
  const known = connection[LIFETIMES]
  if (known !== undefined) return known
  const lifetimes = new Map<ServerResponse, RequestLifetime>()
  connection[LIFETIMES] = lifetimes
  connection.on('close', () => {
    for (const lifetime of lifetimes.values()) lifetime.finish('left')
  })
  return lifetimes
}

const FINISH = 'http.server.response.finish'
let isSubscribed = false

/** To be called before the first request: who publishes may ask then whether anybody listens. */
export function subscribeToFinish(): void {
  if (isSubscribed) return
  isSubscribed = true
  subscribe(FINISH, onPublished)
}

function onPublished(message: unknown): void {
  const { response, socket } = message as { response: ServerResponse; socket: Connection }
  // Where nobody is there any more to be written to, the write itself has destroyed the socket.
  socket[LIFETIMES]?.get(response)?.finish(socket.destroyed ? 'left' : 'answered')
}

/** Puts back what was changed of Node's. Nothing may be in use that asks when requests are over. */
export function stopWatching(): void {
  unsubscribe(FINISH, onPublished)
  isSubscribed = false
  patches.restore()
  watchedPrototype = null
}

const patches = new Patches()
/** The prototype of the response before: nearly always that of the next one, too. */
let watchedPrototype: object | null = null

/** Server-sent events and 101 go on for as long as the client likes: they count until their head is sent. */
function watchHeads(response: ServerResponse): void {
  const prototype = Object.getPrototypeOf(response) as object | null
  if (prototype === watchedPrototype) return
  watchedPrototype = prototype
  let owner = prototype
  while (owner !== null && !Object.hasOwn(owner, 'writeHead')) owner = Object.getPrototypeOf(owner) as object | null
  if (owner === null || patches.has(owner, 'writeHead')) return
  patches.replace(owner as ServerResponse, 'writeHead', (writeHead) => function watchedWriteHead(this: ServerResponse, ...args: unknown[]) {
    Reflect.apply(writeHead, this, args)
    if (args[0] === 101 || isEventStream(contentType(args.at(-1)) ?? this.getHeader('content-type'))) RequestLifetime.existing(this.req, this)?.stream()
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
