/** Refuses a Node.js that is too old, before anything else of the middleware runs: every entry imports it first. */
import { ExpressResponderError } from '../../shared/errors.js'
import { checkNodeVersion } from '../../shared/node-version.js'

checkNodeVersion(process.versions.node, (message) => new ExpressResponderError('ERR_MIDDLEWARE_UNSUPPORTED_NODE', message))
