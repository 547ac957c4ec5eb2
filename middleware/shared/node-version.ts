/** Refuses versions of Node.js that are too old. Every entry of the middleware imports this first. */
import { ExpressResponderError } from '../../shared/errors.js'
import { checkNodeVersion } from '../../shared/node-version.js'

checkNodeVersion(process.versions.node, (message) => new ExpressResponderError('ERR_MIDDLEWARE_UNSUPPORTED_NODE', message))
