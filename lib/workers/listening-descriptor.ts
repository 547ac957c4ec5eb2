/**
 * One listening socket for several processes: the primary opens it and never accepts; each worker accepts on the descriptor that it has
 * inherited. So no process stands between the web server and the worker, and connections that wait belong to all.
 *
 * Two of Node's internals make this possible, and both are here. `net.Server.listen()` would accept in the primary, so the socket
 * is made by `net._createServerHandle()`, which binds alone. In a worker of `node:cluster`, `listen({ fd })` asks the primary
 * whatever its options say, so `server._listen2()` is called, which is the rest of `listen()`. The primary of `node:cluster`
 * must not own the socket: it closes it with its last worker, and drops what waits.
 */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import net, { isIPv6, type AddressInfo, type Server } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'
import { findInherited } from '../process/inherited-socket.js'
import type { Place } from '../process/options.js'
import { AddressInUseError } from '../process/errors.js'
import { bindSocketFile } from '../process/socket-file.js'

/** A listening socket that this process holds and does not accept on. */
export interface HeldSocket {
  readonly fd: number
  /** A path, or `host:port`. */
  readonly address: string
  /** The name that the kernel shows for it; undefined where it has none. */
  readonly boundPath: string | undefined
  /** Makes it reachable. Call it once the first worker listens. */
  readonly publish: () => Promise<void>
  /** Makes it unreachable for new clients. Never throws. */
  readonly unlist: () => void
  /** Whether another server has taken its name. */
  readonly isReplaced: () => boolean
  /** Whether connections that wait are lost when the last worker leaves: nobody else holds the socket. */
  readonly ownsBacklog: boolean
  readonly close: () => void
}

/** A handle of Node's: `TCP` or `Pipe`. */
interface Handle {
  readonly fd: number
  close(): void
  getsockname?(address: object): number
}

type CreateServerHandle = (address: string, port: number, addressType: number, fd?: number) => Handle | number
type Listen2 = (address: null, port: null, addressType: null, backlog: number, fd: number) => void

/** What Node's `net.Server` does once it knows where to listen. */
function listen2Of(server: Server): Listen2 {
  const method: unknown = Reflect.get(server, '_listen2')
  if (typeof method === 'function') return method.bind(server) as Listen2
  throw unsupported('net.Server._listen2')
}

function createHandle(address: string, port: number, addressType: number, shown: string): Handle {
  const create: unknown = Reflect.get(net, '_createServerHandle')
  if (typeof create !== 'function') throw unsupported('net._createServerHandle')
  const made = (create as CreateServerHandle)(address, port, addressType)
  if (typeof made !== 'number') return made
  throw refusal(made, shown)
}

function refusal(error: number, shown: string): Error {
  const code = getSystemErrorName(error)
  if (code === 'EADDRINUSE') return new AddressInUseError(shown, 'another process listens on')
  return Object.assign(new FastCgiError('ERR_FCGI_LISTEN', `nobody can listen on ${shown} (${code}). Choose another address, or a user who may.`), { code })
}

function unsupported(name: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_UNSUPPORTED_NODE',
    `Node.js ${process.version} has changed what workers need of it: ${name}. Use a version of Node.js that the package supports, or serve().`)
}

/**
 * Opens the listening socket in the primary.
 *
 * @throws FastCgiError or AddressInUseError, as serve() does
 */
export async function holdSocket(place: Place): Promise<HeldSocket> {
  switch (place.kind) {
    case 'socket': {
      let handle: Handle | undefined
      const bound = await bindSocketFile(place, (path) => {
        handle = createHandle(path, -1, -1, place.path)
      })
      return fromFile(handle, place.path, bound)
    }
    case 'tcp': return holdPort(place.host, place.port)
    case 'inherited': {
      const { fd, address } = findInherited(place.fd)
      const nothing = (): void => undefined
      const boundPath = address.startsWith('/') ? address : undefined
      return { fd, address, boundPath, publish: () => Promise.resolve(), unlist: nothing, isReplaced: () => false, ownsBacklog: false, close: nothing }
    }
  }
}

function fromFile(handle: Handle | undefined, path: string, bound: Awaited<ReturnType<typeof bindSocketFile>>): HeldSocket {
  if (handle === undefined) throw unsupported('net._createServerHandle')
  let file: Awaited<ReturnType<typeof bound.giveName>> | undefined
  let closed = false
  return {
    fd: handle.fd,
    address: path,
    boundPath: bound.boundPath,
    publish: async () => {
      file = await bound.giveName()
    },
    unlist: () => {
      file?.remove()
    },
    isReplaced: () => file?.isReplaced() === true,
    ownsBacklog: true,
    close: () => {
      if (closed) return
      closed = true
      file?.remove()
      bound.discard()
      handle.close()
    },
  }
}

async function holdPort(host: string, port: number): Promise<HeldSocket> {
  const { address, family } = await lookup(host).catch((error: unknown) => {
    const code = codeOf(error) ?? String(error)
    throw new FastCgiError('ERR_FCGI_LISTEN', `option host: nobody knows an address of ${host} (${code}). Give an address of this machine, such as 127.0.0.1.`, { cause: error })
  })
  const handle = createHandle(address, port, family, `${host}:${String(port)}`)
  const bound: Partial<AddressInfo> = {}
  // libuv keeps to itself that a port is in use until somebody asks: the workers would listen on any other port.
  const failure = handle.getsockname?.(bound) ?? 0
  if (failure !== 0) {
    handle.close()
    throw refusal(failure, `${host}:${String(port)}`)
  }
  const shown = isIPv6(address) ? `[${address}]` : address
  let closed = false
  const close = (): void => {
    if (!closed) handle.close()
    closed = true
  }
  return {
    fd: handle.fd,
    address: `${shown}:${String(bound.port ?? port)}`,
    boundPath: undefined,
    publish: () => Promise.resolve(),
    // A port has no name to take away. The workers close their copies next, each once nothing waits: had the primary kept its own,
    // the kernel would go on taking connections, which nobody answers.
    unlist: close,
    isReplaced: () => false,
    ownsBacklog: true,
    close,
  }
}

/**
 * Lets `server` accept on a descriptor that this process has inherited, past the primary of `node:cluster`.
 *
 * @param shown the address, as people write it
 * @throws FastCgiError ERR_FCGI_LISTEN where another process listens there: two may have a port that neither listens on yet
 */
export async function acceptOnDescriptor(server: Server, fd: number, backlog: number, shown: string): Promise<void> {
  const listening = once(server, 'listening')
  listen2Of(server)(null, null, null, backlog, fd)
  try {
    await listening
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error
    throw new FastCgiError('ERR_FCGI_LISTEN', `listen EADDRINUSE: another process began to listen on ${shown} meanwhile. Stop that one, or choose another address.`, { cause: error })
  }
}

/**
 * From now on whatever listens in this process listens on a free port of the loopback interface: an app that is only tried opens no
 * port of its own, which it may have open in another process.
 */
export function listenOnFreePorts(): void {
  const listen: unknown = Reflect.get(net.Server.prototype, 'listen')
  if (typeof listen !== 'function') throw unsupported('net.Server.listen')
  net.Server.prototype.listen = function listenOnFreePort(this: Server, ...given: readonly unknown[]): Server {
    const callback = given.at(-1)
    const listening = typeof callback === 'function' ? (): unknown => Reflect.apply(callback, this, []) : undefined
    Reflect.apply(listen, this, [{ port: 0, host: '127.0.0.1', exclusive: true }, listening])
    return this
  }
}
