/**
 * The option `maxHold`: takes slots back from handlers that do not answer. A timer looks at all held slots now and
 * then. They are in an array: a Map would cost each request several times more, for its entries survive V8's minor
 * collections.
 */
import type { Clock } from './clock.js'

/** The interval of the timer, as a share of `maxHold`: a slot is taken back late by so much at most. */
const CHECK_SHARE = 0.25

/** The field of a request by which its slot can be taken back. */
export interface HeldSlot {
  /** Its index in the array of held slots; -1 while it is not in it. */
  slotIndex: number
}

/** The slots that are held, and since when. */
export class SlotTimeouts<Slot extends HeldSlot> {
  readonly #clock: Clock
  readonly #timeout: number
  readonly #onTimeout: (held: Slot, milliseconds: number) => void
  readonly #held: (Slot | undefined)[] = []
  /** Since when each of them is held, milliseconds of the clock. */
  readonly #since: number[] = []
  /** The first `#freeCount` are free. The array is not made shorter: to lengthen it again would allocate for each request. */
  readonly #freeIndexes: number[] = []
  #freeCount = 0
  #stopTimer: (() => void) | undefined

  constructor(clock: Clock, timeout: number, onTimeout: (held: Slot, milliseconds: number) => void) {
    this.#clock = clock
    this.#timeout = timeout
    this.#onTimeout = onTimeout
  }

  started(slot: Slot, now: number): void {
    slot.slotIndex = this.#freeCount === 0 ? this.#held.length : this.#freeIndexes[this.#freeCount -= 1] ?? 0
    this.#held[slot.slotIndex] = slot
    this.#since[slot.slotIndex] = now
    if (this.#stopTimer === undefined) this.#arm()
  }

  ended(slot: Slot): void {
    if (slot.slotIndex === -1) return
    this.#held[slot.slotIndex] = undefined
    this.#freeIndexes[this.#freeCount] = slot.slotIndex
    this.#freeCount += 1
    slot.slotIndex = -1
  }

  close(): void {
    this.#stopTimer?.()
  }

  #arm(): void {
    this.#stopTimer = this.#clock.setTimeout(() => {
      this.#stopTimer = undefined
      this.#check(this.#clock.now())
      if (this.#freeCount < this.#held.length) this.#arm()
    }, Math.ceil(this.#timeout * CHECK_SHARE))
  }

  #check(now: number): void {
    for (const [index, slot] of this.#held.entries()) {
      const heldFor = now - (this.#since[index] ?? now)
      if (slot === undefined || heldFor < this.#timeout) continue
      this.ended(slot)
      this.#onTimeout(slot, heldFor)
    }
  }
}
