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
 * in which web servers write what is theirs, such as REMOTE_USER; as latin1 where they are no UTF-8.
 *
 * @returns undefined for a request that did not come over FastCGI.
 */
export function params(request: IncomingMessage): Readonly<Record<string, string>> | undefined {
  return socketOf(request)?.params.decoded
}

/**
 * The file that a Filter is to filter: FCGI_DATA, a stream beside the request's own body
 * (FastCGI specification, section 6.4). Its length and age are the params FCGI_DATA_LENGTH and
 * FCGI_DATA_LAST_MOD.
 *
 * @returns undefined for a request of another role.
 */
export function filterData(request: IncomingMessage): Readable | undefined {
  return socketOf(request)?.filterData?.stream
}

/**
 * As an Authorizer, lets a request on: 200 without a body, and each variable as `Variable-NAME`
 * (FastCGI specification, section 6.3). Values are sent as UTF-8. Any other response refuses the request and goes to the client.
 *
 * @throws FastCgiError ERR_FCGI_BAD_VARIABLE for a name or a value that no header can carry.
 */
export function authorize(response: ServerResponse, variables: Readonly<Record<string, string>> = {}): void {
  const octets = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, encodeUtf8(value)]))
  try {
    variableLines(octets)
  } catch (cause) {
    throw new FastCgiError('ERR_FCGI_BAD_VARIABLE', `authorize(): ${String(cause)} cannot be sent`, { cause })
  }
  response.statusCode = 200
  for (const [name, value] of Object.entries(octets)) response.setHeader(`Variable-${name}`, value)
  response.end()
}
