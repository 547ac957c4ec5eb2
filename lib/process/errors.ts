/** Errors of listening and stopping that carry a system code, and how to read a code off anything thrown. */
import { constants } from 'node:os'

/** The code of a thrown value, such as 'ENOENT'; undefined if it has none. */
export function codeOf(error: unknown): string | undefined {
  // Not by instanceof: an error of another realm (node:vm) is no instance of this one's Error.
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Somebody answers at `path`. Shaped like the error that Node.js gives for a TCP port in use. */
export class AddressInUseError extends Error {
  readonly code = 'EADDRINUSE'
  readonly errno = -constants.errno.EADDRINUSE
  readonly syscall = 'listen'
  readonly address: string

  constructor(path: string, reason: string) {
    super(`listen EADDRINUSE: ${reason} ${path}. Stop the process that serves it, or choose another path.`)
    this.name = 'AddressInUseError'
    this.address = path
  }
}
