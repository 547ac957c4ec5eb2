/** What an app can ask of a request, or do with a response, that came over FastCGI. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { encodeUtf8 } from '../fastcgi/params.js'
import { variableLines } from '../http/cgi-response.js'
import { FastCgiError } from '../errors.js'
import { RequestSocket } from './request-socket.js'

function socketOf(request: IncomingMessage): RequestSocket | undefined {
  const socket: unknown = request.socket
  return socket instanceof RequestSocket ? socket : undefined
}

/**
 * The raw FastCGI params of a request: REMOTE_USER, SSL_*, SCRIPT_FILENAME and all else the web server sent,
 * by their own names, frozen, without a prototype. Where a name came twice, the last value counts. Values are read as UTF-8,
 * in which web servers write what is theirs, such as REMOTE_USER; as latin1 where they are no UTF-8
 * (FastCGI specification, section 5.2).
 *
 * @param request a request of the app's
 * @returns undefined for a request that did not come over FastCGI
 *
 * @example
 * ```ts
 * import { params } from 'express-responder'
 *
 * app.get('/whoami', (req, res) => {
 *   res.send(params(req)?.['REMOTE_USER'] ?? 'nobody')
 * })
 * ```
 */
export function params(request: IncomingMessage): Readonly<Record<string, string>> | undefined {
  return socketOf(request)?.params.decoded
}

/**
 * The file that a Filter is to filter: FCGI_DATA, a stream beside the request's own body
 * (FastCGI specification, section 6.4). Its length in bytes and its age are the params FCGI_DATA_LENGTH and
 * FCGI_DATA_LAST_MOD.
 *
 * @param request a request of the app's
 * @returns undefined for a request of another role
 *
 * @example
 * ```ts
 * import { filterData } from 'express-responder'
 *
 * app.use((req, res) => {
 *   const file = filterData(req)
 *   if (file === undefined) res.status(500).send('not asked as a filter')
 *   else file.pipe(res)
 * })
 * ```
 */
export function filterData(request: IncomingMessage): Readable | undefined {
  return socketOf(request)?.filterData?.stream
}

/**
 * As an Authorizer, lets a request on: 200 without a body, and each variable as `Variable-NAME`
 * (FastCGI specification, section 6.3). Values are sent as UTF-8. Any other response refuses the request and goes to the client.
 *
 * @param response the response to the web server's question; it is ended
 * @param variables names and values that the web server hands on as environment variables
 * @throws FastCgiError ERR_FCGI_BAD_VARIABLE for a name or a value that no header can carry
 *
 * @example
 * ```ts
 * import { authorize, params } from 'express-responder'
 *
 * app.use((req, res) => {
 *   if (params(req)?.['REMOTE_USER'] === 'alice') authorize(res, { USER_GROUP: 'staff' })
 *   else res.status(403).send('not for you')
 * })
 * ```
 */
export function authorize(response: ServerResponse, variables: Readonly<Record<string, string>> = {}): void {
  const encoded = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, encodeUtf8(value)]))
  try {
    variableLines(encoded)
  } catch (cause) {
    throw new FastCgiError('ERR_FCGI_BAD_VARIABLE', `authorize(): ${String(cause)} cannot be sent`, { cause })
  }
  response.statusCode = 200
  for (const [name, value] of Object.entries(encoded)) response.setHeader(`Variable-${name}`, value)
  response.end()
}
