/** Finds the web server among the processes of the machine: by the port on which it listens, else by its name. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Account, ServerName, WebServerProcess } from './facts.js'
import { groupsOf, isSameFile, nameOf, uidOf } from './socket-files.js'

/** Names of programs, as the kernel shows them. */
const PROGRAMS: Readonly<Record<string, ServerName>> = {
  nginx: 'nginx', apache2: 'apache', httpd: 'apache', lighttpd: 'lighttpd', caddy: 'caddy', haproxy: 'haproxy', h2o: 'h2o',
}
/** The state of a listening TCP socket in /proc/net/tcp. */
const LISTENING = '0A'
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
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => readProcess(Number(name)) ?? [])
  const listeners = port === undefined ? [] : holdersOf(listeningInodes(port), all)
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

/** What matters of a process for the socket; `user` is in the place of its own where given. */
export function describeProcess(found: Process | undefined, socket: string, user: string | undefined): WebServerProcess | undefined {
  const account = user === undefined ? (found === undefined ? undefined : accountOf(found)) : namedAccount(user)
  if (account === undefined) return undefined
  if (found === undefined) return { pid: 0, account, root: undefined, sameMounts: undefined, sameDirectory: undefined, label: undefined }
  const place = `/proc/${String(found.pid)}`
  const [mine, theirs] = [readLink('/proc/self/ns/mnt'), readLink(`${place}/ns/mnt`)]
  return {
    pid: found.pid,
    account,
    root: readLink(`${place}/root`),
    sameMounts: mine === undefined || theirs === undefined ? undefined : mine === theirs,
    sameDirectory: isSameFile(dirname(socket), `${place}/root${dirname(socket)}`),
    label: readText(`${place}/attr/current`)?.replace(/\0|\n/g, ''),
  }
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

/** The inodes of the sockets that listen on a TCP port. */
function listeningInodes(port: number): Set<string> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => (readText(file) ?? '').split('\n')).map((row) => row.trim().split(/\s+/))
  return new Set(rows.flatMap(([, local = '', , state, , , , , , inode]) => state === LISTENING && local.endsWith(`:${hex}`) && inode !== undefined ? [inode] : []))
}

/** The processes that have one of these sockets. Those of other users are seen by root only. */
function holdersOf(inodes: ReadonlySet<string>, processes: readonly Process[]): Process[] {
  if (inodes.size === 0) return []
  const links = new Set([...inodes].map((inode) => `socket:[${inode}]`))
  return processes.filter(({ pid }) => {
    const directory = `/proc/${String(pid)}/fd`
    return entries(directory).some((descriptor) => links.has(readLink(`${directory}/${descriptor}`) ?? ''))
  })
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** nginx writes its title over its command, and puts the command behind it. */
function commandOf(pid: number): string[] {
  const text = (readText(`/proc/${String(pid)}/cmdline`) ?? '').replace(/\0+$/, '')
  const title = /^nginx: master process (.*)$/s.exec(text)
  return title === null ? text.split('\0') : (title[1] ?? '').replaceAll('\0', ' ').trim().split(/\s+/)
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
