/** Lets a server listen where the options say: a socket file, TCP, or an inherited descriptor. */
import { once } from 'node:events'
import type { Server } from 'node:net'
import { FastCgiError } from '../server/errors.js'
import { codeOf } from './errors.js'
import { findInherited } from './inherited.js'
import type { Place } from './options.js'
import { listenOnSocketFile } from './socket-file.js'

/** Where a server listens. */
export interface Listening {
  /** A path, or `host:port`; for an inherited descriptor what the system tells of it. */
  readonly address: string
  /** Takes away what was put in place for listening; undefined where nothing was. */
  readonly unlist: (() => void) | undefined
}

/** Inherited descriptors on which this process listens already: two servers on one would take it from each other. */
const taken = new Set<number>()

/** @throws FastCgiError or a system error such as EADDRINUSE; then the server does not listen */
export async function listenAt(server: Server, place: Place): Promise<Listening> {
  switch (place.kind) {
    case 'socket': {
      const file = await listenOnSocketFile(server, place)
      return { address: file.path, unlist: file.remove }
    }
    case 'tcp': {
      const { host, port, backlog } = place
      server.listen({ host, port, backlog })
      await once(server, 'listening')
      return { address: tcpAddress(server), unlist: undefined }
    }
    case 'inherited':
      return { address: await listenOnInherited(server, place.fd, place.backlog), unlist: undefined }
  }
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
  server.listen({ fd, backlog })
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
