/** What Linux tells in /proc: who listens on a TCP port, and which processes there are. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** The state of a listening TCP socket in /proc/net/tcp. */
const LISTENING = '0A'

/** A socket that listens. */
export interface Listener {
  /** `0.0.0.0` and `::` are all addresses. */
  readonly address: string
  /** Connections that wait to be accepted. */
  readonly waiting: number
  readonly inode: string
}

/** All that listen on the port; undefined where the system does not tell. */
export function listenersOn(port: number): Listener[] | undefined {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map(readText)
  if (tables.every((table) => table === undefined)) return undefined
  return tables.flatMap((table) => parseListeners(table ?? '', port))
}

/** Columns (proc_net_tcp in the kernel's documentation): sl local rem st tx:rx tr:when retrnsmt uid timeout inode. */
export function parseListeners(table: string, port: number): Listener[] {
  return table.split('\n').flatMap((row) => {
    const [, local = '', , state, queues = '', , , , , inode = ''] = row.trim().split(/\s+/)
    const [address = '', hex = ''] = local.split(':')
    if (state !== LISTENING || Number.parseInt(hex, 16) !== port) return []
    return [{ address: addressOf(address), waiting: Number.parseInt(queues.split(':')[1] ?? '0', 16), inode }]
  })
}

/** Words of four bytes, each in the order of the machine. */
function addressOf(hex: string): string {
  const words = (hex.match(/.{8}/g) ?? []).map((word) => Buffer.from(word, 'hex').reverse())
  const bytes = Buffer.concat(words)
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  // A URL has the short form of an IPv6 address.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}

/** The ids of the processes that have one of these sockets, of those that are given. Those of other users are seen by root only. */
export function holdersOf(inodes: readonly string[], pids: readonly number[]): Set<number> {
  if (inodes.length === 0) return new Set()
  const links = new Set(inodes.map((inode) => `socket:[${inode}]`))
  return new Set(pids.filter((pid) => {
    const directory = `/proc/${String(pid)}/fd`
    return entries(directory).some((descriptor) => links.has(readLink(`${directory}/${descriptor}`) ?? ''))
  }))
}

/** The ids of all processes. */
export function allProcesses(): number[] {
  return entries('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** The text of a file; undefined where it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Where a link leads; undefined where it cannot be read. */
export function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
