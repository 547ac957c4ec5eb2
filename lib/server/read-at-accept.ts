/**
 * Reads what a new connection has brought at the moment in which it is accepted.
 *
 * libuv accepts one connection in each turn of the event loop, and before it reads from those of the turn before. So while
 * a handler runs, there is always one connection that has been accepted and not read: its request waits for this process,
 * though another worker may have time, and it is lost with this process. A web server sends the request right after it has
 * connected, so most often it is there already. Where it is not, nothing is lost but the attempt, and that is not made for
 * some of the next connections.
 */
import type { AcceptedSocket } from './accepted-socket.js'

/** So many connections at most go by without an attempt, after attempts that found nothing. */
const MAX_PASSED = 32

/** Reads from the connections of one server. */
export class AcceptReader {
  /** How many connections are to go by. */
  #passing = 0
  /** How many are to go by if the next attempt finds nothing, too. */
  #next = 1

  /** To be called once a connection can be read from. What was read is given to its callback, as if it had come later. */
  read(socket: AcceptedSocket): void {
    if (this.#passing > 0) {
      this.#passing -= 1
      return
    }
    if (socket.takeArrived()) this.#next = 1
    else {
      this.#passing = this.#next
      this.#next = Math.min(MAX_PASSED, this.#next * 2)
    }
  }
}
