/**
 * Answers of a middleware's own as `application/problem+json` (RFC 9457), on Express and on plain `node:http` alike.
 */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'

/** The members of RFC 9457, section 3.1, and extensions. What is undefined is left out. */
export interface Problem {
  status: number
  /** Default: the status' reason phrase. */
  title?: string
  detail?: string | undefined
  /** Default: `about:blank`, which is not written. */
  type?: string
  instance?: string | undefined
  [extension: string]: unknown
}

/** A problem whose text has been made: it can be sent many times. */
export interface PreparedProblem {
  readonly status: number
  readonly body: string
  /** Octets of the body. */
  readonly length: number
}

/** Makes the text of a problem. */
export function prepareProblem({ status, title = STATUS_CODES[status], ...rest }: Problem): PreparedProblem {
  const body = JSON.stringify({ title, status, ...rest })
  return { status, body, length: Buffer.byteLength(body) }
}

/**
 * Sends a problem as the whole response. Headers that are set stay; `headers` come over them.
 * The head must not have been sent. `end` writes the body and ends the response, in its own time.
 */
export function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  problem: Problem,
  headers: Readonly<Record<string, string>> = {},
  end: (body: string | undefined) => void = (body) => { response.end(body) },
): void {
  const prepared = prepareProblem(problem)
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  setHead(response, prepared)
  end(bodyFor(request, prepared))
}

/** Sends a problem that was prepared. Headers that are set stay. The head must not have been sent. */
export function sendPreparedProblem(request: IncomingMessage, response: ServerResponse, prepared: PreparedProblem): void {
  setHead(response, prepared)
  response.end(bodyFor(request, prepared))
}

function setHead(response: ServerResponse, { status, length }: PreparedProblem): void {
  response.statusCode = status
  response.setHeader('Content-Type', 'application/problem+json')
  response.setHeader('Content-Length', length)
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
}

function bodyFor({ method }: IncomingMessage, { body }: PreparedProblem): string | undefined {
  return method === 'HEAD' ? undefined : body
}

/**
 * Whole seconds for Retry-After (RFC 9110, section 10.2.3), spread up to twice `seconds`: with a fixed one all
 * clients come again together.
 */
export function retryAfter(seconds: number, random: () => number = Math.random): string {
  return String(Math.max(1, Math.ceil(seconds * (1 + random()))))
}
