/** Responses that the server itself sends, each with its error: the app does not get these requests, or fails to answer. */
import type { HeadProblem, RequestHeadReader } from '../http/cgi-request.js'
import { FastCgiError } from '../errors.js'

/** A response that the server itself sends. */
export interface ErrorResponse {
  readonly status: number
  readonly reason: string
  readonly text: string
  /** More header lines, each ending with CRLF. */
  readonly headers: string
  readonly error: FastCgiError
}

/** 500: the app has destroyed the response before its head was sent. */
export const INTERNAL_ERROR: ErrorResponse = {
  status: 500,
  reason: 'Internal Server Error',
  text: 'The application gave up this request.',
  headers: '',
  error: new FastCgiError('ERR_FCGI_ABORTED'),
}

/** 503: a web server has opened more requests on one connection than `limits.requestsPerConnection` allows. */
export function tooManyRequests(limit: number): ErrorResponse {
  const text = `More than ${String(limit)} requests are open on one connection.`
  const error = new FastCgiError('ERR_FCGI_REQUESTS_LIMIT', text)
  return { status: 503, reason: 'Service Unavailable', text, headers: 'Retry-After: 1\r\n', error }
}

/** 431 (RFC 6585, section 5): the params exceed a limit, which `detail` names. */
export function headerFieldsTooLarge(detail: string): ErrorResponse {
  const error = new FastCgiError('ERR_FCGI_PARAMS_LIMIT', detail)
  return { status: 431, reason: 'Request Header Fields Too Large', text: 'The request has too many headers.', headers: '', error }
}

/** 413: the body has more bytes than `limits.bodyBytes` allows. */
export function contentTooLarge(limit: number): ErrorResponse {
  const text = `The request body is larger than ${String(limit)} bytes.`
  return { status: 413, reason: 'Payload Too Large', text, headers: '', error: new FastCgiError('ERR_FCGI_BODY_LIMIT', text) }
}

/** 400: the body has not the number of bytes that was announced. */
export function wrongBodyLength(received: number, announced: number): ErrorResponse {
  const text = `The request has ${String(received)} bytes of content, not the ${String(announced)} that were announced.`
  return { status: 400, reason: 'Bad Request', text, headers: '', error: new FastCgiError('ERR_FCGI_BODY_LENGTH', text) }
}

/** 408: nothing of the body has come for so many ms, `timeouts.body`. */
export function bodyTimeout(limit: number): ErrorResponse {
  const text = `Nothing of the request body has come for ${String(limit)} ms.`
  return { status: 408, reason: 'Request Timeout', text, headers: '', error: new FastCgiError('ERR_FCGI_BODY_TIMEOUT', text) }
}

/** 503: the app has not begun to answer within so many ms, `timeouts.request`. `what`: method and url. */
export function requestTimeout(limit: number, what: string): ErrorResponse {
  const error = new FastCgiError('ERR_FCGI_REQUEST_TIMEOUT', `${what} was not answered within ${String(limit)} ms`)
  return { status: 503, reason: 'Service Unavailable', text: 'The application takes too long to answer.', headers: '', error }
}

/** 501: CONNECT or an upgrade, which need a connection to the client. FastCGI has none. */
export function upgradeRefused(what: string): ErrorResponse {
  const text = `This server is reached over FastCGI, which cannot carry ${what}.`
  return { status: 501, reason: 'Not Implemented', text, headers: '', error: new FastCgiError('ERR_FCGI_UPGRADE', text) }
}

/** 400 or 431: params from which no request can be made. */
export function errorResponseFor(problem: HeadProblem, { culprit }: RequestHeadReader, paramsCount: number): ErrorResponse {
  if (problem === 'too-many') return headerFieldsTooLarge(`more than ${String(paramsCount)} params`)
  const text = {
    method: 'The request has no valid method.',
    url: 'The request has no valid url.',
    'header-value': `The value of the header ${culprit} has a control character.`,
    'ambiguous-header': `The header ${culprit} came twice, by the client or by the web server's configuration.`,
  }[problem]
  return { status: 400, reason: 'Bad Request', text, headers: '', error: new FastCgiError('ERR_FCGI_BAD_REQUEST', text) }
}
