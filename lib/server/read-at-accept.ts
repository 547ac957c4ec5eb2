/**
 * Reads what a new connection has brought at the moment in which it is accepted.
 *
 * libuv accepts one connection in each turn of the event loop, and before it reads from those of the turn before. So while
 * a handler runs, there is always one connection that has been accepted and not read: its request waits for this process,
 * though another worker may have time, and it is lost with this process. A web server sends the request right after it has
 * connected, so most often it is there already. Where it is not, nothing is lost but the attempt, and that is not made for
 * some of the next connections.
 */
import { readSync } from 'node:fs'
import { readBuffer, type AcceptedSocket } from './accepted-socket.js'
import { runInOwnResource } from './async-context.js'

/** So many connections at most go by without an attempt, after attempts that found nothing. */
const MAX_PASSED = 32

/** Reads from the connections of one server. */
export class AcceptReader {
  /** How many connections are to go by. */
  #passing = 0
  /** How many are to go by if the next attempt finds nothing, too. */
  #next = 1

  /** To be called once a connection can be read from. What was read is given to its callback, as if it had come later. */
  read(socket: AcceptedSocket, fd: number): void {
    if (this.#passing > 0) {
      this.#passing -= 1
      return
    }
    const length = readIntoBuffer(fd)
    if (length > 0) {
      this.#next = 1
      runInOwnResource(() => {
        socket.take(length)
      })
    } else {
      this.#passing = this.#next
      this.#next = Math.min(MAX_PASSED, this.#next * 2)
    }
  }
}

/** How many bytes were read. An end stays where it is, and what has failed fails for whoever reads next, or has ended. */
function readIntoBuffer(fd: number): number {
  try {
    return readSync(fd, readBuffer)
  } catch {
    // EAGAIN: nothing has arrived.
    return 0
  }
}
