/** Process warnings: what operators must know of, where there is no caller who could catch an error. */
import { withAddress } from './errors.js'

/**
 * Emits 'warning' on `process`, which Node prints to stderr.
 *
 * @param type the warning's name; Node's default is 'Warning'
 * @param heading the code under which the documentation explains the warning, if that is not `code`
 */
export function emitProcessWarning(code: string, text: string, type?: string, heading = code): void {
  // As text: emitWarning() throws when given an error of another realm.
  process.emitWarning(withAddress(heading, text), type === undefined ? { code } : { type, code })
}
