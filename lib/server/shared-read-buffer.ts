/**
 * Accepts connections with one read buffer for all of them.
 *
 * Node allocates 64 KB for every read of every connection. The documented `onread` option of
 * `net.Socket` reads into a buffer of one's own, but a server's accepted sockets cannot be given it;
 * so the server's handle, the one internal here, is asked for the accepted handle instead. Where the
 * handle is not as expected, connections are read as any socket is.
 *
 * A `net.Socket` is made only where somebody may look at it: accepted-socket.ts says why.
 */
import { channel } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { needsNoWholeSockets } from '../../shared/connection-listeners.js'
import { AcceptedSocket, createAcceptedSocket, readBuffer, type ReadCallback } from './accepted-socket.js'
import { AcceptReader } from './read-at-accept.js'
import type { AcceptedSocketOptions, ConnectionHandle } from './socket-internals.js'

interface ListenHandle {
  onconnection: (this: ListenHandle, status: number, clientHandle: ConnectionHandle | null | undefined) => void
}

interface AcceptingServer {
  _handle?: ListenHandle | null
  _connections?: number
  maxConnections?: number | undefined
  blockList?: unknown
  /** What the server was told to set on each connection; `http.Server` has `noDelay` by default. */
  noDelay?: boolean
  keepAlive?: boolean
  /** In seconds. */
  keepAliveInitialDelay?: number
}

/** Where Node tells monitoring agents of each connection that a server has accepted. */
const acceptedChannel = channel('net.server.socket')

const sharing = new WeakSet<Duplex>()

/** Whether a connection's bytes come through the shared buffer, and not as 'data'. */
export function usesSharedBuffer(socket: Duplex): boolean {
  return AcceptedSocket.isLean(socket) || sharing.has(socket)
}

/** Takes over the accepting of a server that listens. */
export function acceptWithSharedBuffer(server: Server, onRead: ReadCallback): void {
  const accepting = server as unknown as AcceptingServer
  const handle = accepting._handle
  if (typeof handle?.onconnection !== 'function' || typeof accepting._connections !== 'number') return
  const acceptAsNodeDoes = handle.onconnection
  const reader = new AcceptReader()
  handle.onconnection = function onconnection(status, clientHandle) {
    const refusesSome = accepting.maxConnections !== undefined || accepting.blockList !== undefined
    if (status !== 0 || clientHandle === undefined || clientHandle === null || refusesSome) {
      acceptAsNodeDoes.call(this, status, clientHandle)
      return
    }
    const noDelay = configure(clientHandle, accepting)
    const isObserved = acceptedChannel.hasSubscribers || !needsNoWholeSockets(server)
    const create = isObserved || createAcceptedSocket === undefined ? createSocket : createAcceptedSocket
    const socket = create(clientHandle, server, onRead, noDelay)
    accepting._connections = (accepting._connections ?? 0) + 1
    server.emit('connection', socket)
    if (acceptedChannel.hasSubscribers) acceptedChannel.publish({ socket })
    if (AcceptedSocket.isLean(socket)) reader.read(socket)
  }
}

/** Sets on a connection what the server was told to. Returns whether it has TCP_NODELAY now. */
function configure(handle: ConnectionHandle, { noDelay, keepAlive, keepAliveInitialDelay = 0 }: AcceptingServer): boolean {
  if (keepAlive === true) handle.setKeepAlive?.(true, keepAliveInitialDelay)
  if (noDelay !== true || handle.setNoDelay === undefined) return false
  handle.setNoDelay(true)
  return true
}

function createSocket(clientHandle: ConnectionHandle, server: Server, onRead: ReadCallback, noDelay: boolean): Socket {
  // `handle` is no documented option, and `this` is not the typed one of the callback.
  const options: AcceptedSocketOptions = {
    handle: clientHandle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    noDelay,
    onread: {
      buffer: readBuffer,
      callback(this: Socket, length: number): boolean {
        return onRead(this, length)
      },
    },
  }
  const socket = new Socket(options)
  // As net.Server does: it counts connections by the one, http-terminator asks the other.
  Object.assign(socket, { server, _server: server })
  sharing.add(socket)
  return socket
}
