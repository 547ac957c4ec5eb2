/** Refuses a Node.js that is too old, before anything else of the server runs: the entry imports it first. */
import { checkNodeVersion } from '../shared/node-version.js'
import { FastCgiError } from './errors.js'

checkNodeVersion(process.versions.node, (message) => new FastCgiError('ERR_FCGI_UNSUPPORTED_NODE', message))
