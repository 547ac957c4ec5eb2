/** What decides about requests in the simulation: our limit, and what it is compared with. */
import type { InFlightNode } from '../../middleware/concurrency/in-flight-list.js'
import type { EventLoop } from './event-loop.js'
import type { Random } from './random.js'

/** A request as the middleware sees it. */
export interface Visit {
  readonly priority: 'normal'
  startedAt: number | undefined
  holdsSlot: boolean
  /** When the proxy got it, in milliseconds: `X-Request-Start`. Undefined without a proxy. */
  readonly receivedByProxyAt: number | undefined
  /** The request target; '' where that is not told. */
  readonly target: string
  /** The client has gone, and the server knows it. */
  readonly unanswered: boolean
  /** The same, and there was no answer before. */
  readonly clientLeft: boolean
  /** Never here: clients send and read all at once. */
  readonly waitsForClient: boolean
  /** Notes of the limit's own. */
  inFlight: boolean
  older: InFlightNode | undefined
  newer: InFlightNode | undefined
  /** Calls the handler. Once. */
  start(): void
  /** Answers 503. Once, instead of `start()`. */
  reject(): void
}

export interface Contender {
  /** A request has been read. */
  arrive(visit: Visit): void
  /** A started request has been answered, or its client has left. Once for each. */
  release(visit: Visit): void
  /** The client of a request that was not started has left. */
  leave(visit: Visit): void
  /** What the limit is, for those that have one. */
  limit?(): number
  /** Microtasks to wait for after each callback. */
  settle?(): Promise<void>
}

export interface ContenderKind {
  name: string
  create(loop: EventLoop, random: Random): Contender
}
