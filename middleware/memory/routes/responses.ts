/** How the endpoint answers: whole answers, and problems as `go tool pprof` shows them; whether a server is stopping. */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { Server } from 'node:net'
import accepts from 'accepts'
import { type Problem, sendProblem } from '../../shared/problem.js'

/** What an answer holds: the headers that say so. */
export interface ContentDescription {
  type: string
  /** Where the client should store it, the name of the file. */
  file?: string
}

/** Of answers in JSON. */
export const JSON_TYPE: ContentDescription = { type: 'application/json' }

/** To a client that has left, nothing. */
export function send(response: ServerResponse, answer: ContentDescription, body: string | Buffer): void {
  if (response.destroyed) return
  setHeaders(response, answer)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.end(body)
}

/** For a HEAD, where nobody knows how long the body would be. */
export function sendHead(response: ServerResponse, answer: ContentDescription): void {
  setHeaders(response, answer)
  response.end()
}

function setHeaders(response: ServerResponse, { type, file }: ContentDescription): void {
  response.statusCode = 200
  response.setHeader('Content-Type', type)
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (file !== undefined) response.setHeader('Content-Disposition', `attachment; filename="${file}"`)
}

/** Sends a value as JSON, with status 200. */
export function sendJson(response: ServerResponse, value: object): void {
  send(response, JSON_TYPE, JSON.stringify(value))
}

/* Problems as `go tool pprof` shows them: of any other answer that is no profile it prints the status alone. */

/** Answers with a problem (RFC 9457). */
export type SendProblem = (request: IncomingMessage, response: ServerResponse, problem: Problem, headers?: Readonly<Record<string, string>>) => void

/** As `sendProblem`, as text like that of Go's net/http/pprof, unless the client would rather have JSON. */
export function sendPprofProblem(request: IncomingMessage, response: ServerResponse, problem: Problem, headers: Readonly<Record<string, string>> = {}): void {
  if (wantsJson(request)) {
    sendProblem(request, response, problem, headers)
    return
  }
  const { status, title = STATUS_CODES[status], detail = title } = problem
  // pprof prints no header.
  const seconds = headers['Retry-After']
  const text = `${String(detail)}${seconds === undefined ? '' : ` Try again in ${seconds} second${seconds === '1' ? '' : 's'}.`}\n`
  sendProblem(request, response, problem, headers, (json) => {
    response.setHeader('Content-Type', 'text/plain; charset=utf-8')
    response.setHeader('Content-Length', Buffer.byteLength(text))
    response.setHeader('X-Go-Pprof', '1')
    response.end(json === undefined ? undefined : text)
  })
}

/** Go's client says nothing of what it accepts. */
function wantsJson(request: IncomingMessage): boolean {
  const best = accepts(request).type(['text/plain', 'application/problem+json', 'application/json'])
  return best !== false && best !== 'text/plain'
}

/* Whether the server that carries a request is stopping: nothing that takes long may hold it up. */

/**
 * The function says whether the request's server listens no more; where it had stopped listening before the request came,
 * from the next tick on. Node tells of a stop only once it is complete.
 */
export function stopCheckOf({ socket }: IncomingMessage): () => boolean {
  const { server } = socket as { server?: unknown }
  if (!(server instanceof Server)) return () => false
  let listened = server.listening
  // One that is given its connections never listens, and does not stop for that; but then it has accepted none itself.
  if (!listened) server.getConnections((_error, accepted) => { listened = accepted > 0 })
  return () => listened && !server.listening
}
