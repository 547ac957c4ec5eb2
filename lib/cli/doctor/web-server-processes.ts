/** Finds the web server among the processes of the machine: by the port on which it listens, else by its name. */
import { dirname } from 'node:path'
import type { AppPlace } from './app-place.js'
import type { Account, ServerName, WebServerProcess } from './facts.js'
import { allProcesses, holdersOf, listenersOn, readLink, readText } from './proc-files.js'
import { groupsOf, isSameFile, nameOf, uidOf } from './socket-files.js'

/** Names of programs, as the kernel shows them. */
const PROGRAMS: Readonly<Record<string, ServerName>> = {
  nginx: 'nginx', apache2: 'apache', httpd: 'apache', lighttpd: 'lighttpd', caddy: 'caddy', haproxy: 'haproxy', h2o: 'h2o',
}
/** The bit of CAP_DAC_OVERRIDE in CapEff. */
const DAC_OVERRIDE = 1n << 1n

/** A process, as /proc shows it. */
export interface Process {
  readonly pid: number
  readonly parent: number
  readonly program: string
  readonly uid: number
  readonly groups: readonly number[]
  readonly unrestricted: boolean
}

/** The processes of the web server: those that ask the app, and the one that read the configuration. */
export interface WebServerProcesses {
  readonly name: ServerName | undefined
  /** One that asks the app. */
  readonly worker: Process | undefined
  /** The words with which it was started, of the process that read the configuration, and its working directory. */
  readonly command: readonly string[]
  readonly directory: string
}

/** Where none is looked for. */
export const NO_PROCESSES: WebServerProcesses = { name: undefined, worker: undefined, command: [], directory: '/' }

/**
 * @param port on which the web server listens on this machine; undefined where it is on another one
 * @param wanted the server that is named by the user
 */
export function findWebServer(port: number | undefined, wanted: ServerName | undefined): WebServerProcesses {
  const all = allProcesses().flatMap((pid) => readProcess(pid) ?? [])
  const holders = holdersOf(port === undefined ? [] : (listenersOn(port) ?? []).map(({ inode }) => inode), all.map(({ pid }) => pid))
  const listeners = all.filter(({ pid }) => holders.has(pid))
  const known = all.filter(({ program }) => program in PROGRAMS && (wanted === undefined || PROGRAMS[program] === wanted))
  const ours = listeners.length > 0 ? listeners : known
  // A parent reads the configuration and hands the port on; its children answer.
  const pids = new Set(ours.map(({ pid }) => pid))
  const parents = new Set(ours.map(({ parent }) => parent))
  const worker = ours.find(({ pid }) => !parents.has(pid))
  const first = ours.find(({ parent }) => !pids.has(parent))
  return {
    name: wanted ?? (first === undefined ? undefined : PROGRAMS[first.program]),
    worker,
    command: first === undefined ? [] : commandOf(first.pid),
    directory: first === undefined ? '/' : readLink(`/proc/${String(first.pid)}/cwd`) ?? '/',
  }
}

/** What matters of a process for the way to the app; `user` is in the place of its own where given. */
export function describeProcess(found: Process | undefined, app: AppPlace, user: string | undefined): WebServerProcess | undefined {
  const account = user === undefined ? (found === undefined ? undefined : accountOf(found)) : namedAccount(user)
  if (account === undefined) return undefined
  if (found === undefined) return { pid: 0, account, root: undefined, sameMounts: undefined, sameDirectory: undefined, sameNetwork: undefined, label: undefined }
  const place = `/proc/${String(found.pid)}`
  return {
    pid: found.pid,
    account,
    root: readLink(`${place}/root`),
    sameMounts: isSameNamespace(place, 'mnt'),
    sameDirectory: app.kind === 'port' ? undefined : isSameFile(dirname(app.path), `${place}/root${dirname(app.path)}`),
    sameNetwork: isSameNamespace(place, 'net'),
    label: readText(`${place}/attr/current`)?.replace(/\0|\n/g, ''),
  }
}

function isSameNamespace(place: string, kind: 'mnt' | 'net'): boolean | undefined {
  const [mine, theirs] = [readLink(`/proc/self/ns/${kind}`), readLink(`${place}/ns/${kind}`)]
  return mine === undefined || theirs === undefined ? undefined : mine === theirs
}

function accountOf({ uid, groups, unrestricted }: Process): Account {
  return { name: nameOf(uid), uid, groups, unrestricted }
}

/** A user by name, as a process of its own would run. */
function namedAccount(user: string): Account | undefined {
  const uid = uidOf(user)
  return uid === undefined ? undefined : { name: user, uid, groups: groupsOf(user) ?? [], unrestricted: uid === 0 }
}

function readProcess(pid: number): Process | undefined {
  const status = readText(`/proc/${String(pid)}/status`)
  if (status === undefined) return undefined
  const numbers = (name: string): number[] => field(status, name).split(/\s+/).filter((word) => word !== '').map(Number)
  // Of the four of a line the last is the file system's, which counts for sockets.
  const [, , , uid = 0] = numbers('Uid')
  const [, , , gid = 0] = numbers('Gid')
  return {
    pid,
    parent: numbers('PPid')[0] ?? 0,
    program: field(status, 'Name'),
    uid,
    groups: [gid, ...numbers('Groups')],
    unrestricted: (BigInt(`0x${field(status, 'CapEff') || '0'}`) & DAC_OVERRIDE) !== 0n,
  }
}

function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
}

/** nginx writes its title over its command, and puts the command behind it. */
function commandOf(pid: number): string[] {
  const text = (readText(`/proc/${String(pid)}/cmdline`) ?? '').replace(/\0+$/, '')
  const title = /^nginx: master process (.*)$/s.exec(text)
  return title === null ? text.split('\0') : (title[1] ?? '').replaceAll('\0', ' ').trim().split(/\s+/)
}
