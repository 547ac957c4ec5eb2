/** Reads what the system tells of the socket: each part of its path, its queue, groups, SELinux. Nothing is judged here. */
import { execFileSync } from 'node:child_process'
import { lstatSync, statSync, type Stats } from 'node:fs'
import { codeOf } from '../../../shared/errors.js'
import { readAccessList } from './access-lists.js'
import type { PathPart, SocketFacts } from './facts.js'
import { readText } from './proc-files.js'

const PERMISSION_BITS = 0o7777
/** The state of an entry of /proc/net/unix that has connected and was not accepted. */
const CONNECTING = '02'
const GETENT_LIMIT_MS = 5000

/** @param user whose groups by the system's files are of interest */
export function readSocketFacts(path: string, user: string | undefined): SocketFacts {
  return {
    kind: 'socket',
    path,
    parts: readParts(path),
    groupNames: readGroupNames(),
    configuredGroups: user === undefined ? undefined : groupsOf(user),
    waiting: countWaiting(readText('/proc/net/unix'), path),
    ...readKernel(),
  }
}

/** What the kernel is set to. */
export function readKernel(): { somaxconn: number | undefined, enforcing: boolean } {
  return { somaxconn: readNumber('/proc/sys/net/core/somaxconn'), enforcing: readText('/sys/fs/selinux/enforce')?.trim() === '1' }
}

/** From the root directory to the socket. Ends with the first part that is missing or cannot be read. */
function readParts(path: string): PathPart[] {
  const parts: PathPart[] = []
  const names = path.split('/').filter((name) => name !== '')
  for (let count = 0; count <= names.length; count++) {
    const part = readPart(`/${names.slice(0, count).join('/')}`)
    parts.push(part)
    if (part.kind === 'missing' || part.kind === 'unreadable') break
  }
  return parts
}

function readPart(path: string): PathPart {
  try {
    const stats = statSync(path)
    return { path, kind: kindOf(stats), mode: stats.mode & PERMISSION_BITS, uid: stats.uid, gid: stats.gid, list: readAccessList(path) }
  } catch (error) {
    return { path, kind: codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR' ? 'missing' : 'unreadable', mode: 0, uid: 0, gid: 0 }
  }
}

function kindOf(stats: Stats): PathPart['kind'] {
  if (stats.isDirectory()) return 'directory'
  return stats.isSocket() ? 'socket' : 'other'
}

/** Whether a path leads to the same file through another root directory; undefined where that cannot be told. */
export function isSameFile(one: string, other: string): boolean | undefined {
  try {
    const [mine, theirs] = [statSync(one), lstatOrStat(other)]
    return mine.dev === theirs.dev && mine.ino === theirs.ino
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? false : undefined
  }
}

function lstatOrStat(path: string): Stats {
  const found = lstatSync(path)
  return found.isSymbolicLink() ? statSync(path) : found
}

/** How many connections to a Unix socket wait to be accepted: they have its path, and no inode yet. */
export function countWaiting(table: string | undefined, path: string): number | undefined {
  if (table === undefined) return undefined
  // The package binds its socket in a private directory beside the path, under the same name.
  const slash = path.lastIndexOf('/')
  const [directory, name] = [path.slice(0, slash), path.slice(slash + 1)]
  const columns = table.split('\n').map((line) => line.trim().split(/\s+/))
  return columns.filter(([, , , , , state, inode, bound = '']) =>
    state === CONNECTING && inode === '0' && (bound === path || (bound.startsWith(`${directory}/.`) && bound.endsWith(`/${name}`)))).length
}

function readNumber(path: string): number | undefined {
  const text = readText(path)
  return text === undefined ? undefined : Number(text)
}

/** Lines of /etc/group read `name:password:id:member,member`. */
function readGroupNames(): Map<number, string> {
  const lines = (readText('/etc/group') ?? '').split('\n').map((line) => line.split(':'))
  return new Map(lines.flatMap(([name = '', , id]) => id === undefined ? [] : [[Number(id), name]]))
}

/** The groups of a user by the system's databases; undefined where there is no such user. */
export function groupsOf(user: string): number[] | undefined {
  const text = run('id', ['-G', '--', user])
  return text?.trim().split(/\s+/).map(Number)
}

/** The number of a user; undefined where there is none. */
export function uidOf(user: string): number | undefined {
  if (/^\d+$/.test(user)) return Number(user)
  const text = run('id', ['-u', '--', user])
  return text === undefined ? undefined : Number(text)
}

/** The name of a user; the number where it has none. */
export function nameOf(uid: number): string {
  return run('id', ['-un', '--', String(uid)])?.trim() ?? String(uid)
}

function run(program: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: GETENT_LIMIT_MS })
  } catch {
    return undefined
  }
}
