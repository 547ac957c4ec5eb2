/** Calls what an app wants to be told by, so that its mistakes harm nothing else. */
import { onRejection, textOf } from './safe-call.js'

/**
 * Calls it; what it throws, and what the promise that it returns is rejected with, becomes a process warning with the code.
 *
 * @param middleware whose listener it is, such as `concurrencyLimit`
 */
export function tell(middleware: string, code: string, call: () => unknown): void {
  const warn = (error: unknown): void => {
    // As text: emitWarning() throws when given an error of another realm.
    process.emitWarning(`a listener of ${middleware}() has thrown: ${textOf(error)}`, { code })
  }
  try {
    onRejection(call(), warn)
  } catch (error) {
    warn(error)
  }
}
