/** Slots that are free at once when they are released: the semaphore of the middleware takes some microtasks, which the simulation has not. */
import type { Slots } from '../../middleware/concurrency/policy.js'

export class CountedSlots implements Slots {
  active = 0
  capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get hasFree(): boolean {
    return this.active < this.capacity
  }

  acquire(onFree: () => void): () => void {
    this.active += 1
    return () => {
      this.active -= 1
      onFree()
    }
  }
}
