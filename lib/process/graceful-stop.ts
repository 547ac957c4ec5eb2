/** Graceful stop: every request that was accepted is answered, and then nothing is left. */
import type { Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { finished } from 'node:stream/promises'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { createHttpTerminator } from 'http-terminator'
import { addingConnectionListeners } from '../../shared/connection-listeners.js'
import { codeOf } from '../../shared/errors.js'

/** A server that can be told to keep no connection beyond its open requests. */
export interface DrainableServer extends Server {
  /** @param linger how long an idle connection may stay for the web server to close it, in milliseconds */
  drain(linger?: number): void
}

/** The place that the server listens at, as the stop sees it. */
export interface StoppedPlace {
  /** Makes it unreachable for new clients; undefined where that cannot be done without closing. */
  readonly unlist?: () => void
  /**
   * For a port that cannot be made unreachable without closing: whether connections wait to be accepted. Closing loses those that do,
   * so it is done at a moment when none does. undefined where it is not known, or where others accept them.
   */
  readonly hasWaiting?: () => boolean
  /** Whether another server listens at the same place already, so that no new process waits for this one to end. */
  readonly isSucceeded: () => boolean
}

/** So many turns of the event loop without a new connection show that the kernel holds none back. */
const MIN_QUIET_TURNS = 3
/** The most turns to wait for that. */
const MAX_TURNS = 2000
/** After so many turns new connections come all the time: any moment will do in which none waits. */
const IMPATIENT_TURNS = 50
/** How long web servers have to close idle kept connections, in ms, while clients may be waiting for the next process. */
const BRIEF_LINGER_MS = 100
/** The same where the next process serves already, as a share of the stop's time. */
const LONG_LINGER_SHARE = 0.8
/** How long a connection may take from being accepted to its first byte before a stop takes it for idle, in ms. */
const FIRST_BYTE_TIMEOUT_MS = 500
/** How often to look whether the first byte is there, in ms: sockets tell of it to their reader only. */
const FIRST_BYTE_INTERVAL_MS = 5
/** http-terminator's own time limit is set before it is known how long the stop may take: the limit of the stop comes first. */
const UNLIMITED_MS = 2 ** 31 - 1

/** For how long a stop may wait, in milliseconds. */
export interface StopTimes {
  /** For the stop as a whole; then what is still open is cut off. */
  readonly timeout: number
  /** For web servers to close idle kept connections, where the next process serves already. Default: most of `timeout`. */
  readonly linger?: number | undefined
}

/** Stops the server. */
export type Stop = (place: StoppedPlace, times: StopTimes) => Promise<void>

/** Prepares a graceful stop. Call it before the server listens, as it has to know every connection. */
export function prepareStop(server: DrainableServer): Stop {
  const { connections, terminator } = addingConnectionListeners(server, () => ({
    connections: new OpenConnections(server),
    terminator: createHttpTerminator({ server, gracefulTerminationTimeout: UNLIMITED_MS }),
  }))
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  const stop: Stop = async ({ unlist, hasWaiting, isSucceeded }, { timeout, linger = timeout * LONG_LINGER_SHARE }) => {
    const succeeded = isSucceeded()
    if (server.listening) {
      // Those in the backlog are accepted first, because close() would drop them. Once it is unlisted no new connection can come.
      unlist?.()
      if (unlist !== undefined || hasWaiting !== undefined) await backlogAccepted(server, hasWaiting)
      // http-terminator would listen until all connections are drained, and destroy new ones meanwhile. The close() of the
      // HTTP server would also close idle connections, which is too early.
      NetServer.prototype.close.call(server)
    }
    await allSpoke(connections.open, Math.min(FIRST_BYTE_TIMEOUT_MS, timeout))
    // What kept connections have sent by now gets read: a turn ends right after the event loop's poll.
    await turn()
    server.drain(succeeded ? linger : BRIEF_LINGER_MS)
    await turn()
    // http-terminator destroys idle connections, even one that the web server is about to use or to close.
    await connections.allClosed(succeeded ? timeout : BRIEF_LINGER_MS)
    await allFlushed(connections.open)
    await terminate(terminator)
    await closed
  }
  return async (place, times) => {
    const limit = setTimeout(() => {
      for (const socket of connections.open) socket.destroy()
    }, times.timeout)
    try {
      await stop(place, times)
    } finally {
      clearTimeout(limit)
    }
  }
}

/** The connections of a server. */
class OpenConnections {
  readonly open = new Set<Socket>()
  #onAllClosed: (() => void) | undefined

  constructor(server: Server) {
    // One function for all connections: there may be thousands.
    const forget = (socket: Socket): void => {
      this.open.delete(socket)
      if (this.open.size === 0) this.#onAllClosed?.()
    }
    function onClose(this: Socket): void {
      forget(this)
    }
    server.on('connection', (socket: Socket) => {
      this.open.add(socket)
      socket.on('close', onClose)
    })
  }

  /** Resolves once there is none any more, at the latest after so many milliseconds. */
  async allClosed(timeout: number): Promise<void> {
    if (this.open.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeout)
      this.#onAllClosed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

async function backlogAccepted(server: Server, hasWaiting = () => false): Promise<void> {
  let quiet = 0
  const onConnection = (): void => {
    quiet = 0
  }
  server.on('connection', onConnection)
  // Other callbacks of this turn may have taken their time: what the kernel says now, right before close(), counts.
  const isOver = (turns: number): boolean => (quiet >= MIN_QUIET_TURNS || turns >= IMPATIENT_TURNS) && !hasWaiting()
  for (let turns = 0; turns < MAX_TURNS && !isOver(turns); turns++) {
    quiet++
    await turn()
  }
  server.removeListener('connection', onConnection)
}

/** A web server connects in order to send a request: a connection that has not spoken yet is not idle, but early. */
async function allSpoke(connections: ReadonlySet<Socket>, timeout: number): Promise<void> {
  const silent = new Set([...connections].filter((socket) => socket.bytesRead === 0))
  const end = performance.now() + timeout
  while (silent.size > 0 && performance.now() < end) {
    await delay(FIRST_BYTE_INTERVAL_MS)
    for (const socket of silent) if (socket.bytesRead > 0 || socket.destroyed) silent.delete(socket)
  }
}

/**
 * http-terminator destroys what has no open request, and with it the tail of a response that is still being written:
 * no connection may be in that state when it begins. Those that get there later it leaves alone.
 */
async function allFlushed(connections: ReadonlySet<Socket>): Promise<void> {
  const isWriting = (socket: Socket): boolean => socket.writableEnded && !socket.writableFinished && !socket.destroyed
  for (let writing = find(connections, isWriting); writing !== undefined; writing = find(connections, isWriting)) {
    // It fails where the peer has closed: then the peer does not wait for the response.
    await finished(writing, { readable: false }).catch(() => undefined)
  }
}

function find<T>(values: Iterable<T>, matches: (value: T) => boolean): T | undefined {
  for (const value of values) if (matches(value)) return value
  return undefined
}

/** http-terminator's last step closes the server, which has been done. */
async function terminate(terminator: { terminate: () => Promise<void> }): Promise<void> {
  try {
    await terminator.terminate()
  } catch (error) {
    if (codeOf(error) !== 'ERR_SERVER_NOT_RUNNING') throw error
  }
}
