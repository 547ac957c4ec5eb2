/** Problems as `go tool pprof` shows them: of any other answer that is no profile it prints the status alone. */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import accepts from 'accepts'
import { sendProblem, type Problem } from '../shared/problem.js'

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
