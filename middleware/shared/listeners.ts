/** Calls what an app wants to be told by, so that its mistakes harm nothing else. */
import { inspect } from 'node:util'

/**
 * Calls it; what it throws becomes a process warning with the code.
 *
 * @param middleware whose listener it is, such as `concurrencyLimit`
 */
export function tell(middleware: string, code: string, call: () => void): void {
  try {
    call()
  } catch (error) {
    // As text: emitWarning() throws when given an error of another realm.
    process.emitWarning(`a listener of ${middleware}() has thrown: ${inspect(error)}`, { code })
  }
}
