/**
 * Accepts connections with one read buffer for all of them.
 *
 * Node allocates 64 KB for every read of every connection. The documented `onread` option of
 * `net.Socket` reads into a buffer of one's own, but a server's accepted sockets cannot be given it;
 * so the server's handle, the one internal here, is asked for the accepted handle instead. Where the
 * handle is not as expected, connections are read as any socket is.
 */
import type { Server } from 'node:http'
import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'

/** net.Server keeps its delay in seconds, net.Socket takes milliseconds. */
const MILLISECONDS = 1000
/** Bytes read at once. */
const READ_BUFFER_LENGTH = 128 * 1024

/** Called with what a socket read: `buffer` from 0 up to `length`, valid only during the call. */
export type ReadCallback = (socket: Socket, length: number, buffer: Buffer) => boolean

interface ListenHandle {
  onconnection: (this: ListenHandle, status: number, clientHandle: unknown) => void
}

interface AcceptingServer {
  _handle?: ListenHandle | null
  _connections?: number
  maxConnections?: number | undefined
  blockList?: unknown
  /** What the server was told to set on each connection; `http.Server` has `noDelay` by default. */
  noDelay?: boolean
  keepAlive?: boolean
  keepAliveInitialDelay?: number
}

const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_LENGTH)

const sharing = new WeakSet<Duplex>()

/** Whether a connection's bytes come through the shared buffer, and not as 'data'. */
export function usesSharedBuffer(socket: Duplex): boolean {
  return sharing.has(socket)
}

/** Takes over the accepting of a server that listens. */
export function acceptWithSharedBuffer(server: Server, onRead: ReadCallback): void {
  const accepting = server as unknown as AcceptingServer
  const handle = accepting._handle
  if (typeof handle?.onconnection !== 'function' || typeof accepting._connections !== 'number') return
  const acceptAsNodeDoes = handle.onconnection
  handle.onconnection = function onconnection(status, clientHandle) {
    const refusesSome = accepting.maxConnections !== undefined || accepting.blockList !== undefined
    if (status !== 0 || clientHandle === undefined || clientHandle === null || refusesSome) {
      acceptAsNodeDoes.call(this, status, clientHandle)
      return
    }
    const socket = createSocket(clientHandle, server, onRead)
    if (accepting.noDelay === true) socket.setNoDelay(true)
    if (accepting.keepAlive === true) socket.setKeepAlive(true, (accepting.keepAliveInitialDelay ?? 0) * MILLISECONDS)
    accepting._connections = (accepting._connections ?? 0) + 1
    server.emit('connection', socket)
  }
}

function createSocket(clientHandle: unknown, server: Server, onRead: ReadCallback): Socket {
  // `handle` is no documented option, and `this` is not the typed one of the callback.
  const options: SocketConstructorOpts & { handle: unknown; onread: OnReadOpts } = {
    handle: clientHandle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    onread: {
      buffer: readBuffer,
      callback(this: Socket, length: number): boolean {
        return onRead(this, length, readBuffer)
      },
    },
  }
  const socket = new Socket(options)
  // As net.Server does: it counts connections by the one, http-terminator asks the other.
  Object.assign(socket, { server, _server: server })
  sharing.add(socket)
  return socket
}
