/**
 * Listening on a Unix socket file: its mode, its owner, its name, and its removal.
 *
 * The socket is bound inside a private directory (mode 0700) next to where it is to stand, gets its mode and owner
 * there, and only then its name. So there is no moment at which it is reachable with the umask's mode, and the name
 * appears only when the socket already listens. `link` refuses a name that is taken: of two processes that start at
 * once one wins and the other sees a live socket. `rename` replaces a live socket in one step, in which no client finds
 * none. (`ss -xl` shows the name in the private directory.)
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, chownSync, closeSync, linkSync, openSync, renameSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../../shared/errors.js'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { FastCgiError } from '../errors.js'
import { accountId } from './user-ids.js'
import { unusableDirectory } from './errors.js'
import { identify, isSame, removeIfSame, type FileIdentity } from './file-identity.js'
import { makePrivateDirectory, removeLeftovers, removePrivateDirectory } from './private-files.js'
import { MAX_PATH_BYTES, checkPath } from './socket-path.js'
import { removeStaleSocket, look, refuseUnlessSocket } from './stale-socket.js'

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
  /** Whether the file takes the name of a socket on which another process still listens. */
  readonly replace: boolean
}

/** A socket file that this process has put in place. */
export interface SocketFile {
  readonly path: string
  /** Takes the file away if it is still this one; another that has taken its place stays. Never throws. */
  readonly remove: () => void
  /** Whether another socket has taken its place. */
  readonly isReplaced: () => boolean
}

/** A socket that is bound, with its mode and owner, and has not got its name yet. */
export interface BoundSocketFile {
  /** The name that it was bound to, which the kernel goes on to show. */
  readonly boundPath: string
  /** Gives it the name. Call it once the socket listens. */
  readonly giveName: () => Promise<SocketFile>
  /** Removes what was made for it; {@link giveName} does so too. */
  readonly discard: () => void
}

/**
 * Lets `server` listen on a socket file.
 *
 * @throws AddressInUseError EADDRINUSE when another process listens at the path, unless `replace` is set
 * @throws FastCgiError ERR_FCGI_SOCKET_PATH, _DIRECTORY, _FILE or _OWNER, each naming the remedy
 */
export async function listenOnSocketFile(server: Server, options: SocketFileOptions): Promise<SocketFile> {
  try {
    const bound = await bindSocketFile(options, (path) => listenAt(server, path, options.backlog))
    const file = await bound.giveName()
    server.address = () => options.path
    return file
  } catch (error) {
    if (server.listening) server.close()
    throw error
  }
}

/**
 * Has a socket bound in a private directory beside the path where it is to stand, and sets its mode and owner.
 *
 * @param bindAt binds the socket to the path that it is given
 * @throws as {@link listenOnSocketFile}
 */
export async function bindSocketFile(options: SocketFileOptions, bindAt: (path: string) => void | Promise<void>): Promise<BoundSocketFile> {
  const { path } = options
  checkPath(path)
  const ids = resolveIds(options)
  if (options.replace) refuseUnlessSocket(path, look(path))
  else await removeStaleSocket(path)
  await removeLeftovers(path)
  const directory = makePrivateDirectory(path)
  const discard = (): void => {
    removePrivateDirectory(directory)
  }
  try {
    const bound = join(directory, basename(path))
    await bindIn(directory, basename(path), bindAt)
    setAccess(bound, options, ids)
    const giveName = async (): Promise<SocketFile> => {
      try {
        const file = identify(bound)
        if (file === undefined) throw new FastCgiError('ERR_FCGI_SOCKET_FILE', `option socket: ${bound} was removed while it was being set up. Let nothing else remove files there.`)
        if (options.replace) replaceName(bound, path)
        else while (!linkTo(bound, path)) await removeStaleSocket(path)
        return ownFile(path, file)
      } finally {
        discard()
      }
    }
    return { boundPath: bound, giveName, discard }
  } catch (error) {
    discard()
    throw error
  }
}

