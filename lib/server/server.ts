/** An `http.Server` whose connections speak FastCGI. */
import { channel } from 'node:diagnostics_channel'
import http, { type IncomingMessage, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { addingConnectionListeners } from '../../shared/connection-listeners.js'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { RequestParams } from '../fastcgi/params.js'
import { Role } from '../fastcgi/record.js'
import { checkInternals, checkRuntime, type InternalRequest, type InternalResponse } from '../http/node-internals.js'
import { createResponderConstructors, type ResponderConstructors } from '../http/prepared-classes.js'
import { RequestHeadReader, withoutMount, type RequestHead } from '../http/cgi-request.js'
import { appAndOptions } from './app.js'
import { AcceptedSocket, readBuffer, type ReadCallback } from './accepted-socket.js'
import { acceptWithSharedBuffer, usesSharedBuffer } from './shared-read-buffer.js'
import { Connection, type ConnectionHost } from './connection.js'
import { FastCgiError } from '../errors.js'
import { FilterData } from './filter-data.js'
import { ignoreForwardedHeaders } from './forwarded-headers.js'
import { withBacklog } from './listen-arguments.js'
import { resolveServerOptions, type ServerConfiguration, type ServerOptions } from './options.js'
import { OPEN_REQUESTS, REQUEST_COUNTS, type RequestCounts } from './request-counts.js'
import { RequestSocket, asSocket } from './request-socket.js'

/** The longest tick, in milliseconds: a tick is the interval at which time limits are checked. */
const MAX_TICK = 1000
/** The shortest time limit is checked this many times before it is over. */
const TICKS_IN_LIMIT = 4
/** The shortest tick, in milliseconds. */
const MIN_TICK = 10

const requestStart = channel('http.server.request.start')
const responseFinish = channel('http.server.response.finish')

/** The property by which a read callback finds the Connection of its socket. */
const CONNECTION = Symbol('connection')

interface CarryingSocket {
  [CONNECTION]?: Connection
}

/**
 * An `http.Server` whose connections speak FastCGI instead of HTTP. `listen()`, `close()`, 'request', 'connection',
 * 'checkContinue' and the rest are Node's.
 *
 * Events of its own:
 * - `'clientError'` (error: FastCgiError, socket): the web server broke the protocol, or a limit was reached.
 *   What had to be closed is closed already.
 * - `'warning'` (error: FastCgiError): the app did something that web servers answer badly. Without a listener
 *   it becomes a process warning, once a code.
 */
export class FastCgiServer extends http.Server {
  /** How many requests the app was given, and how many of them are over. */
  readonly [REQUEST_COUNTS]: RequestCounts = { begun: 0, over: 0, serverErrors: 0, closedKept: 0 }
  readonly #constructors: ResponderConstructors
  readonly #configuration: ServerConfiguration
  readonly #host: ServerHost
  #closing = false

  constructor(app?: RequestListener, options: ServerOptions = {}) {
    checkRuntime()
    const configuration = resolveServerOptions(options, process.env)
    super(app)
    this.#configuration = configuration
    this.#constructors = createResponderConstructors(app)
    checkInternals(
      (socket) => new this.#constructors.Request(socket),
      (request) => new this.#constructors.Response(request),
    )
    this.#host = new ServerHost(this, configuration, this.#constructors)
    // Node's own listener parses HTTP.
    this.removeAllListeners('connection')
    addingConnectionListeners(this, () => this.on('connection', (socket: Duplex | RequestSocket) => {
      if (!(socket instanceof RequestSocket)) this.#host.connect(socket)
    }))
    this.on('listening', () => {
      this.#host.draining = false
      acceptWithSharedBuffer(this, readIntoConnection)
    })
  }

  /** The options, resolved. */
  get configuration(): ServerConfiguration {
    return this.#configuration
  }

  /** The requests that the app was given and that are not over. It costs something only when it is called. */
  [OPEN_REQUESTS](): IncomingMessage[] {
    return this.#host.openRequests()
  }

  /**
   * Stops keeping connections: each closes once its open requests are answered, idle ones close at once.
   * Listening goes on until `close()`.
   *
   * @param linger for how long, in milliseconds, a connection that the web server keeps may be idle until it is closed:
   *   web servers are asked to close it themselves, since they may be sending a request on it. Default 0.
   */
  drain(linger = 0): void {
    this.#host.drain(linger)
  }

  /** How many connections are open. */
  get openConnections(): number {
    return this.#host.size
  }

  /**
   * Asks the web server to close some of the connections that it keeps, those with open requests first. It opens new ones when
   * it needs them, and whichever process has time accepts those. No request is lost. Connections of web servers that do not
   * close when asked are left alone.
   *
   * @param count how many
   * @param linger for how long, in milliseconds, such a connection may be idle until it is closed from this side
   * @returns how many were asked
   */
  releaseConnections(count: number, linger: number): number {
    return this.#host.releaseSome(count, linger)
  }

  /** As Node's, with a default backlog of 4096. `where`: a port, a path, Node's options, or a handle. */
  override listen(port?: number, hostname?: string, backlog?: number, listener?: () => void): this
  override listen(port?: number, hostname?: string, listener?: () => void): this
  override listen(where?: number | string | object, backlog?: number, listener?: () => void): this
  override listen(where?: number | string | object, listener?: () => void): this
  override listen(...given: unknown[]): this {
    Reflect.apply(super.listen.bind(this), undefined, withBacklog(given))
    return this
  }

  /** Stops listening, and keeps no connection any more; 'close' comes when the last is gone. */
  override close(callback?: (error?: Error) => void): this {
    this.drain()
    this.#closing = true
    try {
      return super.close(callback)
    } finally {
      this.#closing = false
    }
  }

  override closeIdleConnections(): void {
    // Node calls this within close(). drain() closes idle connections itself, after reading what the web server has sent.
    if (this.#closing) return
    this.#host.forEach((connection) => {
      if (connection.idle) connection.closeWhenDone()
    })
  }

  override closeAllConnections(): void {
    this.#host.forEach((connection) => {
      connection.destroy()
    })
  }
}

