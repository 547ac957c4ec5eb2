/**
 * When a request is over, for all middleware. `isOver()` tells whether it is now. Observers are told once, by the first
 * of three events: 'finish' and 'close' of the response, and 'close' of the socket. A pipelined response that waits
 * behind others has only the last.
 *
 * The lifetimes are stored on the socket, not on the request or the response. Express gives those two the app's
 * prototypes. After that, each property or listener that is added to one costs microseconds on Node 20 and 22. For the
 * same reason 'finish' is not listened for: Node's HTTP server publishes it on a diagnostics channel.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { onClosing } from '../../shared/close-hook.js'
import { Patches } from './patches.js'

/**
 * How it ended: answered; the client left; the handler failed or held on; or it goes on and counts no longer (a stream,
 * an upgrade).
 */
export type Ending = 'answered' | 'left' | 'failed' | 'streams'

/** An observer of a lifetime: told when the request is over. */
export interface LifetimeObserver {
  /** Called at the end. Only the first call counts. */
  end(ending: Ending): void
  /** Release at `response.end()`, not when everything has been sent. */
  readonly releaseAtEnd: boolean
  /** Release once the response is a stream, which goes on. Else a stream is over like any other response. */
  readonly releaseAtStream: boolean
  /** What it observes for, such as a limiter. */
  readonly owner: object
}

const LIFETIMES = Symbol('express-responder request lifetimes')

/** What closes when the client is gone: a socket, or the one stream of HTTP/2; the response where it has neither. */
interface Connection {
  /** The newest that is not over, by which the older ones are found; null where all are over. */
  [LIFETIMES]?: RequestLifetime | null
  destroyed: boolean
  /** Set by Node's HTTP server, as is the response whose turn it is on this socket. */
  server?: unknown
  _httpMessage?: unknown
  on(event: 'close', listener: (this: Connection) => void): unknown
}

/** The lifetime of one request: tells its observers, once, when the request is over. */
export class RequestLifetime {
  readonly #response: ServerResponse
  readonly #connection: Connection
  /** The next older one of the connection: pipelined requests have more than one. */
  #older: RequestLifetime | null
  /** There is most often one observer: only the others need a list. */
  #observer: LifetimeObserver | undefined
  #others: LifetimeObserver[] | undefined
  #endIsWrapped = false
  #over = false

  private constructor(response: ServerResponse, connection: Connection, isFinishPublished: boolean) {
    this.#response = response
    this.#connection = connection
    const newest = connection[LIFETIMES]
    if (newest === undefined) onClosing(connection, onClose)
    this.#older = newest ?? null
    connection[LIFETIMES] = this
    watchHeads(response)
    if (isFinishPublished) return
    response.on('finish', () => { this.finish('answered') })
    response.on('close', () => { this.finish('left') })
  }

  /** The lifetime of a request: the same for all observers. */
  static of(request: IncomingMessage, response: ServerResponse): RequestLifetime {
    const connection = connectionOf(request, response)
    return RequestLifetime.on(connection, response) ?? new RequestLifetime(response, connection, isPublished(response, connection))
  }

  /**
   * The same for a request that Node's HTTP server has just published as started: its socket need not refer to it yet.
   */
  static ofStarted(request: IncomingMessage, response: ServerResponse): RequestLifetime {
    const connection = connectionOf(request, response)
    return RequestLifetime.on(connection, response) ?? new RequestLifetime(response, connection, true)
  }

  static existing(request: IncomingMessage, response: ServerResponse): RequestLifetime | undefined {
    return RequestLifetime.on(connectionOf(request, response), response)
  }