/** The numbers of owner and group; -1 leaves what is. */
export interface Ids {
  readonly uid: number
  readonly gid: number
}

/**
 * The numbers of the owner and the group that the socket file is to have.
 *
 * @throws FastCgiError ERR_FCGI_SOCKET_OWNER when there is no such account
 */
export function resolveIds({ owner, group }: SocketFileOptions): Ids {
  return {
    uid: owner === undefined ? -1 : accountId('owner', owner),
    gid: group === undefined ? -1 : accountId('group', group),
  }
}

/** Mode and owner of a socket that has not got its name yet. */
export function setAccess(bound: string, options: SocketFileOptions, ids: Ids): void {
  chmodSync(bound, options.mode)
  giveAway(bound, ids, options)
}

/** Binds in `directory`. Where the path gets too long for that, the directory's descriptor shortens it. */
async function bindIn(directory: string, name: string, bindAt: (path: string) => void | Promise<void>): Promise<void> {
  const path = join(directory, name)
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) {
    await bindAt(path)
    return
  }
  const descriptor = openSync(directory, 'r')
  try {
    // Closing the server unlinks the name that it was bound to, when the descriptor may be another directory's:
    // so that name is one that no file has.
    const alias = randomBytes(16).toString('hex')
    await bindAt(`/proc/self/fd/${String(descriptor)}/${alias}`)
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

function giveAway(path: string, { uid, gid }: Ids, options: SocketFileOptions): void {
  if (uid === -1 && gid === -1) return
  try {
    chownSync(path, uid, gid)
  } catch (error) {
    const wanted = [options.owner === undefined ? '' : `owner ${String(options.owner)}`,
      options.group === undefined ? '' : `group ${String(options.group)}`].filter(Boolean).join(' and ')
    throw new FastCgiError('ERR_FCGI_SOCKET_OWNER',
      `option ${options.owner === undefined ? 'group' : 'owner'}: the socket cannot be given to ${wanted} ` +
      `(${codeOf(error) ?? String(error)}). Only root may set an owner; other users may set a group that they belong to.`,
      { cause: error })
  }
}

/** Gives the bound socket its name; false if the name is taken. */
export function linkTo(bound: string, path: string): boolean {
  try {
    linkSync(bound, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw unusableDirectory(dirname(path), error)
  }
}

/** Gives the bound socket its name, in place of a socket that has it. `bound` is gone then. */
export function replaceName(bound: string, path: string): void {
  refuseUnlessSocket(path, look(path))
  try {
    renameSync(bound, path)
  } catch (error) {
    throw unusableDirectory(dirname(path), error)
  }
}

/** The file goes away on remove(), and also when the process ends without a stop. */
function ownFile(path: string, bound: FileIdentity): SocketFile {
  const file = settled(path, bound)
  let removed = false
  const remove = (): void => {
    // Only once: when the socket is closed, its inode number may be given to another file.
    if (removed) return
    removed = true
    process.removeListener('exit', remove)
    removeQuietly(path, file)
  }
  process.on('exit', remove)
  return { path, remove, isReplaced: () => isReplaced(path, file) }
}

/** Some systems have no creation time of files; the time that is used instead has changed when the file got its name. */
function settled(path: string, bound: FileIdentity): FileIdentity {
  const found = look(path)
  return found?.device === bound.device && found.inode === bound.inode ? found : bound
}

/** Removes the file if it is this one. Never throws. */
export function removeQuietly(path: string, file: FileIdentity): void {
  try {
    removeIfSame(path, file)
  } catch (error) {
    emitProcessWarning('ERR_FCGI_SOCKET_REMOVE', `the socket file ${path} could not be removed (${codeOf(error) ?? String(error)})`)
  }
}

/** Whether another socket stands at the path. */
function isReplaced(path: string, file: FileIdentity): boolean {
  try {
    const found = identify(path)
    return found?.isSocket === true && !isSame(found, file)
  } catch {
    return false
  }
}
