/** What decides, and what it decides on: the types that policies and requests have in common. */
import type { InFlightNode } from './in-flight-list.js'
import type { Prioritized } from './queue.js'

/** Why a request was turned away. */
export type Reason = 'limit' | 'queue-full' | 'queue-timeout' | 'loop' | 'proxy-queue' | 'key'

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
  /** Since it was started it only waits for its client: to send the rest of its body, or to read the answer. */
  readonly waitsForClient: boolean
  start(): void
  /** Where the policy only observes, it counts, and `start()` follows. */
  reject(reason: Reason): void
}

/** The order of the queue: `adaptive` is first in, first out, until it has been congested for some time. */
export const ORDERS = ['adaptive', 'fifo', 'lifo'] as const
export type Order = (typeof ORDERS)[number]

/** The queue, as it was configured; what is undefined is the policy's to choose. */
export interface QueueSettings {
  /** 0: nobody waits. */
  readonly max: number | undefined
  /** Milliseconds. */
  readonly timeout: number | undefined
  readonly order: Order
}

/** Decides who starts, who waits and who is turned away. */
export interface AdmissionPolicy<Request extends Candidate> {
  limit: number
  readonly waiting: number
  /** A request has been read. */
  arrive(request: Request): void
  /** A started request is over, or no longer counts. */
  release(request: Request): void
  /** Starts who can start now. To be called once what was released is free. */
  readonly drain: () => void
  /** A waiting request's client has left. */
  leave(request: Request): void
  /** Lets everybody in who waits. What comes later must not be given to it. */
  close(): void
}
