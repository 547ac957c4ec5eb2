/** The public face of express-responder, nothing else. */
export { FastCgiError } from './server/errors.js'
export { gateway } from './gateway/gateway.js'
export type { GatewayOptions, GatewayParams } from './gateway/options.js'
export type { GatewayTarget } from './gateway/target.js'
