/**
 * Listening sockets that the parent process has passed to this one: file descriptor 0 (FastCGI Specification 1.0,
 * section 2.2: spawn-fcgi, mod_fcgid, lighttpd) and systemd's LISTEN_FDS (sd_listen_fds(3)).
 */
import { fstatSync, readFileSync } from 'node:fs'
import { FastCgiError } from '../errors.js'

/** The descriptor on which a web server passes its listening socket (section 2.2). */
const FCGI_LISTENSOCK_FILENO = 0
/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const SD_LISTEN_FDS_START = 3

/** The name of a descriptor by which systemd is told how the service is (`OpenFile=/run/systemd/notify:notify`). */
export const NOTIFY_NAME = 'notify'

/** An inherited listening socket. */
export interface InheritedSocket {
  readonly fd: number
  /** Where it listens, as far as the system says: a path, `host:port`, or `fd N`. */
  readonly address: string
}

/** What is asked for: a descriptor's number, its name in LISTEN_FDNAMES, or undefined for the only one there is. */
export type Wanted = number | string | undefined

/**
 * Finds the inherited socket to listen on.
 *
 * Without a wish it is systemd's one descriptor if LISTEN_FDS is meant for this process, else descriptor 0.
 * @throws FastCgiError ERR_FCGI_NO_SOCKET when nothing was inherited, or several and none was named;
 *   ERR_FCGI_INHERITED when the descriptor is no listening socket
 */
export function findInherited(wanted: Wanted, env: NodeJS.ProcessEnv = process.env): InheritedSocket {
  if (typeof wanted === 'number') return inspected(wanted)
  const descriptors = passedDescriptors(env).filter(mayListen)
  const passed = descriptors.map(({ name }) => name)
  if (typeof wanted === 'string') {
    const found = descriptors.find(({ name }) => name === wanted)
    if (found !== undefined) return inspected(found.fd)
    throw new FastCgiError('ERR_FCGI_NO_SOCKET',
      `option fd: no descriptor named '${wanted}' was inherited (${systemdState(passed, env)}). ` +
      'Set FileDescriptorName= in the systemd socket unit, or give the descriptor as a number.')
  }
  const [only] = descriptors
  if (only !== undefined && descriptors.length === 1) return inspected(only.fd)
  if (passed.length > 1) {
    throw new FastCgiError('ERR_FCGI_NO_SOCKET',
      `systemd passed ${String(passed.length)} sockets (${passed.join(', ')}). Say which one by { fd: 'name' }.`)
  }
  return onStandardInput(passed, env)
}

function onStandardInput(passed: readonly string[], env: NodeJS.ProcessEnv): InheritedSocket {
  const found = inspect(FCGI_LISTENSOCK_FILENO)
  if (found.state !== 'no') return { fd: FCGI_LISTENSOCK_FILENO, address: found.address }
  throw new FastCgiError('ERR_FCGI_NO_SOCKET',
    `there is nothing to listen on: descriptor 0 is ${found.reason}, and ${systemdState(passed, env)}. ` +
    'Give { socket: \'/run/app/app.sock\' } or { port: 9000 }, or let a web server, spawn-fcgi or systemd start the process.')
}

/** A descriptor that systemd has passed. */
export interface PassedDescriptor {
  readonly fd: number
  readonly name: string
}

/** What is for messages to systemd is no socket to listen on, unless it listens. */
function mayListen({ name, fd }: PassedDescriptor): boolean {
  return name !== NOTIFY_NAME || inspect(fd).state !== 'no'
}

/** The descriptors that systemd passed to this very process, in their order. */
export function passedDescriptors(env: NodeJS.ProcessEnv): PassedDescriptor[] {
  if (env['LISTEN_PID'] !== String(process.pid)) return []
  const count = Number(env['LISTEN_FDS'])
  if (!Number.isInteger(count) || count < 1) return []
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':')
  return Array.from({ length: count }, (_, index) => {
    const name = names[index]
    return { fd: SD_LISTEN_FDS_START + index, name: name === undefined || name === '' ? 'unknown' : name }
  })
}

function systemdState(passed: readonly string[], env: NodeJS.ProcessEnv): string {
  if (passed.length > 0) return `systemd passed ${passed.join(', ')}`
  if (env['LISTEN_FDS'] === undefined) return 'LISTEN_FDS is not set'
  return `LISTEN_FDS is meant for process ${env['LISTEN_PID'] ?? '?'} while this is ${String(process.pid)} ` +
    '(let ExecStart= run node itself, not npm or a shell)'
}

function inspected(fd: number): InheritedSocket {
  const found = inspect(fd)
  if (found.state !== 'no') return { fd, address: found.address }
  throw new FastCgiError('ERR_FCGI_INHERITED',
    `option fd: descriptor ${String(fd)} is ${found.reason}, so no server can listen on it. ` +
    'Give the number of a listening socket that this process inherited.')
}

/** 'unknown': a socket of which the system does not tell; listening on it will tell. */
type Inspection =
  | { readonly state: 'yes' | 'unknown', readonly address: string }
  | { readonly state: 'no', readonly reason: string }

/** Whether a descriptor is a listening socket, without touching it. */
export function inspect(fd: number): Inspection {
  let inode: string
  try {
    const stats = fstatSync(fd, { bigint: true })
    if (!stats.isSocket()) return { state: 'no', reason: 'no socket' }
    inode = stats.ino.toString()
  } catch {
    return { state: 'no', reason: 'not open' }
  }
  return inUnixTable(inode) ?? inTcpTable(inode, 'tcp') ?? inTcpTable(inode, 'tcp6') ??
    { state: 'unknown', address: `fd ${String(fd)}` }
}

/** The flag of a listening socket in /proc/net/unix: the kernel's __SO_ACCEPTCON. */
const ACCEPTS_CONNECTIONS = 0x10000

/** Columns (proc(5)): Num RefCount Protocol Flags Type St Inode Path. */
function inUnixTable(inode: string): Inspection | undefined {
  for (const line of table('unix')) {
    const columns = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+)(?: (.*))?$/.exec(line)
    if (columns?.[2] !== inode) continue
    const listens = (Number.parseInt(columns[1] ?? '', 16) & ACCEPTS_CONNECTIONS) !== 0
    if (!listens) return { state: 'no', reason: 'a socket that does not listen' }
    return { state: 'yes', address: columns[3] ?? 'an unnamed socket' }
  }
  return undefined
}

/** The state LISTEN in /proc/net/tcp: the kernel's TCP_LISTEN. */
const TCP_LISTEN = '0A'

/** Columns (proc_net_tcp in the kernel's documentation): sl local rem st tx:rx tr:when retrnsmt uid timeout inode. */
function inTcpTable(inode: string, family: 'tcp' | 'tcp6'): Inspection | undefined {
  for (const line of table(family)) {
    const columns = line.trim().split(/\s+/)
    if (columns[9] !== inode) continue
    if (columns[3] !== TCP_LISTEN) return { state: 'no', reason: 'a socket that does not listen' }
    const port = Number.parseInt(columns[1]?.split(':')[1] ?? '', 16)
    return { state: 'yes', address: `port ${String(port)}` }
  }
  return undefined
}

/** The tables exist on Linux only, and list the sockets of this network namespace only. */
function table(name: string): string[] {
  try {
    return readFileSync(`/proc/self/net/${name}`, 'utf8').split('\n')
  } catch {
    return []
  }
}
