/** Connections to the application: opened when needed, one request at a time on each, kept where it allows it. */
import net from 'node:net'
import { FastCgiError } from '../errors.js'
import type { ResolvedOptions } from './options.js'
import type { Target } from './target.js'

/** How long a connection that is being closed may take to close, in milliseconds. */
const CLOSING_TIME = 1000

/** The user of a connection, whose methods are called for its events. */
export interface ConnectionUser {
  onData(chunk: Buffer): void
  onDrain(): void
  onTimeout(): void
  /** The connection is gone: closed by the application, or failed. No other call follows. */
  onClosed(error: Error | undefined): void
}

/** One connection to the application, with at most one request at a time. */
export class UpstreamConnection {
  readonly socket: net.Socket
  /** Whether an earlier request has been answered on it, so that the application may be about to close it. */
  reused = false
  #user: ConnectionUser | undefined
  #error: Error | undefined

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      if (this.#user === undefined) socket.destroy()
      else this.#user.onData(chunk)
    })
    socket.on('drain', () => this.#user?.onDrain())
    socket.on('timeout', () => {
      if (this.#user === undefined) socket.destroy()
      else this.#user.onTimeout()
    })
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('end', () => {
      this.#closed()
    })
    socket.on('close', () => {
      this.#closed()
    })
  }

  /** Whether a request can be sent on it. */
  get usable(): boolean {
    return this.socket.writable && !this.socket.readableEnded && !this.socket.destroyed
  }

  /** Sets whose methods are called for events. undefined: the connection is free, and data that comes closes it. */
  set user(user: ConnectionUser | undefined) {
    this.#user = user
  }

  #closed(): void {
    const user = this.#user
    this.#user = undefined
    user?.onClosed(this.#error)
  }
}

/** The application, as the gateway sees it: connections that are kept, and new ones. */
export class Upstream {
  readonly #target: Target
  readonly #options: ResolvedOptions
  readonly #idle = new Set<UpstreamConnection>()

  constructor(target: Target, options: ResolvedOptions) {
    this.#target = target
    this.#options = options
  }

  /**
   * A connection for one request: the one used last of those that are idle, or a new one.
   *
   * @throws FastCgiError ERR_FCGI_UPSTREAM_CONNECT.
   */
  async acquire(fresh: boolean): Promise<UpstreamConnection> {
    const kept = fresh ? undefined : this.#takeIdle()
    if (kept !== undefined) return kept
    try {
      return new UpstreamConnection(await connect(await this.#target.connectOptions(), this.#options.timeout))
    } catch (error) {
      if (error instanceof FastCgiError) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new FastCgiError('ERR_FCGI_UPSTREAM_CONNECT', `cannot connect to the application: ${reason}`, { cause: error })
    }
  }

  /** Gives a connection back whose request is answered, for the next one. */
  release(connection: UpstreamConnection): void {
    if (!this.#options.keepConnection || this.#idle.size >= this.#options.idleConnections || !connection.usable) {
      this.discard(connection)
      return
    }
    const { socket } = connection
    connection.reused = true
    connection.user = { onData: drop, onDrain: nothing, onTimeout: drop, onClosed: () => this.#idle.delete(connection) }
    this.#idle.add(connection)
    socket.setTimeout(0)
    socket.resume()
    socket.unref()

    function drop(): void {
      socket.destroy()
    }
  }

  /** Closes a connection after the bytes that are still to be written, `last` among them. */
  discard(connection: UpstreamConnection, last?: Uint8Array): void {
    const { socket } = connection
    connection.user = undefined
    socket.removeAllListeners('data')
    socket.setTimeout(CLOSING_TIME)
    if (last === undefined) socket.end()
    else socket.end(last)
    socket.resume()
    socket.unref()
  }

  /** Closes the idle connections, and what was opened to listen. */
  close(): void {
    for (const { socket } of this.#idle) socket.destroy()
    this.#idle.clear()
    this.#target.close()
  }

  #takeIdle(): UpstreamConnection | undefined {
    for (const connection of [...this.#idle].reverse()) {
      this.#idle.delete(connection)
      connection.user = undefined
      connection.socket.ref()
      if (connection.usable) return connection
    }
    return undefined
  }
}

function nothing(): void {
  // an idle connection has nothing to write
}

function connect(options: net.NetConnectOpts, timeout: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(options)
    const settle = () => {
      socket.off('connect', onConnect).off('error', onError).off('timeout', onTimeout).setTimeout(0)
    }
    const onConnect = () => {
      settle()
      resolve(socket)
    }
    const onError = (error: Error) => {
      settle()
      reject(error)
    }
    const onTimeout = () => {
      settle()
      socket.destroy()
      reject(new FastCgiError('ERR_FCGI_UPSTREAM_TIMEOUT', 'the application does not accept the connection in time'))
    }
    socket.on('connect', onConnect).on('error', onError).on('timeout', onTimeout).setTimeout(timeout)
  })
}
