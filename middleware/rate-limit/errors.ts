/** The errors that `rateLimit()` gives to `next()`. */
import { inspect } from 'node:util'
import type { Logger } from 'express-rate-limit'
import { codeOf, ExpressResponderError } from '../../shared/errors.js'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { retryAfter } from '../shared/problem.js'

/** Nobody can tell whose request it is: it is neither counted nor let pass. Express answers 500. */
export class RateLimitKeyError extends ExpressResponderError {
  declare readonly code: 'ERR_RATE_LIMIT_KEY'
  override readonly name = 'RateLimitKeyError'

  constructor(message: string, options?: ErrorOptions) {
    super('ERR_RATE_LIMIT_KEY', message, options)
  }
}

/** The store does not count, and `onStoreFailure: 'refuse'` asks for a refusal. Express answers 503. */
export class RateLimitStoreError extends ExpressResponderError {
  declare readonly code: 'ERR_RATE_LIMIT_STORE'
  override readonly name = 'RateLimitStoreError'
  readonly status = 503
  readonly statusCode = 503
  /** Express's default error handler sends them. */
  readonly headers: Readonly<Record<string, string>> = { 'Retry-After': retryAfter(1) }

  constructor(message: string, options?: ErrorOptions) {
    super('ERR_RATE_LIMIT_STORE', message, options)
  }
}

/** The code of what is told of a store, and of what express-rate-limit gives no code of its own. */
const OTHERS = 'ERR_RATE_LIMIT'

/** Why the store does not count. The cause of a RateLimitStoreError. */
export function storeFailure(reason: string): ExpressResponderError {
  return new ExpressResponderError(OTHERS, `rateLimit: the store ${reason}`)
}

/* Where what the operator must know is told, where no `logger` is given: as warnings of the process. */

/** Where no logger is given: process warnings. */
export const processWarnings: Logger = { error: warn, warn }

function warn(error: unknown, message?: string): void {
  const reason = error instanceof Error ? error.message : typeof error === 'string' ? error : inspect(error)
  const text = message === undefined ? reason : `${message}: ${reason}`
  const code = codeOf(error) ?? OTHERS
  // Codes of express-rate-limit's, and of the store's client, are explained elsewhere.
  emitProcessWarning(code, text, 'RateLimitWarning', code.startsWith(OTHERS) ? code : OTHERS)
}
