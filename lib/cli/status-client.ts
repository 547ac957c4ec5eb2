/** Asks the status socket of a program that runs, and says in words what stands in the way. */
import { statSync } from 'node:fs'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'
import { NoAnswerError, askOverSocket } from './socket-client.js'

const TIMEOUT = 5000

/**
 * @param socket the path of the status socket
 * @param path what is asked for, such as `/status.json`
 * @returns the body of the answer
 * @throws FastCgiError ERR_FCGI_STATUS_SOCKET where nobody answers, or something else than the status, with the remedy
 */
export async function askStatus(socket: string, path: string): Promise<string> {
  const { status, headers, body } = await askOverSocket(socket, { method: 'GET', path, timeout: TIMEOUT }).catch((error: unknown) => { throw unreachable(socket, error) })
  // The mark that all answers of the status have.
  const isOurs = headers['cross-origin-resource-policy'] === 'same-origin' && headers['cache-control'] === 'no-store'
  if (status === 200 && isOurs) return body
  throw new FastCgiError('ERR_FCGI_STATUS_SOCKET', `something else than the status answers at ${socket} (HTTP status ${String(status)}). ` +
    'Give the path of --status-socket, not that of the socket that the web server connects to')
}

function unreachable(socket: string, error: unknown): FastCgiError {
  const code = codeOf(error) ?? String(error)
  return new FastCgiError('ERR_FCGI_STATUS_SOCKET', `${reasonOf(socket, code, error)} (${socket}${code.startsWith('ERR_FCGI') ? '' : `, ${code}`})`, { cause: error })
}

function reasonOf(socket: string, code: string, error: unknown): string {
  if (error instanceof NoAnswerError) return `The program has not answered within ${String(TIMEOUT / 1000)} s: its primary process is stopped or very busy. Look at it with ps`
  switch (code) {
    case 'ENOENT':
      return 'There is no such socket: the program does not run, or was started without --status-socket. Start it with --status-socket, or give the path that it has'
    case 'ECONNREFUSED':
      return isSocket(socket) ? 'Nobody listens on the socket: the program has ended without taking it away. Start it again' : 'This is a file and no socket. Give the path of --status-socket'
    case 'EACCES': case 'EPERM':
      return `Permission denied: the socket is for its owner and its group alone${ownersOf(socket)}. Ask as one of them, such as with sudo`
    default:
      return code.startsWith('HPE_') || code === 'ECONNRESET'
        ? 'What answers there does not speak HTTP. Give the path of --status-socket, not that of the socket that the web server connects to'
        : `The status socket cannot be asked: ${error instanceof Error ? error.message : String(error)}. Give the path of --status-socket`
  }
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket()
  } catch {
    return true
  }
}

function ownersOf(path: string): string {
  try {
    const { uid, gid, mode } = statSync(path)
    return ` (uid ${String(uid)}, gid ${String(gid)}, mode ${(mode & 0o777).toString(8).padStart(4, '0')})`
  } catch {
    // The directory lets nobody look, either.
    return ''
  }
}
