/**
 * The slots of a policy, counted by p-limit. A policy starts requests itself: the task that p-limit is given for each
 * slot is only a promise that lasts until the slot is released.
 */
import pLimit from 'p-limit'
import type { Slots } from './policy.js'

/** Slots, counted by p-limit. */
export class Semaphore implements Slots {
  readonly #limit: ReturnType<typeof pLimit>
  #capacity: number

  /** @param capacity may be 0, which p-limit refuses: it gets 1, and `hasFree` tells that there is none */
  constructor(capacity: number) {
    this.#capacity = capacity
    this.#limit = pLimit(Math.max(1, capacity))
  }

  /** How many slots are held. Falls some microtasks after a release. */
  get active(): number {
    return this.#limit.activeCount
  }

  get capacity(): number {
    return this.#capacity
  }

  set capacity(most: number) {
    this.#capacity = most
    this.#limit.concurrency = Math.max(1, most)
  }

  get hasFree(): boolean {
    return this.#limit.activeCount < this.#capacity
  }

  acquire(onFree: () => void): () => void {
    let release = doNothing
    const held = new Promise<void>((resolve) => { release = resolve })
    void this.#limit(() => held).then(onFree)
    return release
  }
}

function doNothing(): void {
  // Replaced before acquire() returns.
}
