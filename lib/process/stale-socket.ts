/** Taking over the name of a stale socket file, and never that of a live one. */
import { mkdirSync, rmdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'
import { AddressInUseError, unusableDirectory } from './errors.js'
import { identify, removeIfSame, type FileIdentity } from './file-identity.js'
import { probe } from './socket-probe.js'

/** A lock older than this, in ms, was left by a process that was killed while it held it. */
const LOCK_EXPIRY_MS = 5000
/** How long to wait before looking again at a lock that another process holds, in ms. */
const LOCK_RETRY_MS = 5

/**
 * Returns once nothing stands at `path`, having removed a socket on which no process listens.
 *
 * @throws AddressInUseError EADDRINUSE when somebody listens there
 * @throws FastCgiError ERR_FCGI_SOCKET_FILE when a file stands there that is no socket, ERR_FCGI_SOCKET_DIRECTORY when
 *   the stale socket cannot be removed
 */
export async function removeStaleSocket(path: string): Promise<void> {
  for (let found = look(path); found !== undefined; found = look(path)) {
    refuseUnlessSocket(path, found)
    if (await isStale(path) && !await removeStale(path)) await delay(LOCK_RETRY_MS)
  }
}

/** Only a socket ever gives way. */
export function refuseUnlessSocket(path: string, found: FileIdentity | undefined): void {
  if (found === undefined || found.isSocket) return
  throw new FastCgiError('ERR_FCGI_SOCKET_FILE',
    `option socket: ${path} exists and is no socket. Move it away, or choose another path.`)
}

/** What stands at the path. */
export function look(path: string): FileIdentity | undefined {
  try {
    return identify(path)
  } catch (error) {
    throw unusableDirectory(dirname(path), error)
  }
}

/**
 * True when there is a socket at `path` on which no process listens, false when there is none any more.
 * @throws AddressInUseError when somebody listens, or when that cannot be found out
 */
async function isStale(path: string): Promise<boolean> {
  try {
    await probe(path)
  } catch (error) {
    switch (codeOf(error)) {
      case 'ECONNREFUSED':
        return true
      case 'ENOENT':
        return false
      case 'EACCES':
      case 'EPERM':
        throw new AddressInUseError(path, 'this user may not ask whether anybody listens on')
      default:
        // EAGAIN is a full backlog, EPROTOTYPE a datagram socket: a process has either of them open.
        throw new AddressInUseError(path, `a process is using (${codeOf(error) ?? String(error)})`)
    }
  }
  throw new AddressInUseError(path, 'a process is already listening on')
}

/**
 * Removes a stale socket under a lock. It asks again whether it is stale: since it was last asked another process may
 * have put its own in place, even one with the same inode number. False when another process holds the lock.
 */
async function removeStale(path: string): Promise<boolean> {
  const lock = join(dirname(path), `.${basename(path)}.lock`)
  if (!takeLock(lock)) return false
  try {
    const found = identify(path)
    if (found?.isSocket === true && await isStale(path)) remove(path, found)
    return true
  } finally {
    dropLock(lock)
  }
}

function remove(path: string, file: FileIdentity): void {
  try {
    removeIfSame(path, file)
  } catch (error) {
    throw unusableDirectory(dirname(path), error)
  }
}

function takeLock(lock: string): boolean {
  try {
    mkdirSync(lock)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unusableDirectory(dirname(lock), error)
    expire(lock)
    return false
  }
}

function dropLock(lock: string): void {
  try {
    rmdirSync(lock)
  } catch (error) {
    // This process was so slow that another one has removed the lock as expired.
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/** The lock is held for a few milliseconds, so the process of an old one has ended. */
function expire(lock: string): void {
  const stats = statSync(lock, { throwIfNoEntry: false })
  if (stats === undefined || Date.now() - stats.mtimeMs < LOCK_EXPIRY_MS) return
  try {
    rmdirSync(lock)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw new FastCgiError('ERR_FCGI_SOCKET_DIRECTORY',
      `option socket: ${lock} is in the way (${codeOf(error) ?? String(error)}). Remove it.`, { cause: error })
  }
}
