/**
 * Names beside the socket that only this package uses, for the moments before it is in place and after it has gone;
 * and the removal of those that killed processes have left.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { codeOf } from '../../shared/errors.js'
import { unusableDirectory } from './errors.js'
import { listens } from './socket-probe.js'

const PREFIX = '.fcgi-'
/** `.fcgi-PID-…`; the process is the one that has made it. */
const PRIVATE_NAME = /^\.fcgi-(\d+)-/
/** Files older than this, in milliseconds, are left over, even if a process has the id in their name: ids are reused. */
const EXPIRY = 60_000
const OWNER_ONLY = 0o700

/** What this process has made and not removed. */
const inUse = new Set<string>()

/** A directory beside `path` that only this user can enter. */
export function makePrivateDirectory(path: string): string {
  const directory = dirname(path)
  try {
    const made = mkdtempSync(join(directory, `${PREFIX}${String(process.pid)}-`))
    inUse.add(made)
    return made
  } catch (error) {
    throw unusableDirectory(directory, error)
  }
}

/** Removes such a directory with what is in it; the process then no longer removes it at its exit. */
export function removePrivateDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  inUse.delete(directory)
}

/** The directory that all workers of this process's cluster share, made by the first of them. */
export function sharedPrivateDirectory(path: string): string {
  return join(dirname(path), `${PREFIX}${String(process.ppid)}-cluster`)
}

/** Makes the directory that several processes of one user share, or takes the one that is there. */
export function makeSharedDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: OWNER_ONLY })
    // The umask may have taken rights of the owner's.
    chmodSync(directory, OWNER_ONLY)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unusableDirectory(dirname(directory), error)
  }
}

/** A name in the directory of `path` that no file has. */
export function unusedName(path: string): string {
  return join(dirname(path), `${PREFIX}${String(process.pid)}-${randomBytes(8).toString('hex')}`)
}

/** Removes what processes that were killed while they began or stopped have left beside `path`. */
export async function removeLeftovers(path: string): Promise<void> {
  const directory = dirname(path)
  for (const name of namesIn(directory)) {
    const owner = PRIVATE_NAME.exec(name)?.[1]
    const leftover = join(directory, name)
    if (owner === undefined || inUse.has(leftover)) continue
    try {
      if (!isAlive(Number(owner)) || isExpired(leftover)) await removeDead(leftover)
    } catch {
      // It belongs to another user, or has just been removed: it does no harm.
    }
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** In containers each process often has the number that the one before it had; that is not this one. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

function isExpired(path: string): boolean {
  return Date.now() - lstatSync(path).mtimeMs > EXPIRY
}

/** Removes sockets on which no process listens, and the directory that held them; anything else stays. */
async function removeDead(path: string): Promise<void> {
  const stats = lstatSync(path)
  if (stats.isDirectory()) {
    for (const name of readdirSync(path)) await removeDead(join(path, name))
    rmdirSync(path)
  } else if (stats.isSocket() && !await listens(path)) unlinkSync(path)
}
