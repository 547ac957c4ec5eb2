/** `gateway()`: an HTTP server in front of a FastCGI application, for trying and testing one without a web server. */
import { Server, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { FASTCGI_TO_HTTP, isFastCgi } from '../server/other-protocols.js'
import { ProxiedRequest, type ProxyContext } from './proxied-request.js'
import { resolveOptions, type GatewayOptions } from './options.js'
import { resolveTarget, type GatewayTarget } from './target.js'
import { Upstream } from './upstream.js'

/**
 * An HTTP server that passes every request on over FastCGI, with the params that nginx would send, and answers with
 * what comes back. It is not listening yet; it can be closed and made to listen again, so it can be handed to
 * supertest: `supertest(gateway(server)).get('/')`.
 *
 * An answer that breaks the protocol becomes `502 Bad Gateway` with the reason and a stable `ERR_FCGI_*` code as text;
 * where a head with a body to follow has already been read, the client's connection is broken off, so that it can
 * tell. No answer in time: 504. A response is only whole for the client once the application has ended the request.
 *
 * Events, besides those of `http.Server`: `'upstreamError'` (error: FastCgiError, req) for each such failure, and
 * `'stderr'` (text: Buffer, req) for what the application writes to STDERR.
 *
 * @param target a FastCGI server, which is made to listen on a private Unix socket while the gateway needs it unless
 *   it listens already; or the path of a Unix socket; or `{ host, port }`
 * @param options params to send besides nginx's, limits and times; see {@link GatewayOptions}
 * @returns the HTTP server
 * @throws FastCgiError ERR_FCGI_OPTION where the target or an option is wrong
 *
 * @example
 * ```ts
 * import { createServer, gateway } from 'express-responder'
 *
 * gateway(createServer(app), { params: { REMOTE_USER: 'alice' } }).listen(3000, '127.0.0.1')
 * ```
 */
export function gateway(target: GatewayTarget, options?: GatewayOptions): Server {
  const resolved = resolveOptions(options)
  const server = new GatewayServer()
  const upstream = new Upstream(resolveTarget(target), resolved)
  const context: ProxyContext = {
    options: resolved,
    upstream,
    onError: (error, req) => server.emit('upstreamError', error, req),
    onStderr: (text, req) => server.emit('stderr', text, req),
  }
  const onRequest = (req: IncomingMessage, res: ServerResponse, expectsContinue: boolean) => {
    res.once('close', () => {
      if (!server.listening) server.closeIdleConnections()
    })
    void new ProxiedRequest(context, req, res).run(expectsContinue)
  }
  server.on('request', (req, res) => {
    onRequest(req, res, false)
  })
  server.on('checkContinue', (req, res) => {
    onRequest(req, res, true)
  })
  // Any other expectation is the application's to answer, as behind nginx.
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    onRequest(req, res, false)
  })
  server.on('connect', refuseConnect)
  server.on('close', () => {
    upstream.close()
  })
  return server
}

/**
 * Closes at once what a plain http.Server waits for: connections that have not sent anything, as browsers open them.
 * Tells of web servers that speak FastCGI to it.
 */
class GatewayServer extends Server {
  readonly #connections = new Set<Socket>()
  #hasWarned = false

  constructor() {
    super()
    this.on('connection', (socket: Socket) => {
      this.#connections.add(socket)
      socket.once('close', () => this.#connections.delete(socket))
    })
  }

  // A listener would take Node's answer to bad requests away.
  override emit(name: string, ...given: unknown[]): boolean {
    if (name === 'clientError') this.#warnOfFastCgi(given[0])
    return super.emit(name, ...given)
  }

  #warnOfFastCgi(error: unknown): void {
    const packet: unknown = typeof error === 'object' && error !== null && 'rawPacket' in error ? error.rawPacket : undefined
    if (this.#hasWarned || !(packet instanceof Uint8Array) || !isFastCgi(packet)) return
    this.#hasWarned = true
    emitProcessWarning('ERR_FCGI_HTTP_PORT', FASTCGI_TO_HTTP, 'FastCgiWarning')
  }

  override close(callback?: (error?: Error) => void): this {
    super.close(callback)
    for (const socket of this.#connections) if (socket.bytesRead === 0) socket.destroy()
    return this
  }
}

/** CONNECT asks for a tunnel, which FastCGI cannot carry. */
function refuseConnect(_req: IncomingMessage, socket: Duplex): void {
  socket.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
}
