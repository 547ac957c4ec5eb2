/**
 * Takes slots back from handlers that do not answer. Looks at all that are held now and then: a Map of them would cost
 * each request several times more, in garbage that outlives its scavenges.
 */
import type { Clock } from './clock.js'

/** A slot is taken back at most this share of `maxHold` late. */
const CHECK_SHARE = 0.25

/** What a request has so that its slot can be taken back. */
export interface HeldSlot {
  /** Where it stands in the list of held slots; -1 where it does not. */
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
