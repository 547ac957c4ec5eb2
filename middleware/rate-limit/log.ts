/** Where what the operator must know is told, where no `logger` is given: as warnings of the process. */
import { inspect } from 'node:util'
import type { Logger } from 'express-rate-limit'

export const processWarnings: Logger = { error: warn, warn }

function warn(error: unknown, message?: string): void {
  const reason = error instanceof Error ? error.message : typeof error === 'string' ? error : inspect(error)
  process.emitWarning(message === undefined ? reason : `${message}: ${reason}`, { type: 'RateLimitWarning', code: codeOf(error) ?? 'ERR_RATE_LIMIT' })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
