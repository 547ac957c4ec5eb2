/** The public face of express-responder, nothing else. */
import './node-version.js'

export { createServer, FastCgiServer } from './server/server.js'
export type { Limits, ServerConfiguration, ServerOptions, Timeouts } from './server/options.js'
export { FastCgiError, type ErrorCode } from './errors.js'
export { ExpressResponderError } from '../shared/errors.js'
export { authorize, filterData, params } from './server/request-api.js'
export { prepared, type PreparedConstructors } from './http/prepared-classes.js'
export { gateway } from './gateway/gateway.js'
export type { GatewayOptions, GatewayParams } from './gateway/options.js'
export type { GatewayTarget } from './gateway/target.js'
export { serve, type Serving } from './process/serve.js'
export type { ServeOptions } from './process/options.js'
