/** Calls functions and reads values of the app where an exception of theirs would do harm. */
import { inspect } from 'node:util'
import { emitProcessWarning } from '../../shared/process-warning.js'

/** What a function returns, or `otherwise` where it throws. */
export function attempt<Value, Otherwise>(call: () => Value, otherwise: Otherwise): Value | Otherwise {
  try {
    return call()
  } catch {
    return otherwise
  }
}

/** A property of something thrown; undefined where its getter throws, or where it is a proxy that has been revoked. */
export function propertyOf(value: object, name: string): unknown {
  return attempt(() => Reflect.get(value, name) as unknown, undefined)
}

/** What has been thrown, as text for a log: whatever it is. */
export function textOf(value: unknown): string {
  const shown = attempt(() => inspect(value), undefined)
  if (shown !== undefined) return shown
  const message = typeof value === 'object' && value !== null ? propertyOf(value, 'message') : undefined
  return typeof message === 'string' ? `Error: ${message}` : 'an error that cannot be shown'
}

/** Calls `failed` when what a function has returned is a promise, or looks like one, and is rejected. */
export function onRejection(result: unknown, failed: (error: unknown) => void): void {
  if ((typeof result !== 'object' && typeof result !== 'function') || result === null) return
  if (typeof propertyOf(result, 'then') === 'function') Promise.resolve(result).then(undefined, failed)
}

/**
 * Calls listeners of the app. What they throw, or reject a returned promise with, becomes a process warning.
 *
 * @param middleware the middleware that has the listeners, such as `concurrencyLimit`
 * @param code the code of the warning
 */
export function notifyListeners(middleware: string, code: string, call: () => unknown): void {
  const warn = (error: unknown): void => {
    emitProcessWarning(code, `a listener of ${middleware}() has thrown: ${textOf(error)}`)
  }
  try {
    onRejection(call(), warn)
  } catch (error) {
    warn(error)
  }
}
