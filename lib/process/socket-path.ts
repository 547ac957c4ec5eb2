/** Whether a socket can stand at a path. */
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'
import { unusableDirectory } from './errors.js'

/** The longest path a Unix socket can have, in bytes: sun_path less its final NUL (unix(7)). */
export const MAX_PATH_BYTES = 107

/**
 * Checks that a socket can stand at the path.
 *
 * @throws FastCgiError ERR_FCGI_SOCKET_PATH where it is too long, ERR_FCGI_SOCKET_DIRECTORY where its directory is missing
 */
export function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_PATH_BYTES) {
    throw new FastCgiError('ERR_FCGI_SOCKET_PATH',
      `option socket: '${path}' is ${String(bytes)} bytes long, and a Unix socket's path has at most ` +
      `${String(MAX_PATH_BYTES)}. Choose a shorter one, for example /run/app/app.sock.`)
  }
  const directory = dirname(path)
  const stats = statDirectory(directory)
  if (stats === undefined) {
    throw new FastCgiError('ERR_FCGI_SOCKET_DIRECTORY',
      `option socket: the directory ${directory} does not exist. Create it, owned by the user that this process runs ` +
      `as (install -d -o USER ${directory}; with systemd: RuntimeDirectory=).`)
  }
  if (!stats.isDirectory()) {
    throw new FastCgiError('ERR_FCGI_SOCKET_DIRECTORY',
      `option socket: ${directory} is no directory. Choose a path whose parent is one.`)
  }
}

function statDirectory(directory: string): ReturnType<typeof statSync> {
  try {
    return statSync(directory, { throwIfNoEntry: false })
  } catch (error) {
    // A file where the path wants a directory. statSync reports that in spite of throwIfNoEntry.
    if (codeOf(error) === 'ENOTDIR') return undefined
    throw unusableDirectory(directory, error)
  }
}
