/** The errors that `rateLimit()` gives to `next()`. */
import { inspect } from 'node:util'
import type { Logger } from 'express-rate-limit'
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

/* Where what the operator must know is told, where no `logger` is given: as warnings of the process. */

export const processWarnings: Logger = { error: warn, warn }

function warn(error: unknown, message?: string): void {
  const reason = error instanceof Error ? error.message : typeof error === 'string' ? error : inspect(error)
  process.emitWarning(message === undefined ? reason : `${message}: ${reason}`, { type: 'RateLimitWarning', code: codeOf(error) ?? 'ERR_RATE_LIMIT' })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
