/** Slots that are only counted: the simulation needs no p-limit to hold them. */
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

  take(): void {
    this.active += 1
  }

  release(): void {
    this.active -= 1
  }
}
