/** Sends away who has waited too long: when somebody looks, and by a timer while anybody waits. */
import type { Clock } from './admission.js'
import type { Guest, WaitingRoom } from './waiting-room.js'

export class Eviction<Waiting extends Guest> {
  readonly #clock: Clock
  readonly #room: WaitingRoom<Waiting>
  readonly #patience: () => number
  readonly #late: (waiting: Waiting) => void
  #stopTimer: (() => void) | undefined

  /**
   * @param patience milliseconds that one may wait; may change
   * @param late called with each who has left the room for having waited too long
   */
  constructor(clock: Clock, room: WaitingRoom<Waiting>, patience: () => number, late: (waiting: Waiting) => void) {
    this.#clock = clock
    this.#room = room
    this.#patience = patience
    this.#late = late
  }

  evict(now: number): void {
    const latest = now - this.#patience()
    for (let late = this.#room.takeSince(latest); late !== undefined; late = this.#room.takeSince(latest)) this.#late(late)
  }

  /** Somebody has begun to wait. */
  arm(now: number): void {
    const since = this.#room.oldestSince
    if (this.#stopTimer !== undefined || since === undefined) return
    this.#stopTimer = this.#clock.setTimeout(() => {
      this.#stopTimer = undefined
      const later = this.#clock.now()
      this.evict(later)
      this.arm(later)
    }, Math.max(0, since + this.#patience() - now))
  }

  close(): void {
    this.#stopTimer?.()
  }
}
