/** The public face of express-responder, nothing else. */
export { FastCgiError } from './server/errors.js'
export { serve, type Serving } from './process/serve.js'
export type { ServeOptions } from './process/options.js'
