/** The errors that `rateLimit()` gives to `next()`. */
import { retryAfter } from '../shared/problem.js'

/** Nobody can tell whose request it is: it is neither counted nor let pass. Express answers 500. */
export class RateLimitKeyError extends Error {
  readonly code = 'ERR_RATE_LIMIT_KEY'
  override readonly name = 'RateLimitKeyError'
}

/** The store does not count, and `onStoreFailure: 'refuse'` asks for a refusal. Express answers 503. */
export class RateLimitStoreError extends Error {
  readonly code = 'ERR_RATE_LIMIT_STORE'
  override readonly name = 'RateLimitStoreError'
  readonly status = 503
  readonly statusCode = 503
  /** Express's default error handler sends them. */
  readonly headers: Readonly<Record<string, string>> = { 'Retry-After': retryAfter(1) }
}