/**
 * Mounts an app on FastCGI: returns an `http.Server` whose connections speak it, not yet listening.
 *
 * @param app an Express app (4.18 or later, or 5), or any `(req, res)` listener; app and options may change places, as
 *   Node's own `createServer(options, app)` has them
 * @param options roles, limits and timeouts; see {@link ServerOptions}
 * @returns the server. It is an `http.Server`: `listen()` it at a path, a port or a descriptor
 * @throws FastCgiError ERR_FCGI_OPTION for a wrong option, ERR_FCGI_UNSUPPORTED_NODE on a Node.js that cannot serve
 *
 * @example
 * ```ts
 * import { createServer } from 'express-responder'
 *
 * createServer(app, { limits: { bodyBytes: 16 * 1024 ** 2 } }).listen('/run/app/app.sock')
 * ```
 */
export function createServer(app?: RequestListener, options?: ServerOptions): FastCgiServer
export function createServer(options: ServerOptions, app?: RequestListener): FastCgiServer
export function createServer(one?: RequestListener | ServerOptions, other?: RequestListener | ServerOptions): FastCgiServer {
  const { app, options } = appAndOptions(one, other)
  return new FastCgiServer(app, options)
}

const readIntoConnection: ReadCallback = (socket: Socket & CarryingSocket, length) => {
  socket[CONNECTION]?.read(readBuffer, 0, length)
  // `true` keeps the socket reading. Where reading has to stop, flow control has paused the socket already.
  return true
}

/** What connections need of their server; keeps the set of open connections, and the timer of their time limits. */
class ServerHost implements ConnectionHost {
  readonly server: FastCgiServer
  readonly configuration: ServerConfiguration
  readonly headReader: RequestHeadReader
  readonly counts: RequestCounts
  ticks = 0
  draining = false
  drainLinger = 0
  readonly #constructors: ResponderConstructors
  readonly #connections = new Set<Connection>()
  readonly #warned = new Set<string>()
  readonly #tick: number
  #timer: NodeJS.Timeout | undefined

  constructor(server: FastCgiServer, configuration: ServerConfiguration, constructors: ResponderConstructors) {
    this.server = server
    this.configuration = configuration
    this.counts = server[REQUEST_COUNTS]
    this.#constructors = constructors
    const { url, ambiguousHeaders, forwardedHeaders, limits: { paramsCount } } = configuration
    this.headReader = new RequestHeadReader({ paramsCount, url, ambiguousHeaders, removeForwarded: forwardedHeaders === 'remove' }, createParams)
    const { params, idle, linger, body, request } = configuration.timeouts
    const limits = [params, idle, linger, body, request].filter((limit) => limit > 0)
    this.#tick = Math.max(MIN_TICK, Math.min(MAX_TICK, ...limits.map((limit) => limit / TICKS_IN_LIMIT)))
  }

