/**
 * The status under a path of the app's own server: a worker passes the question on to the primary process, which knows all
 * workers, and sends what comes back. And the types of such a question and its answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { optionChecks } from '../errors.js'

/** What is asked of the status, such as by IPC. */
export interface StatusRequest {
  readonly method: string
  /** Below the status' own path, without a slash in front: '' is the page, 'status.json' the figures. */
  readonly path: string
  /** Without the question mark. */
  readonly query: string
  /** The header Accept. */
  readonly accept: string
}

/** The whole answer. */
export interface StatusAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Answers a request that is for the status. False where it is not: then the request is the app's. */
export type StatusPathHandler = (request: IncomingMessage, response: ServerResponse) => boolean

const MOST_LENGTH = 1000

/**
 * @param path where the status stands, such as '/status'; everybody who reaches the app at it sees the status, unless the web
 *   server keeps them off
 * @param ask the primary process; a rejection is answered with 503
 * @throws FastCgiError ERR_FCGI_OPTION where the path is none
 */
export function createStatusPath(path: string, ask: (request: StatusRequest) => Promise<StatusAnswer>): StatusPathHandler {
  if (!/^\/[\w.~/-]*[\w.~-]$/.test(path)) {
    throw optionChecks('express-responder').wrong('statusPath', path, 'give a path that begins with a slash and does not end with one, such as /status')
  }
  const below = `${path}/`
  return function statusPath(request, response) {
    const url = request.url ?? ''
    // Cheap for all that is not for it.
    if (!url.startsWith(path) || url.length > MOST_LENGTH) return false
    const mark = url.indexOf('?')
    const [pathname, query] = mark === -1 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)]
    if (pathname === path) {
      // The page's addresses are relative: they need the slash.
      send(request, response, { status: 307, headers: { Location: `./${path.slice(path.lastIndexOf('/') + 1)}/`, 'Cache-Control': 'no-store' }, body: '' })
      return true
    }
    if (!pathname.startsWith(below)) return false
    ask({ method: request.method ?? 'GET', path: pathname.slice(below.length), query, accept: request.headers.accept ?? '' })
      .catch((error: unknown): StatusAnswer => ({ status: 503, headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }, body: `The primary process did not answer: ${String(error)}\n` }))
      .then((answer) => { send(request, response, answer) }, () => undefined)
    return true
  }
}

/** Sends an answer whole. To a client that has left, nothing. */
export function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: StatusAnswer): void {
  if (response.destroyed || response.headersSent) return
  const content = Buffer.from(body)
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.setHeader('Content-Length', content.length)
  response.end(request.method === 'HEAD' ? undefined : content)
}
