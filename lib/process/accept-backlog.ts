/**
 * How many connections wait in the kernel to be accepted, and how many may. Linux tells in /proc: no right is needed for it, and
 * every process that has the socket sees the same.
 */
import { readFileSync } from 'node:fs'

/** For how long a reading is good, in milliseconds. The tables have a line for each socket of the machine. */
const CACHE_TIME = 1000

/** The queue of a listening socket. */
export interface AcceptBacklog {
  /** Connections that wait to be accepted. */
  readonly waiting: number
  /** How many may wait; a web server that connects after that is refused. undefined where the system does not tell. */
  readonly limit: number | undefined
}

/** A listening socket: the path that it was bound to, which the kernel knows it by whatever it was renamed to; or its port. */
export type ListeningSocket = { readonly path: string } | { readonly port: number }

/**
 * Reads the queue of a listening socket.
 *
 * @param socket which one
 * @param backlog what its `listen()` was given
 * @returns a function that tells it, anew after a second; undefined where it cannot be known, as on other systems than Linux
 */
export function createBacklogReader(socket: ListeningSocket, backlog: number): () => AcceptBacklog | undefined {
  let latest: AcceptBacklog | undefined
  let readAt = -Infinity
  return () => {
    const now = performance.now()
    if (now - readAt >= CACHE_TIME) {
      readAt = now
      const waiting = connectionsWaiting(socket)
      latest = waiting === undefined ? undefined : { waiting, limit: limitOf(backlog) }
    }
    return latest
  }
}

/** How many connections wait at a listening socket at this moment; undefined where it cannot be known. */
export function connectionsWaiting(socket: ListeningSocket): number | undefined {
  return 'path' in socket ? waitingAtPath(socket.path) : waitingAtPort(socket.port)
}

/** The flag of a listening socket in /proc/net/unix: the kernel's __SO_ACCEPTCON. */
const ACCEPTS_CONNECTIONS = 0x10000
/** The state of a connection that has not been accepted: the kernel's SS_CONNECTING. */
const CONNECTING = '02'

/**
 * Columns (proc(5)): Num RefCount Protocol Flags Type St Inode Path. A connection that waits has no inode yet, and the path of
 * the socket that it came to.
 */
function waitingAtPath(path: string): number | undefined {
  let waiting = 0
  let listens = false
  for (const line of table('unix')) {
    if (!line.endsWith(path)) continue
    const [, flags = '', state, inode, name] = /^\S+ \S+ \S+ (\S+) \S+ (\S+) +(\d+) (.*)$/.exec(line) ?? []
    if (name !== path) continue
    if ((Number.parseInt(flags, 16) & ACCEPTS_CONNECTIONS) !== 0) listens = true
    else if (state === CONNECTING && inode === '0') waiting++
  }
  return listens ? waiting : undefined
}

/** The state LISTEN in /proc/net/tcp: the kernel's TCP_LISTEN. */
const TCP_LISTEN = '0A'

/** Columns (proc_net_tcp in the kernel's documentation): sl local rem st tx:rx …; of a listening socket, rx is its queue. */
function waitingAtPort(port: number): number | undefined {
  let waiting: number | undefined
  for (const line of [...table('tcp'), ...table('tcp6')]) {
    const [, local = '', , state, queues = ''] = line.trim().split(/\s+/, 5)
    if (state !== TCP_LISTEN || Number.parseInt(local.split(':')[1] ?? '', 16) !== port) continue
    waiting = (waiting ?? 0) + Number.parseInt(queues.split(':')[1] ?? '', 16)
  }
  return waiting
}

/** The kernel takes the smaller of the two. */
function limitOf(backlog: number): number | undefined {
  const bound = Number(read('/proc/sys/net/core/somaxconn'))
  return bound > 0 ? Math.min(backlog, bound) : undefined
}

function table(name: string): string[] {
  return read(`/proc/self/net/${name}`).split('\n')
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
