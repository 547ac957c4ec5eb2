/** The types that policies share: a policy, its slots, its queue's settings, and a request as a policy sees it. */
import type { InFlightNode } from './in-flight-list.js'
import type { Prioritized } from './queue.js'

/** Why a request was turned away. */
export type Reason = 'limit' | 'queue-full' | 'queue-timeout' | 'loop' | 'proxy-queue' | 'key'

/** The slots of a policy, and the only count of the requests that hold one. */
export interface Slots {
  /** How many are taken. */
  readonly active: number
  /** How many there are. After it was lowered, more may be taken for a while. */
  capacity: number
  readonly hasFree: boolean
  /** Takes a slot, even where none is free: that is the policy's decision. */
  take(): void
  /** Releases one. To be called once for each that was taken. */
  release(): void
}

/** A request as a policy sees it. */
export interface Candidate extends Prioritized, InFlightNode {
  /** When the proxy received it, in milliseconds of the policy's clock; undefined where that is not known. */
  readonly receivedByProxyAt: number | undefined
  /** The request target, as it came. */
  readonly target: string
  /** It has ended without an answer: the client left, the handler failed or held on, or it has become a stream. */
  readonly unanswered: boolean
  /** Its client has left before there was an answer. */
  readonly clientLeft: boolean
  /** When the policy started it. For the policy alone. */
  startedAt: number | undefined
  /** For the policy alone. */
  holdsSlot: boolean
  /** It only waits for its client to send the rest of the body, or to read the answer. */
  readonly waitsForClient: boolean
  /** @param now by the policy's clock */
  start(now: number): void
  /** Turns it away. Where the policy only observes, that is counted, and `start()` follows. */
  reject(reason: Reason): void
}

/** The order of the queue: `adaptive` is first in, first out, until it has been congested for some time. */
export const ORDERS = ['adaptive', 'fifo', 'lifo'] as const
/** The order in which waiting requests start. */
export type Order = (typeof ORDERS)[number]

/** The settings of the queue. What is undefined, the policy chooses. */
export interface QueueSettings {
  /** Requests that may wait; 0: none. */
  readonly max: number | undefined
  /** Milliseconds. */
  readonly timeout: number | undefined
  readonly order: Order
}

/** Decides for each request whether it starts, waits or is turned away. A started request holds one of its slots. */
export interface AdmissionPolicy<Request extends Candidate> {
  limit: number
  /** Requests that hold a slot. */
  readonly active: number
  readonly waiting: number
  /** All slots are held and the queue is full. Never where it only observes. */
  readonly isFull: boolean
  /** A request has come. */
  arrive(request: Request): void
  /** A started request is over, or no longer counts. */
  release(request: Request): void
  /** A waiting request's client has left. */
  leave(request: Request): void
  /** Starts all requests that wait. No more requests must be given to it. */
  close(): void
}
