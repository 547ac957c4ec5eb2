/** What the command's exit status means. docs/reference/command.md lists them. */

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
