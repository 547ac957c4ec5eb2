/**
 * A socket file that the workers of a node:cluster share, as they share a TCP port: the primary process has the
 * listening socket, and hands out connections or the socket itself.
 *
 * The primary is asked to listen at a name in a private directory that all its workers know, for two reasons: mode and
 * owner are set before the socket gets its own name, and the primary unlinks the name that it listens at when its last
 * worker leaves, even if another process has put a file there. The private name stays as long as the primary listens, so it
 * shows which file is this cluster's.
 */
import cluster from 'node:cluster'
import { once } from 'node:events'
import { linkSync, rmSync, rmdirSync } from 'node:fs'
import type { Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'
import { AddressInUseError, unusableDirectory } from './errors.js'
import { identify, isSame, type FileIdentity } from './file-identity.js'
import { makeSharedDirectory, removeLeftovers, sharedPrivateDirectory, unusedName } from './private-files.js'
import { listens } from './socket-probe.js'
import { linkTo, removeQuietly, replaceName, resolveIds, setAccess, type SocketFileOptions } from './socket-file.js'
import { MAX_PATH_BYTES, checkPath } from './socket-path.js'
import { removeStaleSocket, look } from './stale-socket.js'

/** How often a worker asks its primary: once for each leftover of another cluster, and once for the socket itself. */
const ATTEMPTS = 4
/** How long the primary may take to close the socket when its last worker has left, in ms. */
const CLOSE_TIMEOUT = 250
const CLOSE_INTERVAL = 5

/** The workers' socket file, as one of them sees it. */
export interface SharedSocketFile {
  readonly path: string
  /** Call it when this worker has stopped listening: takes the file away if no other worker listens. Never throws. */
  readonly retire: () => Promise<void>
}

/** Whether this process is a worker whose listening sockets are its primary's. */
export function isClusterWorker(): boolean {
  return cluster.isWorker
}

/**
 * Lets a worker's `server` listen on the socket file that all workers share.
 *
 * @throws AddressInUseError EADDRINUSE when another process than this cluster's listens at the path, unless `replace` is set
 * @throws FastCgiError ERR_FCGI_SOCKET_PATH, _DIRECTORY, _FILE or _OWNER, each naming the remedy
 */
export async function listenOnSharedSocketFile(server: Server, options: SocketFileOptions): Promise<SharedSocketFile> {
  const { path } = options
  checkPath(path)
  const ids = resolveIds(options)
  const directory = sharedPrivateDirectory(path)
  const bound = join(directory, basename(path))
  checkBound(bound, path)
  await removeLeftovers(path)
  await listenInPrimary(server, bound, options)
  try {
    const file = identify(bound)
    if (file === undefined) throw lost(path)
    try {
      setAccess(bound, options, ids)
    } catch (error) {
      throw error instanceof FastCgiError ? error : foreign(path, error)
    }
    await giveName(bound, path, file, options.replace)
    server.address = () => path
    return sharedFile(path, bound, settled(path, file))
  } catch (error) {
    server.close()
    throw error
  }
}

function checkBound(bound: string, path: string): void {
  const bytes = Buffer.byteLength(bound)
  if (bytes <= MAX_PATH_BYTES) return
  throw new FastCgiError('ERR_FCGI_SOCKET_PATH',
    `option socket: in a worker of node:cluster the socket is set up as ${bound}, which is ${String(bytes)} bytes long, ` +
    `and a Unix socket's path has at most ${String(MAX_PATH_BYTES)}. Choose a path that is shorter than ${path}.`)
}

async function listenInPrimary(server: Server, bound: string, { path, backlog }: SocketFileOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    makeSharedDirectory(dirname(bound))
    try {
      server.listen({ path: bound, backlog })
      await once(server, 'listening')
      return
    } catch (error) {
      const code = codeOf(error)
      // The last worker of before has just removed the directory.
      const retries = code === 'ENOENT' || code === 'EADDRINUSE'
      if (!retries) throw unusableDirectory(dirname(path), error)
      if (attempt === ATTEMPTS) throw new AddressInUseError(path, 'this worker has a server already on')
      // A cluster whose primary had the same number was killed. Or this worker has asked more often than the others:
      // the primary counts, and shares a socket among those that ask for the same place for the same time.
      if (code === 'EADDRINUSE' && !await listens(bound)) rmSync(bound, { force: true })
    }
  }
}

function lost(path: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_SOCKET_FILE',
    `option socket: somebody has removed the file by which the workers of this cluster know ${path} as theirs. ` +
    'Start the primary process again.')
}

function foreign(path: string, cause: unknown): FastCgiError {
  return new FastCgiError('ERR_FCGI_SOCKET_OWNER',
    `option socket: the primary process has made the socket ${path} as another user, so this worker cannot set it up ` +
    `(${codeOf(cause) ?? String(cause)}). Run primary and workers as the same user.`, { cause })
}

/** The first worker gives the socket its name; the others find it there. */
async function giveName(bound: string, path: string, file: FileIdentity, replace: boolean): Promise<void> {
  while (!isSame(look(path), file)) {
    if (replace) {
      replaceByLink(bound, path)
      return
    }
    if (linkTo(bound, path)) return
    try {
      await removeStaleSocket(path)
    } catch (error) {
      // Another worker of this cluster may have been quicker.
      if (!isSame(look(path), file)) throw error
    }
  }
}

/** As renaming `bound`, which stays. */
function replaceByLink(bound: string, path: string): void {
  const name = unusedName(path)
  try {
    linkSync(bound, name)
  } catch (error) {
    throw unusableDirectory(dirname(path), error)
  }
  try {
    replaceName(name, path)
  } finally {
    // Renaming does nothing where both are one file already.
    rmSync(name, { force: true })
  }
}

/** Giving it its name may have changed what the system tells of the file. */
function settled(path: string, file: FileIdentity): FileIdentity {
  const found = look(path)
  return found?.device === file.device && found.inode === file.inode ? found : file
}

function sharedFile(path: string, bound: string, file: FileIdentity): SharedSocketFile {
  const retire = async (): Promise<void> => {
    const end = performance.now() + CLOSE_TIMEOUT
    while (look(bound) !== undefined) {
      // Other workers listen. Or the primary has no time, and the file is taken over when it is next needed.
      if (performance.now() > end) return
      await delay(CLOSE_INTERVAL)
    }
    removeQuietly(path, file)
    try {
      rmdirSync(dirname(bound))
    } catch {
      // Another socket's workers still use it.
    }
  }
  return { path, retire }
}
