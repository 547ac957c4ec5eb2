/** `gateway()`: an HTTP server in front of a FastCGI application, for trying and testing one without a web server. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { Exchange, type ExchangeContext } from './exchange.js'
import { resolveOptions, type GatewayOptions } from './options.js'
import { resolveTarget, type GatewayTarget } from './target.js'
import { Upstream } from './upstream.js'

/**
 * An HTTP server that passes every request on over FastCGI, with the params that nginx would send, and answers with
 * what comes back. It is not listening yet; it can be closed and made to listen again, so it can be handed to
 * supertest: `supertest(gateway(server)).get('/')`.
 *
 * An answer that breaks the protocol becomes `502 Bad Gateway` with the reason and a stable `ERR_FCGI_*` code as text;
 * where the head has already been sent, the client's connection is broken off. No answer in time: 504.
 *
 * Events, besides those of `http.Server`: `'upstreamError'` (error: FastCgiError, req) for each such failure, and
 * `'stderr'` (text: Buffer, req) for what the application writes to STDERR.
 *
 * @param target a FastCGI server, which is made to listen on a private Unix socket while the gateway needs it unless
 * it listens already; or the path of a Unix socket; or `{ host, port }`.
 * @throws FastCgiError ERR_FCGI_OPTION where the target or an option is wrong.
 */
export function gateway(target: GatewayTarget, options?: GatewayOptions): Server {
  const resolved = resolveOptions(options)
  const server = createServer()
  const upstream = new Upstream(resolveTarget(target), resolved)
  const context: ExchangeContext = {
    options: resolved,
    upstream,
    onError: (error, req) => server.emit('upstreamError', error, req),
    onStderr: (text, req) => server.emit('stderr', text, req),
  }
  server.on('request', (req, res) => void new Exchange(context, req, res).run(false))
  server.on('checkContinue', (req, res) => void new Exchange(context, req, res).run(true))
  server.on('connect', refuseConnect)
  server.on('close', () => {
    upstream.close()
  })
  return server
}

/** CONNECT asks for a tunnel, which FastCGI cannot carry. */
function refuseConnect(_req: IncomingMessage, socket: Duplex): void {
  socket.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
}
