/** What the command's exit status means, and what it says where it has failed. docs/reference/command.md lists them. */
import { codeOf } from '../../shared/errors.js'

/** The exit statuses by their names. */
export const ExitCode = {
  /** Done: stopped as asked, reloaded, checked. */
  DONE: 0,
  /** The app cannot be loaded or does not answer; a reload or a check has failed. */
  FAILED: 1,
  /** A wrong option, variable or configuration file. */
  USAGE: 2,
  /** Nobody can listen there: the address is in use, or the directory is not writable. */
  LISTEN: 3,
  /** Workers died faster than emergency-restart allows. */
  GAVE_UP: 4,
} as const

/** Says in one line on stderr what has gone wrong. @returns the exit status: 2 where the command was used in a wrong way */
export function failed(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`express-responder: ${message.replace(/\s*\n\s*/g, ' ')}\n`)
  return codeOf(error) === 'ERR_FCGI_OPTION' ? ExitCode.USAGE : ExitCode.FAILED
}