  /** The one of a response on a connection. */
  static on(connection: Connection, response: ServerResponse): RequestLifetime | undefined {
    let lifetime = connection[LIFETIMES] ?? null
    while (lifetime !== null && lifetime.#response !== response) lifetime = lifetime.#older
    return lifetime ?? undefined
  }

  /** A connection is closed: its clients have left. */
  static left(connection: Connection): void {
    for (let lifetime = connection[LIFETIMES] ?? null; lifetime !== null; lifetime = connection[LIFETIMES] ?? null) lifetime.finish('left')
  }

  /** Whether an observer of that owner has been added. */
  isObservedBy(owner: object): boolean {
    return this.#observer?.owner === owner || this.#others?.some((observer) => observer.owner === owner) === true
  }

  add(observer: LifetimeObserver): void {
    if (this.#observer === undefined) this.#observer = observer
    else if (this.#others === undefined) this.#others = [observer]
    else this.#others.push(observer)
    if (observer.releaseAtEnd && !this.#endIsWrapped) this.#wrapEnd()
  }

  /** Removes an observer. False where it was none. */
  remove(observer: LifetimeObserver): boolean {
    if (this.#observer === observer) {
      this.#observer = this.#others?.shift()
      return true
    }
    const index = this.#others?.indexOf(observer) ?? -1
    if (index === -1) return false
    this.#others?.splice(index, 1)
    return true
  }

  /** The response is a stream from now on: it goes on, and counts no longer. */
  stream(): void {
    this.#forEach((observer) => {
      if (observer.releaseAtStream) observer.end('streams')
    })
  }

  /** The request is over. The first call counts. */
  finish(ending: Ending): void {
    if (this.#over) return
    this.#over = true
    this.#unlink()
    this.#observer?.end(ending)
    if (this.#others === undefined) return
    for (const observer of this.#others) observer.end(ending)
  }

  #forEach(call: (observer: LifetimeObserver) => void): void {
    if (this.#observer !== undefined) call(this.#observer)
    for (const observer of this.#others ?? []) call(observer)
  }

  #unlink(): void {
    const connection = this.#connection
    let newer = connection[LIFETIMES] ?? null
    if (newer === this) {
      connection[LIFETIMES] = this.#older
      return
    }
    while (newer !== null && newer.#older !== this) newer = newer.#older
    if (newer !== null) newer.#older = this.#older
  }

  #wrapEnd(): void {
    this.#endIsWrapped = true
    const response = this.#response
    const end = response.end.bind(response) as (...args: unknown[]) => ServerResponse
    response.end = ((...args: unknown[]) => {
      end(...args)
      this.#forEach((observer) => {
        if (observer.releaseAtEnd) observer.end('answered')
      })
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

/** Whether its client has left, or its connection was cut off. No event need have told so yet. */
export function hasLeft(request: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || connectionOf(request, response).destroyed
}

/** Whether the request is over: answered, or its client has left. */
export function isOver(request: IncomingMessage, response: ServerResponse): boolean {
  return isAnswered(response) || hasLeft(request, response)
}

/** Whether an answer can be begun. */
export function isAnswerable(request: IncomingMessage, response: ServerResponse): boolean {
  return !response.headersSent && !isOver(request, response)
}

/** Calls back once the request is over; for a stream, when it ends. Returns a function that cancels this. */
export function onceOver(request: IncomingMessage, response: ServerResponse, call: () => void): () => void {
  const observer: LifetimeObserver = {
    releaseAtEnd: false,
    releaseAtStream: false,
    owner: lifetimeCallers,
    end: call,
  }
  const lifetime = RequestLifetime.of(request, response)
  lifetime.add(observer)
  return () => { lifetime.remove(observer) }
}

const lifetimeCallers = {}

/**
 * Whether Node's HTTP server is sure to publish that this response is finished. It does so for the response whose turn
 * it is on the socket. Any other waits behind that one, or the app has made it up or wrapped it.
 */
function isPublished(response: ServerResponse, { server, _httpMessage }: Connection): boolean {
  return server !== undefined && _httpMessage === response
}

/**
 * What closes when the client is gone. Over HTTP/2 that is the stream, for the socket is the whole session's. Requests
 * that tests make up may have no socket, or a plain object: then it is the response.
 */
function connectionOf(request: { readonly httpVersionMajor: number; readonly socket?: Partial<Connection> | null }, response: ServerResponse): Connection {
  if (request.httpVersionMajor >= 2 && 'stream' in request) return request.stream as Connection
  return typeof request.socket?.on === 'function' ? request.socket as Connection : response
}

function onClose(this: Connection): void {
  RequestLifetime.left(this)
}

const FINISH = 'http.server.response.finish'
let isSubscribed = false

/** To be called before the first request: Node may look then whether the channel has subscribers. */
export function subscribeToFinish(): void {
  if (isSubscribed) return
  isSubscribed = true
  subscribe(FINISH, onPublished)
}

function onPublished(message: unknown): void {
  const { response, socket } = message as { response: ServerResponse; socket: Connection }
  // If the client had left already, the write has destroyed the socket.
  RequestLifetime.on(socket, response)?.finish(socket.destroyed ? 'left' : 'answered')
}

/**
 * Ends the subscription, and puts `writeHead` back. No middleware may be in use that needs to know when requests are
 * over.
 */
export function stopWatching(): void {
  unsubscribe(FINISH, onPublished)
  isSubscribed = false
  patches.restore()
  watchedPrototype = null
}

const patches = new Patches()
/** The prototype of the last response. The next response nearly always has the same. */
let watchedPrototype: object | null = null

/** Server-sent events and upgrades (101) last as long as the client likes. They count until their head is sent. */
function watchHeads(response: ServerResponse): void {
  const prototype = Object.getPrototypeOf(response) as object | null
  if (prototype === watchedPrototype) return
  watchedPrototype = prototype
  let owner = prototype
  while (owner !== null && !Object.hasOwn(owner, 'writeHead')) owner = Object.getPrototypeOf(owner) as object | null
  if (owner === null || patches.has(owner, 'writeHead')) return
  patches.replace(owner as ServerResponse, 'writeHead', (writeHead) => function watchedWriteHead(this: ServerResponse, ...args: unknown[]) {
    Reflect.apply(writeHead, this, args)
    // No array is made of the arguments while they are read by constant indices that they have.
    const headers = args.length === 1 ? undefined : args.length === 2 ? args[1] : args[2]
    if (args[0] === 101 || isEventStream(contentType(headers) ?? this.getHeader('content-type'))) RequestLifetime.existing(this.req, this)?.stream()
    return this
  })
}

/**
 * Content-Type of the headers given to `writeHead()`, which need not store them: an object, pairs, or names and values
 * in turn.
 */
function contentType(headers: unknown): unknown {
  if (typeof headers !== 'object' || headers === null) return undefined
  const pairs = Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers)
  return pairs.find(([name]) => String(name).toLowerCase() === 'content-type')?.[1]
}

function pairsOf(headers: readonly unknown[]): readonly (readonly unknown[])[] {
  if (headers.every((pair) => Array.isArray(pair))) return headers
  return headers.flatMap((name, index) => index % 2 === 0 ? [[name, headers[index + 1]]] : [])
}

/** Few types have an 'e' there. Of the others no match has to be made. */
const E_AFTER_TEXT = 'text/'.length

function isEventStream(type: unknown): boolean {
  return typeof type === 'string' && (type.charCodeAt(E_AFTER_TEXT) | 0x20) === 0x65 && /^text\/event-stream/i.test(type)
}
