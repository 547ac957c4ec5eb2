/** serve(): an app on its socket, with everything that a process under a process manager has to do. */
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { appAndOptions, missingApp } from '../server/app.js'
import { createServer, type FastCgiServer } from '../server/server.js'
import { listenAt } from './listen.js'
import { resolveOptions, type ServeConfiguration, type ServeOptions } from './options.js'
import { stopOnSignal } from './signals.js'
import { prepareStop, type DrainableServer } from './graceful-stop.js'

/** A running server. */
export interface Serving<S extends DrainableServer = FastCgiServer> {
  readonly server: S
  /** Where it listens: the socket's path, or `host:port`. */
  readonly address: string
  /**
   * Stops gracefully: no new connection is accepted, requests in flight are answered, idle connections are closed, and after
   * `stopTimeout` all that is left is cut off. Calling it again gives the same promise.
   */
  readonly stop: () => Promise<void>
  /** Resolves when the server has stopped, for whatever reason. */
  readonly closed: Promise<void>
}

/**
 * Serves an Express app, or any request listener, over FastCGI. Resolves once it listens.
 *
 * @param app an Express app (4.18 or later, or 5), or any `(req, res)` listener; app and options may change places
 * @param options where to listen, how to stop, and all options of `createServer()`; see {@link ServeOptions}. Without `socket`,
 *   `port` and `fd` the process must have inherited a listening socket
 * @returns the server, its address, and how to stop it
 * @throws FastCgiError ERR_FCGI_OPTION for a wrong option, ERR_FCGI_SOCKET_* for a path where no socket can be,
 *   ERR_FCGI_NO_SOCKET and ERR_FCGI_INHERITED for inherited descriptors; EADDRINUSE where somebody listens already
 *
 * @example
 * ```ts
 * import { serve } from 'express-responder'
 *
 * const { address, closed } = await serve(app, { socket: '/run/app/app.sock', group: 'www-data' })
 * console.log(`listening on ${address}`)
 * await closed // on SIGTERM, once open requests are answered
 * ```
 */
export function serve(app?: RequestListener, options?: ServeOptions): Promise<Serving>
export function serve(options: ServeOptions, app?: RequestListener): Promise<Serving>
export async function serve(one?: RequestListener | ServeOptions, other?: RequestListener | ServeOptions): Promise<Serving> {
  const { app, options } = appAndOptions(one, other)
  if (app === undefined) throw missingApp()
  const configuration = resolveOptions(options)
  return operate(createServer(app, configuration.server), configuration)
}

/** Listens, and sees to signals and to the stop, for a server that does not listen yet. */
export async function operate<S extends DrainableServer>(
  server: S,
  { place, stopTimeout, signals }: Omit<ServeConfiguration, 'server'>,
): Promise<Serving<S>> {
  const stopGracefully = prepareStop(server)
  const listening = await listenAt(server, place)
  const closed = once(server, 'close').then(async () => {
    // The server may also have been closed by its owner.
    listening.unlist?.()
    await listening.retire?.()
    forgetSignals?.()
  })
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => stopped ??= stopGracefully(listening, { timeout: stopTimeout }).then(() => closed)
  const forgetSignals = signals ? stopOnSignal(stop) : undefined
  return { server, address: listening.address, stop, closed }
}
