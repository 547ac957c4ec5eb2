/** The middleware for any Express app, over FastCGI or plain HTTP. Knows no FastCGI. */
import './shared/node-version.js'
export * from './concurrency.js'
export * from './rate-limit.js'
export * from './recovery.js'
export * from './memory.js'
export * from './suite.js'
