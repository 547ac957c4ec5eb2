/**
 * The option `maxHold`: takes slots back from handlers that do not answer. A timer looks at all held slots now and
 * then. They are in an array: a Map would cost each request several times more, for its entries survive V8's minor
 * collections.
 */
import type { Clock } from './clock.js'

/** The interval of the timer, as a share of `maxHold`: a slot is taken back late by so much at most. */
const CHECK_SHARE = 0.25

/** The fields of a request by which its slot can be taken back. */
export interface HeldSlot {
  /** Its index in the array of held slots; -1 while it is not in it. */
  slotIndex: number
  readonly heldSince: number
}

/** The slots that are held, and since when. */
export class SlotTimeouts<Slot extends HeldSlot> {
  readonly #clock: Clock
  readonly #timeout: number
  readonly #onTimeout: (held: Slot, milliseconds: number) => void
  readonly #held: (Slot | undefined)[] = []
  readonly #freeIndexes: number[] = []
  #stopTimer: (() => void) | undefined

  constructor(clock: Clock, timeout: number, onTimeout: (held: Slot, milliseconds: number) => void) {
    this.#clock = clock
    this.#timeout = timeout
    this.#onTimeout = onTimeout
  }

  started(slot: Slot): void {
    slot.slotIndex = this.#freeIndexes.pop() ?? this.#held.length
    this.#held[slot.slotIndex] = slot
    if (this.#stopTimer === undefined) this.#arm()
  }

  ended(slot: Slot): void {
    if (slot.slotIndex === -1) return
    this.#held[slot.slotIndex] = undefined
    this.#freeIndexes.push(slot.slotIndex)
    slot.slotIndex = -1
  }

  close(): void {
    this.#stopTimer?.()
  }

  #arm(): void {
    this.#stopTimer = this.#clock.setTimeout(() => {
      this.#stopTimer = undefined
      this.#check(this.#clock.now())
      if (this.#freeIndexes.length < this.#held.length) this.#arm()
    }, Math.ceil(this.#timeout * CHECK_SHARE))
  }

  #check(now: number): void {
    for (const slot of this.#held) {
      if (slot === undefined || now - slot.heldSince < this.#timeout) continue
      this.ended(slot)
      this.#onTimeout(slot, now - slot.heldSince)
    }
  }
}
