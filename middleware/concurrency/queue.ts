/**
 * The queue: requests that wait for a slot, in one list for each priority, in order of arrival. A request can be
 * removed from any place in constant time. A request that has waited too long is rejected.
 */
import type { Clock } from './clock.js'

/** The priorities, the highest first. */
export const PRIORITIES = ['high', 'normal', 'low'] as const
/** A priority. */
export type Priority = (typeof PRIORITIES)[number]

/** A request, as far as the queue must know it. */
export interface Prioritized {
  readonly priority: Priority
}

interface QueueEntry<Waiting> {
  readonly candidate: Waiting
  readonly since: number
  older: QueueEntry<Waiting> | undefined
  newer: QueueEntry<Waiting> | undefined
}

/** A doubly linked list. */
class LinkedList<Waiting> {
  oldest: QueueEntry<Waiting> | undefined
  newest: QueueEntry<Waiting> | undefined

  append(entry: QueueEntry<Waiting>): void {
    entry.older = this.newest
    if (this.newest === undefined) this.oldest = entry
    else this.newest.newer = entry
    this.newest = entry
  }

  remove({ older, newer }: QueueEntry<Waiting>): void {
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    if (newer === undefined) this.newest = older
    else newer.older = older
  }
}

/** The queue of a policy. */
export class RequestQueue<Waiting extends Prioritized> {
  readonly #entries = new Map<Waiting, QueueEntry<Waiting>>()
  readonly #lists: Readonly<Record<Priority, LinkedList<Waiting>>> = { high: new LinkedList(), normal: new LinkedList(), low: new LinkedList() }

  get size(): number {
    return this.#entries.size
  }

  /** When the request that has waited longest was added; undefined while the queue is empty. */
  get oldestSince(): number | undefined {
    return this.#oldest()?.since
  }

  add(candidate: Waiting, now: number): void {
    const entry: QueueEntry<Waiting> = { candidate, since: now, older: undefined, newer: undefined }
    this.#entries.set(candidate, entry)
    this.#lists[candidate.priority].append(entry)
  }

  /** Removes a request. False where it was not waiting. */
  remove(candidate: Waiting): boolean {
    const entry = this.#entries.get(candidate)
    if (entry === undefined) return false
    this.#entries.delete(candidate)
    this.#lists[candidate.priority].remove(entry)
    return true
  }

  /** Takes the next request out: the newest or the oldest of the highest priority. */
  take(newestFirst: boolean): Waiting | undefined {
    for (const priority of PRIORITIES) {
      const list = this.#lists[priority]
      const entry = newestFirst ? list.newest : list.oldest
      if (entry !== undefined) return this.#takeOut(entry)
    }
    return undefined
  }

  /**
   * Takes out the oldest request of the lowest priority, to make room; undefined where all are above the newcomer's.
   */
  evictFor(newcomer: Prioritized): Waiting | undefined {
    for (let rank = PRIORITIES.length - 1; rank >= PRIORITIES.indexOf(newcomer.priority); rank--) {
      const priority = PRIORITIES[rank]
      const entry = priority === undefined ? undefined : this.#lists[priority].oldest
      if (entry !== undefined) return this.#takeOut(entry)
    }
    return undefined
  }

  /** Takes out a request that was added at `latest` or before. */
  takeExpired(latest: number): Waiting | undefined {
    const entry = this.#oldest()
    return entry !== undefined && entry.since <= latest ? this.#takeOut(entry) : undefined
  }

  #oldest(): QueueEntry<Waiting> | undefined {
    const { high, normal, low } = this.#lists
    return older(older(high.oldest, normal.oldest), low.oldest)
  }

  #takeOut(entry: QueueEntry<Waiting>): Waiting {
    this.remove(entry.candidate)
    return entry.candidate
  }
}

function older<Waiting>(one: QueueEntry<Waiting> | undefined, other: QueueEntry<Waiting> | undefined): QueueEntry<Waiting> | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one.since <= other.since ? one : other
}

/** Removes requests that have waited too long: at each `expire()`, and by a timer while the queue is not empty. */
export class QueueTimeouts<Waiting extends Prioritized> {
  readonly #clock: Clock
  readonly #queue: RequestQueue<Waiting>
  readonly #timeout: () => number
  readonly #onTimeout: (waiting: Waiting) => void
  #stopTimer: (() => void) | undefined

  /**
   * @param timeout milliseconds that a request may wait; asked each time, as it may change
   * @param onTimeout called with each request that was removed
   */
  constructor(clock: Clock, queue: RequestQueue<Waiting>, timeout: () => number, onTimeout: (waiting: Waiting) => void) {
    this.#clock = clock
    this.#queue = queue
    this.#timeout = timeout
    this.#onTimeout = onTimeout
  }

  expire(now: number): void {
    const latest = now - this.#timeout()
    for (let expired = this.#queue.takeExpired(latest); expired !== undefined; expired = this.#queue.takeExpired(latest)) this.#onTimeout(expired)
  }

  /** To be called when a request was added. */
  arm(now: number): void {
    const since = this.#queue.oldestSince
    if (this.#stopTimer !== undefined || since === undefined) return
    this.#stopTimer = this.#clock.setTimeout(() => {
      this.#stopTimer = undefined
      const later = this.#clock.now()
      this.expire(later)
      this.arm(later)
    }, Math.max(0, since + this.#timeout() - now))
  }

  close(): void {
    this.#stopTimer?.()
  }
}
