/** Errors that several files of this room throw. */
import { constants } from 'node:os'
import { codeOf, ExpressResponderError } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'

/** Somebody answers at `path`, or another address. Shaped like the error that Node.js gives for a TCP port in use. */
export class AddressInUseError extends ExpressResponderError {
  readonly errno = -constants.errno.EADDRINUSE
  readonly syscall = 'listen'
  readonly address: string

  constructor(path: string, reason: string, kind: 'path' | 'port' = 'path') {
    super('EADDRINUSE', `listen EADDRINUSE: ${reason} ${path}. Stop the process that serves it, or choose another ${kind}.`)
    this.name = 'AddressInUseError'
    this.address = path
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'Free some space, or inodes, or choose another directory.',
  EDQUOT: 'Free some of the quota, or choose another directory.',
  EROFS: 'It is read-only: choose another directory.',
}

/**
 * What lifts a refusal by Node's permission model (`node --permission`), such as `start node with --allow-net`;
 * undefined where the error is none.
 */
function permissionRemedy(error: unknown, directory: string): string | undefined {
  if (codeOf(error) !== 'ERR_ACCESS_DENIED' || typeof error !== 'object' || error === null) return undefined
  const permission = 'permission' in error ? String(error.permission) : ''
  if (permission === 'FileSystemRead') return `start node with --allow-fs-read=${directory}`
  if (permission === 'FileSystemWrite') return `start node with --allow-fs-write=${directory}/*`
  if (permission === 'ChildProcess') return 'start node with --allow-child-process'
  return 'start node with --allow-net'
}

/** The permission model's refusals as this package's; other errors as they are. */
export function explained(error: unknown, what: string, directory = ''): unknown {
  const remedy = permissionRemedy(error, directory)
  if (remedy === undefined) return error
  return new FastCgiError('ERR_FCGI_PERMISSION', `${what}: Node's permission model forbids it; ${remedy}.`, { cause: error })
}

/**
 * Checks whether Node's permission model lets this process use the network. Node 26.10 throws where nobody can catch it when a server
 * listens on a TCP port without that permission; up to Node 24 there is no such permission.
 *
 * @throws FastCgiError ERR_FCGI_PERMISSION
 */
export function requireNetwork(what: string): void {
  if (!process.allowedNodeEnvironmentFlags.has('--allow-net')) return
  const permission: unknown = Reflect.get(process, 'permission')
  if (typeof permission !== 'object' || permission === null || process.permission.has('net')) return
  throw new FastCgiError('ERR_FCGI_PERMISSION', `${what}: Node's permission model forbids it; start node with --allow-net.`)
}

/** The file system refuses to put a socket into the directory. */
export function unusableDirectory(directory: string, cause: unknown): FastCgiError {
  const code = codeOf(cause) ?? String(cause)
  const flag = permissionRemedy(cause, directory)
  const remedy = flag !== undefined
    ? `Node's permission model forbids it: ${flag}.`
    : REMEDIES[code] ?? 'Let the user that this process runs as own the directory, or choose another one.'
  return new FastCgiError('ERR_FCGI_SOCKET_DIRECTORY', `option socket: no file can be put into ${directory} (${code}). ${remedy}`, { cause })
}
