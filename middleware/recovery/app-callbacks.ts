/**
 * Calls the functions that an app has given to recovery(): options, listeners, a logger. They run as a part of no
 * request, and whatever they do, at once or later, becomes a process warning: a failure of theirs must not end the
 * process.
 */
import { EventEmitter } from 'node:events'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { attempt, onRejection, textOf } from '../shared/safe-call.js'
import { contexts, type FailureContext } from './context.js'

const CODE = 'ERR_RECOVERY_LISTENER'

/** A listener of process warnings may fail, too. That is ignored: a warning would call it again. */
const warningContext: FailureContext = { request: undefined, response: undefined, fail: () => true }

/** Says that a function of the app's has failed; `what` names it, such as 'the option onRecover'. */
export function warnOfAppCallback(what: string, error: unknown): void {
  const text = `recovery(): ${what} has failed: ${textOf(error)}`
  attempt(() => { contexts.run(warningContext, () => { emitProcessWarning(CODE, text) }) }, undefined)
}

/** The context of a function of the app's, also in its timers and on its sockets: its failures belong to no request. */
class AppCallbackContext implements FailureContext {
  readonly request = undefined
  readonly response = undefined
  readonly #what: string

  constructor(what: string) {
    this.#what = what
  }

  fail(error: unknown): boolean {
    warnOfAppCallback(this.#what, error)
    return true
  }
}

/** What a function of the app's returns; undefined where it throws. */
export function callAppCallback<Value>(what: string, call: () => Value): Value | undefined {
  try {
    const result = contexts.run(new AppCallbackContext(what), call)
    onRejection(result, (error) => { warnOfAppCallback(what, error) })
    return result
  } catch (error) {
    warnOfAppCallback(what, error)
    return undefined
  }
}

/** An emitter whose listeners may be async functions, and may be rejected. */
export function isolatedEmitter<Events extends Record<keyof Events, unknown[]>>(): EventEmitter<Events> {
  const emitter = new EventEmitter<Events>({ captureRejections: true })
  // Node calls it instead of emitting 'error', which ends a process that has no listener of it.
  const value = (error: unknown, event: string | symbol): void => { warnOfAppCallback(`a listener of '${String(event)}'`, error) }
  return Object.defineProperty(emitter, EventEmitter.captureRejectionSymbol, { value })
}
