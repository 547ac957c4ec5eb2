/** What decides, and what it decides on: the types that policies and requests have in common. */
import type { InFlightNode } from './in-flight-list.js'
import type { Prioritized } from './queue.js'

/** Why a request was turned away. */
export type Reason = 'limit' | 'queue-full' | 'queue-timeout' | 'loop' | 'proxy-queue' | 'key'

/** The slots of a policy, and the only count of the requests that hold one. */
export interface Slots {
  /** How many are held. */
  readonly active: number
  /** How many there are. What is held may be more for a while. */
  capacity: number
  readonly hasFree: boolean
  /** Takes a slot. The function that comes back releases it, once; `onFree` is called as soon as it can be had again. */
  acquire(onFree: () => void): () => void
}

/** A request as a policy sees it. */
export interface Candidate extends Prioritized, InFlightNode {
  /** When the proxy got it, in milliseconds of the policy's clock; undefined where that is not known. */
  readonly receivedByProxyAt: number | undefined
  /** The request target, as it came. */
  readonly target: string
  /** Its client has left, or it counts no longer. */
  readonly unanswered: boolean
  /** Its client has left before there was an answer. */
  readonly clientLeft: boolean
  /** The policy's own note of when it started. */
  startedAt: number | undefined
  /** The policy's own: gives its slot back. */
  releaseSlot: (() => void) | undefined
  /** Since it was started it only waits for its client: to send the rest of its body, or to read the answer. */
  readonly waitsForClient: boolean
  start(): void
  /** Where the policy only observes, it counts, and `start()` follows. */
  reject(reason: Reason): void
}

/** The order of the queue: `adaptive` is first in, first out, until it has been congested for some time. */
export const ORDERS = ['adaptive', 'fifo', 'lifo'] as const
/** In which order those who wait start. */
export type Order = (typeof ORDERS)[number]

/** The queue, as it was configured; what is undefined is the policy's to choose. */
export interface QueueSettings {
  /** 0: nobody waits. */
  readonly max: number | undefined
  /** Milliseconds. */
  readonly timeout: number | undefined
  readonly order: Order
}

/** Decides who starts, who waits and who is turned away. Who starts holds one of its slots. */
export interface AdmissionPolicy<Request extends Candidate> {
  limit: number
  /** Requests that hold a slot. */
  readonly active: number
  readonly waiting: number
  /** A request has been read. */
  arrive(request: Request): void
  /** A started request is over, or no longer counts. */
  release(request: Request): void
  /** A waiting request's client has left. */
  leave(request: Request): void
  /** Lets everybody in who waits. What comes later must not be given to it. */
  close(): void
}
