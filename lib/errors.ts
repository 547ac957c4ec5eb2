/** The errors of the server, of `serve()` and of the gateway, each with a stable code; and the checks of their options. */
import { ExpressResponderError } from '../shared/errors.js'
import { OptionChecks } from '../shared/option-checks.js'

/** What each code means; the codes are part of the public interface. */
export const ERROR_CODES = {
  ERR_FCGI_BAD_VERSION: 'a record of another protocol version than 1',
  ERR_FCGI_HTTP_PORT: 'FastCGI that came to an HTTP port',
  ERR_FCGI_BAD_RECORD: 'a record that breaks the protocol',
  ERR_FCGI_BAD_PARAMS: 'name-value pairs that cannot be read',
  ERR_FCGI_BAD_REQUEST: 'params that make no request',
  ERR_FCGI_PARAMS_LIMIT: 'more params, or larger ones, than allowed',
  ERR_FCGI_PARAMS_TIMEOUT: 'params that were not complete in time',
  ERR_FCGI_IDLE_TIMEOUT: 'a connection without a request for longer than allowed',
  ERR_FCGI_BODY_LIMIT: 'a larger request body than allowed',
  ERR_FCGI_BODY_LENGTH: 'a request body of another length than was announced',
  ERR_FCGI_BODY_TIMEOUT: 'a request body of which nothing has come for longer than allowed',
  ERR_FCGI_REQUEST_TIMEOUT: 'a request that the app has not begun to answer for longer than allowed',
  ERR_FCGI_REQUESTS_LIMIT: 'more requests open on one connection than allowed',
  ERR_FCGI_CONNECTIONS_LIMIT: 'more connections than allowed',
  ERR_FCGI_PEER_REFUSED: 'a peer that FCGI_WEB_SERVER_ADDRS does not list',
  ERR_FCGI_ABORTED: 'a request that the web server gave up',
  ERR_FCGI_UPGRADE: 'an upgrade, which FastCGI cannot carry',
  ERR_FCGI_CONTENT_LENGTH: 'a response body of another length than its Content-Length',
  ERR_FCGI_HEADER_SIZE: 'a response head larger than web servers accept by default',
  ERR_FCGI_HEADER_COUNT: 'a response with more headers than web servers accept',
  ERR_FCGI_LOCATION: 'a Location in a 200, which the web server would take for a redirect',
  ERR_FCGI_STATUS: 'a response that ends with an informational status',
  ERR_FCGI_TRUST_PROXY: 'headers of the client that Express\'s trust proxy would have believed',
  ERR_FCGI_BAD_VARIABLE: 'an authorizer variable that cannot be sent',
  ERR_FCGI_UPSTREAM_CONNECT: 'an application that cannot be reached',
  ERR_FCGI_UPSTREAM_TIMEOUT: 'an application that does not answer in time',
  ERR_FCGI_UPSTREAM_CLOSED: 'a connection that the application closed before its response was complete',
  ERR_FCGI_UPSTREAM_RECORD: 'a record that an application must not send',
  ERR_FCGI_UPSTREAM_HEAD: 'a response without a proper header block',
  ERR_FCGI_UPSTREAM_STATUS: 'a request that the application refused or ended with an error',
  ERR_FCGI_OPTION: 'a wrong option',
  ERR_FCGI_NO_SOCKET: 'nothing to listen on',
  ERR_FCGI_INHERITED: 'an inherited descriptor on which no server can listen',
  ERR_FCGI_LISTEN: 'an address on which this process cannot listen',
  ERR_FCGI_APP: 'a module that exports no app',
  ERR_FCGI_BOOT: 'a worker that does not answer',
  ERR_FCGI_RELOAD: 'a reload that was given up',
  ERR_FCGI_CONTROL: 'a running process that cannot be asked',
  ERR_FCGI_SOCKET_PATH: 'a path that a Unix socket cannot have',
  ERR_FCGI_SOCKET_DIRECTORY: 'a directory in which no socket file can be made',
  ERR_FCGI_SOCKET_FILE: 'a file that is no socket where the socket is to be',
  ERR_FCGI_SOCKET_OWNER: 'an owner or group that the socket file cannot have',
  ERR_FCGI_SOCKET_REMOVE: 'a socket file that cannot be removed',
  ERR_FCGI_LOG_FILE: 'a log that cannot be written',
  ERR_FCGI_STATUS_SOCKET: 'a status socket that does not answer',
  ERR_FCGI_PERMISSION: 'what the permission model of Node.js does not allow',
  ERR_FCGI_LOOP_WATCH: 'a watch over the event loop that cannot run',
  ERR_FCGI_NOTIFY: 'systemd that cannot be told how the service is',
  ERR_FCGI_UNSUPPORTED_NODE: 'a Node.js whose internals are not as this package needs them',
} as const

/** The codes of this package's errors: their names never change. */
export type ErrorCode = keyof typeof ERROR_CODES

/** An error of the server, of `serve()` or of the gateway. `code` is stable, `message` is for people. */
export class FastCgiError extends ExpressResponderError {
  declare readonly code: ErrorCode

  constructor(code: ErrorCode, message: string = ERROR_CODES[code], options?: ErrorOptions) {
    super(code, message, options)
    this.name = 'FastCgiError'
  }
}

/** The checks of the options of `createServer()`, `serve()` or `gateway()`. */
export function optionChecks(owner: string): OptionChecks {
  return new OptionChecks(owner, (message) => new FastCgiError('ERR_FCGI_OPTION', message))
}
