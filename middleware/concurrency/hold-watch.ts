/**
 * Takes slots back from handlers that do not answer. Looks at all that are held now and then: a Map of them would cost
 * each request several times more, in garbage that outlives its scavenges.
 */
import type { Clock } from './admission.js'

/** A slot is taken back at most this share of `maxHold` late. */
const LATE = 0.25

export interface Held {
  /** Where it stands in the watch's list; -1 where it does not. */
  place: number
  readonly heldSince: number
}

export class HoldWatch<Ticket extends Held> {
  readonly #clock: Clock
  readonly #most: number
  readonly #leaked: (held: Ticket, milliseconds: number) => void
  readonly #held: (Ticket | undefined)[] = []
  readonly #vacant: number[] = []
  #count = 0
  #stopTimer: (() => void) | undefined

  constructor(clock: Clock, most: number, leaked: (held: Ticket, milliseconds: number) => void) {
    this.#clock = clock
    this.#most = most
    this.#leaked = leaked
  }

  started(held: Ticket): void {
    held.place = this.#vacant.pop() ?? this.#held.length
    this.#held[held.place] = held
    this.#count += 1
    if (this.#stopTimer === undefined) this.#arm()
  }

  ended(held: Ticket): void {
    if (held.place === -1) return
    this.#held[held.place] = undefined
    this.#vacant.push(held.place)
    this.#count -= 1
    held.place = -1
  }

  close(): void {
    this.#stopTimer?.()
  }

  #arm(): void {
    this.#stopTimer = this.#clock.setTimeout(() => {
      this.#stopTimer = undefined
      this.#check(this.#clock.now())
      if (this.#count > 0) this.#arm()
    }, Math.ceil(this.#most * LATE))
  }

  #check(now: number): void {
    for (const held of this.#held) {
      if (held === undefined || now - held.heldSince < this.#most) continue
      this.ended(held)
      this.#leaked(held, now - held.heldSince)
    }
  }
}
