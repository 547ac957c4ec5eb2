/**
 * The slots of a policy, held by p-limit. A policy starts requests itself: what p-limit is given for a slot is a task that lasts as long
 * as the slot is ours. p-limit starts each task by four promises and a turn of the microtasks; so a slot that a request has released is
 * kept, and the next request takes it at once. It goes back to p-limit when there are to be fewer.
 */
import pLimit from 'p-limit'
import { ownContext } from './clock.js'
import type { Slots } from './policy.js'

/** Slots, held by p-limit. */
export class Semaphore implements Slots {
  readonly #limit: ReturnType<typeof pLimit>
  /** Of each slot that p-limit has given, or is still to give, what ends its task. */
  readonly #tasks: (() => void)[] = []
  #capacity: number
  #taken = 0

  /** @param capacity may be 0, which p-limit refuses: it gets 1, and `hasFree` tells that there is none */
  constructor(capacity: number) {
    this.#capacity = capacity
    this.#limit = pLimit(Math.max(1, capacity))
  }

  /** How many slots are taken. */
  get active(): number {
    return this.#taken
  }

  get capacity(): number {
    return this.#capacity
  }

  set capacity(most: number) {
    this.#capacity = most
    this.#limit.concurrency = Math.max(1, most)
    this.#giveBack()
  }

  get hasFree(): boolean {
    return this.#taken < this.#capacity
  }

  take(): void {
    this.#taken += 1
    if (this.#taken > this.#tasks.length) ownContext.runInAsyncScope(this.#askForSlot)
  }

  release(): void {
    this.#taken -= 1
    this.#giveBack()
  }

  /** Where a policy takes more than there are, p-limit lets the task wait, as the policy wants no slot for it. */
  readonly #askForSlot = (): void => {
    const held = new Promise<void>((resolve) => { this.#tasks.push(resolve) })
    void this.#limit(() => held)
  }

  #giveBack(): void {
    while (this.#tasks.length > Math.max(this.#capacity, this.#taken)) this.#tasks.pop()?.()
  }
}