  /** A web server has connected. */
  connect(socket: Duplex): void {
    const refusal = this.#refusalOf(socket)
    if (refusal !== undefined) {
      socket.on('error', () => undefined)
      socket.destroy()
      this.onConnectionError(refusal, socket)
      return
    }
    const connection = new Connection(this, socket)
    if (this.#countsRequestsBySocket()) letConnectionsAnswer(connection, this)
    this.#connections.add(connection)
    ;(socket as CarryingSocket)[CONNECTION] = connection
    this.#timer ??= setInterval(() => {
      this.#onTick()
    }, this.#tick).unref()
    if (usesSharedBuffer(socket)) return
    socket.on('data', (chunk: Buffer) => {
      connection.read(chunk, 0, chunk.length)
    })
  }

  /**
   * Whether a package for graceful stops is in use (stoppable, @godaddy/terminus, Apollo's drain plugin). They count the
   * open requests of each socket: they listen for 'connection' and 'request', and find the socket by `req.socket`. Each
   * event has one listener without them: this server listens for 'connection', the app for 'request'.
   */
  #countsRequestsBySocket(): boolean {
    return this.server.listenerCount('request') > 1 && this.server.listenerCount('connection') > 1
  }

  #refusalOf(socket: Duplex): FastCgiError | undefined {
    const { limits, webServerAddresses } = this.configuration
    if (this.#connections.size >= limits.connections) {
      return new FastCgiError('ERR_FCGI_CONNECTIONS_LIMIT', `${String(limits.connections)} connections are open`)
    }
    if (webServerAddresses === undefined) return undefined
    const address: unknown = 'remoteAddress' in socket ? socket.remoteAddress : undefined
    if (typeof address !== 'string') {
      // A peer that has reset its connection has no address any more, but what it sent would still be read.
      const overTcp = typeof this.server.address() === 'object' && this.server.address() !== null
      return overTcp ? new FastCgiError('ERR_FCGI_PEER_REFUSED', 'a peer without an address is none of FCGI_WEB_SERVER_ADDRS') : undefined
    }
    if (webServerAddresses.has(address) || webServerAddresses.has(address.replace(/^::ffff:/, ''))) return undefined
    return new FastCgiError('ERR_FCGI_PEER_REFUSED', `${address} is none of FCGI_WEB_SERVER_ADDRS`)
  }

  drain(linger: number): void {
    this.draining = true
    this.drainLinger = linger
    // Requests that a web server has sent already are read first, or closing would lose them. The first setImmediate may
    // run before the event loop reads from sockets; the second runs after it.
    setImmediate(() => {
      setImmediate(() => {
        if (!this.draining) return
        this.forEach((connection) => {
          connection.release(this.drainLinger)
        })
      })
    })
  }

  get size(): number {
    return this.#connections.size
  }

  releaseSome(count: number, linger: number): number {
    const candidates = [...this.#connections].filter(({ canBeReleased }) => canBeReleased)
    const busyFirst = [...candidates.filter(({ done }) => !done), ...candidates.filter(({ done }) => done)].slice(0, count)
    for (const connection of busyFirst) connection.release(linger)
    return busyFirst.length
  }

  forEach(visit: (connection: Connection) => void): void {
    for (const connection of [...this.#connections]) visit(connection)
  }

  openRequests(): IncomingMessage[] {
    const sockets = [...this.#connections].flatMap(({ requests }) => requests.list())
    return sockets.flatMap(({ request, ended, destroyed }) => request === undefined || ended || destroyed ? [] : [request])
  }

  #onTick(): void {
    this.ticks++
    this.forEach((connection) => {
      connection.checkTime(this.#tick)
    })
  }

  onConnectionClosed(connection: Connection): void {
    this.#connections.delete(connection)
    if (this.#connections.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  onConnectionError(error: FastCgiError, socket: Duplex): void {
    // A listener is given a `net.Socket`.
    if (this.server.listenerCount('clientError') > 0) AcceptedSocket.makeWhole(socket)
    if (this.server.emit('clientError', error, socket) || error.code !== 'ERR_FCGI_BAD_VERSION') return
    // The web server is configured for another protocol. Without a listener for 'clientError', a warning says so, once.
    if (!this.#warned.has(error.code)) this.warn(error)
    this.#warned.add(error.code)
  }

  warn(error: FastCgiError): void {
    if (this.server.emit('warning', error) || this.#warned.has(error.code)) return
    this.#warned.add(error.code)
    emitProcessWarning(error.code, error.message, 'FastCgiWarning')
  }

  dispatch(socket: RequestSocket, head: RequestHead): void {
    const request = this.#createRequest(socket, head)
    const response = new this.#constructors.Response(request)
    setVersion(request, head.httpVersion)
    socket._httpMessage = response
    response.socket = asSocket(socket)
    // Before any listener of the app's, as in Node's HTTP server.
    response.on('finish', completeRequest)
    if (this.server.timeout > 0) socket.setTimeout(this.server.timeout)
    this.counts.begun++
    if (requestStart.hasSubscribers) {
      socket.published = { request, response, socket: asSocket(socket), server: this.server }
      requestStart.publish(socket.published)
    }
    this.#emitRequest(request, response, head.expectation)
  }

  #createRequest(socket: RequestSocket, head: RequestHead): InternalRequest {
    const request = new this.#constructors.Request(asSocket(socket))
    socket.request = request
    request.method = head.method
    request.url = head.url
    // The constructor of the response reads the version. The request's own version is set after it.
    request.httpVersionMajor = 1
    request.httpVersionMinor = 1
    request._addHeaderLines(head.rawHeaders, head.rawHeaders.length)
    if (head.hasForwarded && this.configuration.forwardedHeaders === 'ignore') ignoreForwardedHeaders(request)
    if (this.configuration.mount !== '') applyMount(request, this.configuration.mount)
    if (socket.role === Role.FILTER) {
      socket.filterData = new FilterData(socket.params, () => {
        socket.resumeData()
      })
    }
    return request
  }

  /** As Node's HTTP server gives requests to the app. */
  #emitRequest(request: InternalRequest, response: InternalResponse, expectation: string): void {
    const { server } = this
    if (expectation === '') server.emit('request', request, response)
    else if (/^100-continue$/i.test(expectation)) {
      response._expect_continue = true
      if (server.listenerCount('checkContinue') > 0) server.emit('checkContinue', request, response)
      else {
        response.writeContinue()
        server.emit('request', request, response)
      }
    } else if (!server.emit('checkExpectation', request, response)) {
      response.writeHead(417)
      response.end()
    }
  }
}

/**
 * Makes packages for graceful stops wait for open requests. They count requests by `req.socket`, which is a socket of the
 * request's own: it is emitted as a 'connection' too. The real socket has no requests in their count, so they close it as
 * idle. While it has open requests, `end()` and `destroy()` close it after their responses.
 */
function letConnectionsAnswer(connection: Connection, host: ServerHost): void {
  connection.records.emitsConnections = true
  const { socket } = connection
  const end = socket.end.bind(socket)
  const destroy = socket.destroy.bind(socket)
  Object.assign(socket, {
    end(...given: Parameters<typeof end>): Duplex {
      if (!connection.isMistakenForIdle) return end(...given)
      connection.closeWhenDone()
      return socket
    },
    destroy(error?: Error): Duplex {
      // With an error, or while the server is not stopping, the caller means to cut the connection off.
      if (error !== undefined || !host.draining || !connection.isMistakenForIdle) return destroy(error)
      connection.closeWhenDone()
      return socket
    },
  })
}

function completeRequest(this: InternalResponse): void {
  const socket: unknown = this.socket
  if (!(socket instanceof RequestSocket)) return
  const { request, server, published } = socket
  socket.complete(this)
  if (responseFinish.hasSubscribers) responseFinish.publish(published ?? { request, response: this, socket: asSocket(socket), server })
}

function createParams(text: string): RequestParams {
  return new RequestParams(text)
}

const DEFAULT_VERSION = '1.1'

function setVersion(request: InternalRequest, version: string): void {
  if (version === DEFAULT_VERSION) {
    request.httpVersion = DEFAULT_VERSION
    return
  }
  const [major = '', minor = '0'] = version.split('.')
  request.httpVersionMajor = Number(major) || 1
  request.httpVersionMinor = Number(minor) || 0
  request.httpVersion = `${String(request.httpVersionMajor)}.${String(request.httpVersionMinor)}`
}

/** As Express mounts an app: `url` below the prefix, `originalUrl` and `baseUrl` tell where it was. */
function applyMount(request: InternalRequest, mount: string): void {
  const { url = '' } = request
  const below = withoutMount(url, mount)
  if (below === undefined) return
  request.url = below
  Object.assign(request, { originalUrl: url, baseUrl: mount })
}
