/** Warnings of the process: what whoever operates it must know, and nobody can be thrown at. */
import { withAddress } from './errors.js'

/**
 * Emits 'warning' on `process`, which Node prints to stderr.
 *
 * @param type the warning's name; Node's default is 'Warning'
 * @param heading the code where the text is explained, if the warning has a code of somebody else's
 */
export function emitProcessWarning(code: string, text: string, type?: string, heading = code): void {
  // As text: emitWarning() throws when given an error of another realm.
  process.emitWarning(withAddress(heading, text), type === undefined ? { code } : { type, code })
}
