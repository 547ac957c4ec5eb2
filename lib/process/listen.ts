/** Lets a server listen where the options say: a socket file, TCP, or an inherited descriptor. */
import { once } from 'node:events'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'
import { connectionsWaiting } from './accept-backlog.js'
import { isClusterWorker, listenOnSharedSocketFile } from './cluster-socket.js'
import { explained, requireNetwork } from './errors.js'
import { findInherited } from './inherited-socket.js'
import type { Place } from './options.js'
import { listenOnSocketFile, type SocketFileOptions } from './socket-file.js'

/** Where a server listens. */
export interface Listening {
  /** A path, or `host:port`; for an inherited descriptor what the system tells of it. */
  readonly address: string
  /** Takes away what was put in place for listening; undefined where nothing was, or where others listen there, too. */
  readonly unlist?: () => void
  /** Whether connections wait to be accepted, at a port that is this server's alone. */
  readonly hasWaiting?: () => boolean
  /** Takes away what is left once the server has closed, and no other listens there. */
  readonly retire?: () => Promise<void>
  /** Whether others serve there when this server has stopped. */
  readonly isSucceeded: () => boolean
}

/** Inherited descriptors on which this process listens already: two servers on one would take it from each other. */
const taken = new Set<number>()

/**
 * Listens, and says where.
 *
 * @throws FastCgiError or a system error such as EADDRINUSE; then the server does not listen
 */
export async function listenAt(server: Server, place: Place): Promise<Listening> {
  try {
    return await listenInPlace(server, place)
  } catch (error) {
    throw explained(error, `listening (option ${place.kind === 'tcp' ? 'port' : 'socket'})`, place.kind === 'socket' ? dirname(place.path) : '')
  }
}

async function listenInPlace(server: Server, place: Place): Promise<Listening> {
  switch (place.kind) {
    case 'socket':
      return listenOnFile(server, place)
    case 'tcp': {
      const { host, port, backlog } = place
      requireNetwork('listening (option port)')
      server.listen({ host, port, backlog })
      await once(server, 'listening')
      const address = tcpAddress(server)
      return { address, isSucceeded: isClusterWorker, ...isClusterWorker() ? {} : { hasWaiting: waitingAt(address) } }
    }
    case 'inherited':
      return { address: await listenOnInherited(server, place.fd, place.backlog), isSucceeded: isClusterWorker }
  }
}

async function listenOnFile(server: Server, options: SocketFileOptions): Promise<Listening> {
  if (isClusterWorker()) {
    const { path, retire } = await listenOnSharedSocketFile(server, options)
    return { address: path, retire, isSucceeded: isClusterWorker }
  }
  const { path, remove, isReplaced } = await listenOnSocketFile(server, options)
  return { address: path, unlist: remove, isSucceeded: isReplaced }
}

/** Tells whether connections wait at a TCP address, `host:port`. */
export function waitingAt(address: string): () => boolean {
  const port = Number(/:(\d+)$/.exec(address)?.[1])
  return () => (connectionsWaiting({ port }) ?? 0) > 0
}

function tcpAddress(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') return String(address)
  return `${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${String(address.port)}`
}

async function listenOnInherited(server: Server, wanted: number | string | undefined, backlog: number): Promise<string> {
  const { fd, address } = findInherited(wanted)
  if (taken.has(fd)) {
    throw new FastCgiError('ERR_FCGI_INHERITED',
      `descriptor ${String(fd)} has a server already in this process. Stop that one first, or name another descriptor.`)
  }
  // As an argument: Node ignores the option `backlog` where the options name a file descriptor.
  server.listen({ fd }, backlog)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new FastCgiError('ERR_FCGI_INHERITED',
      `nobody can listen on descriptor ${String(fd)} (${codeOf(error) ?? String(error)}). ` +
      'Give the number of a listening socket that this process inherited.', { cause: error })
  }
  taken.add(fd)
  server.once('close', () => taken.delete(fd))
  return address
}
