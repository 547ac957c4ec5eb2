/**
 * The requests in flight, oldest first: a linked list whose links are fields of the requests, so it allocates nothing.
 */

/** The fields of a request that link it into the list. */
export interface InFlightNode {
  inFlight: boolean
  older: InFlightNode | undefined
  newer: InFlightNode | undefined
}

/** A doubly linked list of the requests in flight. */
export class InFlightList<Request extends InFlightNode> {
  #oldest: Request | undefined
  #newest: Request | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get oldest(): Request | undefined {
    return this.#oldest
  }

  add(request: Request): void {
    request.inFlight = true
    this.#size += 1
    request.older = this.#newest
    request.newer = undefined
    if (this.#newest === undefined) this.#oldest = request
    else this.#newest.newer = request
    this.#newest = request
  }

  remove(request: Request): void {
    const older = request.older as Request | undefined
    const newer = request.newer as Request | undefined
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    request.inFlight = false
    this.#size -= 1
    request.older = request.newer = undefined
  }

  /** From the oldest to the newest. The request that is visited may be removed. */
  * [Symbol.iterator](): Generator<Request> {
    let request = this.#oldest
    while (request !== undefined) {
      const next = request.newer as Request | undefined
      yield request
      request = next
    }
  }
}
