/** The body of one request: what STDIN brings, given to Node's request as the app reads it. */
import { closeUnread, type InternalRequest } from '../http/node-internals.js'

/** How much of the body has come, and whether the app was told of its end. */
const BodyState = { OPEN: 0, ENDED: 1, DELIVERED: 2 } as const

type BodyStateValue = (typeof BodyState)[keyof typeof BodyState]

const UNKNOWN_LENGTH = -1

/** The request to which a body belongs. */
export interface BodyOwner {
  /** Node's request; undefined before the app was given it. */
  readonly request: InternalRequest | undefined
}

/** STDIN of one request. */
export class RequestBody {
  /** Whether there is one: of a length over 0, or of an unknown one. */
  exists = false
  /** Bytes that were announced, or -1 where this is not known. */
  announced = UNKNOWN_LENGTH
  /** Bytes so far. */
  received = 0
  readonly #owner: BodyOwner
  #state: BodyStateValue = BodyState.OPEN

  constructor(owner: BodyOwner) {
    this.#owner = owner
  }

  /** Whether all of STDIN has come. */
  get ended(): boolean {
    return this.#state !== BodyState.OPEN
  }

  /** Bytes that the app has not read. */
  get buffered(): number {
    return this.#owner.request?.readableLength ?? 0
  }

  /** Whether the app may read it. If not, its bytes are dropped without being copied. */
  get isWanted(): boolean {
    const { request } = this.#owner
    if (request === undefined || request._dumped || request.destroyed) return false
    return request.readableFlowing !== true || request.listenerCount('data') > 0
  }

  /** Whether it has a listener for 'data' or 'readable'. */
  get hasReader(): boolean {
    const { request } = this.#owner
    return request !== undefined && (request.listenerCount('data') > 0 || request.listenerCount('readable') > 0)
  }

  /** Gives the app a piece; false where it has enough for now. */
  push(chunk: Buffer): boolean {
    return this.#owner.request?.push(chunk) ?? true
  }

  /** All of STDIN has come. The end is delivered when the app reads: most requests have no body and no reader. */
  end(): void {
    if (this.#state !== BodyState.OPEN) return
    this.#state = BodyState.ENDED
    const { request } = this.#owner
    if (request === undefined) return
    request.complete = true
    if (request._consuming || request.readableLength > 0) this.deliverEnd()
  }

  /** Gives the app the end of the body, once, if it has come. */
  deliverEnd(): void {
    if (this.#state !== BodyState.ENDED) return
    this.#state = BodyState.DELIVERED
    this.#owner.request?.push(null)
  }

  /** The response has left: a body that the app has not read is thrown away. */
  settle(): void {
    const { request } = this.#owner
    if (request === undefined || request._consuming || request._readableState.resumeScheduled || request.destroyed) return
    if (this.#state === BodyState.ENDED && request._eventsCount === 0) {
      this.#state = BodyState.DELIVERED
      closeUnread(request)
      return
    }
    // Node 26's `_dump()` reads a complete body without flowing mode, so the end has to be delivered before.
    this.deliverEnd()
    request._dump()
  }
}
