/** The public face of express-responder, nothing else. */
export { FastCgiError } from './server/errors.js'
