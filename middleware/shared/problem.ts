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
  const { status, title = STATUS_CODES[status], ...rest } = problem
  const body = JSON.stringify({ title, status, ...rest })
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.statusCode = status
  response.setHeader('Content-Type', 'application/problem+json')
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  end(request.method === 'HEAD' ? undefined : body)
}

/**
 * Whole seconds for Retry-After (RFC 9110, section 10.2.3), spread up to twice `seconds`: with a fixed one all
 * clients come again together.
 */
export function retryAfter(seconds: number, random: () => number = Math.random): string {
  return String(Math.max(1, Math.ceil(seconds * (1 + random()))))
}
