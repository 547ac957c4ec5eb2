/**
 * Listening on a Unix socket file: its path, its mode, its owner, and its removal.
 *
 * The socket is bound inside a private directory (mode 0700) next to where it is to stand, gets its mode and owner
 * there, and is then linked to its name. So there is no moment at which it is reachable with the umask's mode, and
 * the name appears only when the socket already listens. `link` refuses a name that is taken: of two processes that
 * start at once one wins and the other sees a live socket. (`ss -xl` therefore shows the directory's name, too.)
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, chownSync, closeSync, linkSync, mkdtempSync, openSync, rmSync, statSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { FastCgiError } from '../server/errors.js'
import { accountId } from './accounts.js'
import { codeOf, unusableDirectory } from './errors.js'
import { identify, removeIfSame, type Identity } from './identity.js'
import { clearName } from './takeover.js'

/** The longest path a Unix socket can have, in bytes: sun_path less its final NUL (unix(7)). */
export const MAX_PATH_BYTES = 107

/** Where the socket stands and who may connect. */
export interface SocketFileOptions {
  /** An absolute path of at most 107 bytes. */
  readonly path: string
  /** Permission bits. Connecting needs the write bit. */
  readonly mode: number
  readonly owner: string | number | undefined
  readonly group: string | number | undefined
  /** Connections that the kernel holds until they are accepted. */
  readonly backlog: number
}

/** A socket file that this process has put in place. */
export interface SocketFile {
  readonly path: string
  /** Takes the file away if it is still this one; another that has taken its place stays. Never throws. */
  readonly remove: () => void
}

/**
 * Lets `server` listen on a socket file.
 *
 * @throws AddressInUseError EADDRINUSE when somebody answers at the path
 * @throws FastCgiError ERR_FCGI_SOCKET_PATH, _DIRECTORY, _FILE or _OWNER, each naming the remedy
 */
export async function listenOnSocketFile(server: Server, options: SocketFileOptions): Promise<SocketFile> {
  const { path } = options
  checkPath(path)
  const uid = options.owner === undefined ? -1 : accountId('owner', options.owner)
  const gid = options.group === undefined ? -1 : accountId('group', options.group)
  await clearName(path)
  const directory = makePrivateDirectory(path)
  try {
    const bound = join(directory, basename(path))
    await bind(server, directory, basename(path), options.backlog)
    chmodSync(bound, options.mode)
    giveAway(bound, uid, gid, options)
    const file = identify(bound)
    if (file === undefined) throw new Error(`${bound} was removed while it was being set up`)
    while (!linkTo(bound, path)) await clearName(path)
    server.address = () => path
    return ownFile(path, file)
  } catch (error) {
    if (server.listening) server.close()
    throw error
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function checkPath(path: string): void {
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

function makePrivateDirectory(path: string): string {
  const directory = dirname(path)
  try {
    return mkdtempSync(join(directory, '.tmp-'))
  } catch (error) {
    throw unusableDirectory(directory, error)
  }
}

/** Binds in `directory` and listens. Where the path gets too long for that, the directory's descriptor shortens it. */
async function bind(server: Server, directory: string, name: string, backlog: number): Promise<void> {
  const path = join(directory, name)
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) {
    await listenAt(server, path, backlog)
    return
  }
  const descriptor = openSync(directory, 'r')
  try {
    // Closing the server unlinks the name that it was bound to, when the descriptor may be another directory's:
    // so that name is one that no file has.
    const alias = randomBytes(16).toString('hex')
    await listenAt(server, `/proc/self/fd/${String(descriptor)}/${alias}`, backlog)
    linkSync(join(directory, alias), path)
    unlinkSync(join(directory, alias))
  } finally {
    closeSync(descriptor)
  }
}

/** `exclusive` keeps a cluster worker from asking its primary process to bind. */
async function listenAt(server: Server, path: string, backlog: number): Promise<void> {
  server.listen({ path, backlog, exclusive: true })
  // It listens already, unless it has failed: then 'error' is still to come.
  if (!server.listening) await once(server, 'listening')
}

function giveAway(path: string, uid: number, gid: number, options: SocketFileOptions): void {
  if (uid === -1 && gid === -1) return
  try {
    chownSync(path, uid, gid)
  } catch (error) {
    const wanted = [options.owner === undefined ? '' : `owner ${String(options.owner)}`,
      options.group === undefined ? '' : `group ${String(options.group)}`].filter(Boolean).join(' and ')
    throw new FastCgiError('ERR_FCGI_SOCKET_OWNER',
      `option ${options.owner === undefined ? 'group' : 'owner'}: the socket cannot be given to ${wanted} ` +
      `(${codeOf(error) ?? String(error)}). Only root may set an owner; anybody else may set a group that he belongs to.`,
      { cause: error })
  }
}

/** Gives the bound socket its name; false if the name is taken. */
function linkTo(bound: string, path: string): boolean {
  try {
    linkSync(bound, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw unusableDirectory(dirname(path), error)
  }
}

/** The file goes away on remove(), and also when the process ends without a stop. */
function ownFile(path: string, file: Identity): SocketFile {
  let removed = false
  const remove = (): void => {
    // Only once: when the socket is closed, its inode's number may be given to somebody else's.
    if (removed) return
    removed = true
    process.removeListener('exit', remove)
    try {
      removeIfSame(path, file)
    } catch (error) {
      process.emitWarning(`the socket file ${path} could not be removed (${codeOf(error) ?? String(error)})`)
    }
  }
  process.on('exit', remove)
  return { path, remove }
}
