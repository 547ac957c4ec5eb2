/** The slots, which p-limit holds. It starts nothing: a request starts in its own time, and p-limit waits for its end. */
import pLimit from 'p-limit'
import type { Slots } from './policy.js'

/** Slots, held by p-limit. */
export class Semaphore implements Slots {
  readonly #limit: ReturnType<typeof pLimit>
  #capacity: number

  /** There may be none, too: p-limit cannot say so, and is only asked while one is free. */
  constructor(capacity: number) {
    this.#capacity = capacity
    this.#limit = pLimit(Math.max(1, capacity))
  }

  /** How many are held. It falls some microtasks after a slot's release. */
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
  // Replaced before anybody can call it.
}
