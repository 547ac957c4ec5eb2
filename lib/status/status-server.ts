/** The status on a Unix socket of its own: HTTP, for its owner and group alone. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { FastCgiError } from '../errors.js'
import { listenOnSocketFile } from '../process/socket-file.js'
import { send } from '../workers/status-path.js'
import type { StatusReporter } from './status-reporter.js'

/** Where the socket stands, who may connect, and who knows the answers. */
export interface StatusServerOptions {
  /** An absolute path. */
  readonly socket: string
  /**
   * Permission bits.
   * @defaultValue `0o660`
   */
  readonly mode?: number | undefined
  readonly owner?: string | number | undefined
  readonly group?: string | number | undefined
  /**
   * Whether it takes the name of a live socket, as that of a primary process that is about to stop.
   * @defaultValue `false`
   */
  readonly replace?: boolean | undefined
  readonly reporter: StatusReporter
}

/** A status server that listens. */
export interface StatusServer {
  readonly address: string
  /** Closes it at once and takes the socket file away. The reporter is its owner's to close. */
  readonly close: () => Promise<void>
}

/** Few ask for the status, and none of them for long. */
const BACKLOG = 64
const REQUEST_TIMEOUT = 10_000

/**
 * Listens on the socket and answers with what the reporter knows.
 *
 * @throws AddressInUseError EADDRINUSE when another process listens at the path
 * @throws FastCgiError ERR_FCGI_SOCKET_PATH, _DIRECTORY, _FILE or _OWNER, each naming the remedy
 */
export async function startStatusServer({ socket, mode = 0o660, owner, group, replace = false, reporter }: StatusServerOptions): Promise<StatusServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT }, (request, response) => {
    void answerStatus(reporter, request, response)
  })
  const file = await listenOnSocketFile(server, { path: socket, mode, owner, group, backlog: BACKLOG, replace }).catch((error: unknown) => { throw renamed(error) })
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => closed ??= new Promise((resolve) => {
    file.remove()
    server.close(() => { resolve() })
    server.closeAllConnections()
  })
  return { address: file.path, close }
}

/** Answers one request with what the reporter knows. */
export async function answerStatus(reporter: StatusReporter, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '', query = ''] = (request.url ?? '/').split('?', 2)
  const { method = 'GET', headers: { accept = '' } } = request
  send(request, response, await reporter.answer({ method, path: path.replace(/^\/+/, ''), query, accept }))
}

/** Names the option that is the status socket's, not the app's. */
function renamed(error: unknown): unknown {
  if (!(error instanceof FastCgiError)) return error
  const message = error.message.replace(/^option (?:socket|owner|group)\b/, 'option statusSocket')
  return message === error.message ? error : new FastCgiError(error.code, message, { cause: error })
}
