/** The requests of one connection by their ids. Nearly every connection carries one at a time: a Map is only made for more. */

/** Requests by the ids that the web server gives them (FastCGI specification, section 3.3). */
export class RequestMap<Request extends { readonly requestId: number }> {
  #only: Request | undefined
  #others: Map<number, Request> | undefined

  get isEmpty(): boolean {
    return this.#only === undefined && this.#others === undefined
  }

  get size(): number {
    return (this.#only === undefined ? 0 : 1) + (this.#others?.size ?? 0)
  }

  get(requestId: number): Request | undefined {
    const only = this.#only
    return only?.requestId === requestId ? only : this.#others?.get(requestId)
  }

  add(request: Request): void {
    if (this.#only === undefined) this.#only = request
    else (this.#others ??= new Map<number, Request>()).set(request.requestId, request)
  }

  remove(request: Request): void {
    if (this.#only === request) this.#only = undefined
    else this.#others?.delete(request.requestId)
    if (this.#others?.size === 0) this.#others = undefined
  }

  clear(): void {
    this.#only = undefined
    this.#others = undefined
  }

  /** All of them, as they are now. */
  list(): Request[] {
    const others = this.#others === undefined ? [] : [...this.#others.values()]
    return this.#only === undefined ? others : [this.#only, ...others]
  }
}
