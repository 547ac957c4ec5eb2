/** The public face of express-responder, nothing else. */
export { createServer, FastCgiServer } from './server/server.js'
export type { Limits, ServerConfiguration, ServerOptions, Timeouts } from './server/options.js'
export { FastCgiError, type ErrorCode } from './server/errors.js'
export { authorize, filterData, params } from './server/request-face.js'
export { prepared, type PreparedConstructors } from './http/prototypes.js'
