/** One request at one cap, from its arrival to its end. Whatever happens, it takes at most one slot and releases it once. */
import { AsyncResource } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Admission, Reason, Rule } from './admission.js'
import { Exchange, hasLeft, type Ending, type Holding } from './exchange.js'
import type { Held } from './hold-watch.js'
import type { Linked } from './in-flight.js'
import type { Slots } from './slots.js'
import type { Priority } from './waiting-room.js'

/** A rule and the slots that it gives out. */
export interface Gateway {
  readonly rule: Rule<Ticket>
  readonly slots: Slots
  /** Called as soon as a released slot can be had again. */
  readonly freed: () => void
  /** Called when somebody who waited is gone: perhaps he was the last. Only where that matters. */
  readonly vacated?: () => void
}

/** What a ticket tells the cap. */
export interface Desk {
  readonly releaseAtEnd: boolean
  now(): number
  accepted(ticket: Ticket): void
  waited(milliseconds: number): void
  abandoned(ticket: Ticket): void
  ended(ticket: Ticket): void
  /** Counts, and answers unless the cap only observes. Whether it was answered. */
  rejected(ticket: Ticket, reason: Reason): boolean
}

type State = 'arriving' | 'waiting' | 'held' | 'over'

export class Ticket implements Admission, Holding, Held {
  left = false
  unread = false
  startedAt: number | undefined
  inFlight = false
  older: Linked | undefined
  newer: Linked | undefined
  place = -1
  heldSince = 0
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly next: (error?: unknown) => void
  readonly priority: Priority
  readonly stamped: number | undefined
  readonly desk: Desk
  readonly #gateway: Gateway
  #state: State = 'arriving'
  #release: (() => void) | undefined
  /** Where it waits: since when, and in whose context it goes on. */
  #since = 0
  #context: AsyncResource | undefined

  constructor(
    desk: Desk, gateway: Gateway, request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void,
    priority: Priority, stamped: number | undefined,
  ) {
    this.desk = desk
    this.#gateway = gateway
    this.request = request
    this.response = response
    this.next = next
    this.priority = priority
    this.stamped = stamped
  }

  get target(): string {
    const { url = '', originalUrl } = this.request as IncomingMessage & { originalUrl?: unknown }
    return typeof originalUrl === 'string' ? originalUrl : url
  }

  /** Asked only while slots are scarce. */
  get waitsForClient(): boolean {
    return this.response.writableEnded || !this.request.complete
  }

  get releaseAtEnd(): boolean {
    return this.desk.releaseAtEnd
  }

  arrive(): void {
    this.#gateway.rule.arrive(this)
    if (this.#state !== 'arriving') return
    this.#state = 'waiting'
    this.#since = this.desk.now()
    this.#context = new AsyncResource('concurrencyLimit', { requireManualDestroy: true })
    Exchange.of(this.request, this.response).add(this)
  }

  start(): void {
    const context = this.#context
    if (context !== undefined && (this.response.writableEnded || hasLeft(this.request, this.response))) {
      this.#giveUp()
      return
    }
    this.#state = 'held'
    this.heldSince = this.desk.now()
    this.#release = this.#gateway.slots.take(this.#gateway.freed)
    this.desk.accepted(this)
    if (context === undefined) {
      Exchange.of(this.request, this.response).add(this)
      this.#run()
      return
    }
    this.desk.waited(this.heldSince - this.#since)
    context.runInAsyncScope(this.#runAlone, this)
  }

  reject(reason: Reason): void {
    const context = this.#context
    const before = this.#state
    this.#state = 'over'
    const answered = context === undefined ? this.desk.rejected(this, reason) : context.runInAsyncScope(this.#rejectAlone, this, reason)
    if (!answered) this.#state = before
  }

  end(ending: Ending): void {
    const state = this.#state
    if (state === 'over') return
    this.#state = 'over'
    if (state !== 'held') {
      this.#gateway.rule.leave(this)
      this.desk.abandoned(this)
      return
    }
    this.left = ending !== 'answered'
    this.unread = ending === 'left'
    this.#release?.()
    this.#gateway.rule.release(this)
    this.desk.ended(this)
  }

  /** It waits no longer, and never had a slot. */
  vacated(): void {
    this.#gateway.vacated?.()
  }

  /** Its turn has come, and its client has gone without a word so far, or has its answer: the rule thinks that it has started. */
  #giveUp(): void {
    this.#state = 'over'
    this.left = this.unread = true
    this.#gateway.rule.release(this)
    this.desk.abandoned(this)
  }

  /** Called from a queue: what the app throws is the app's, and must not keep the others from their turn. */
  #runAlone(): void {
    try {
      this.#run()
    } catch (error) {
      throwLater(error)
    }
  }

  #rejectAlone(reason: Reason): boolean {
    try {
      return this.desk.rejected(this, reason)
    } catch (error) {
      throwLater(error)
      return true
    }
  }

  #run(): void {
    try {
      this.next()
    } catch (error) {
      this.end('failed')
      throw error
    }
    // An upgraded connection is somebody else's from here on.
    if ('upgrade' in this.request && this.request.upgrade === true) this.end('streams')
  }
}

/** As if a callback of the request's own had thrown it. */
function throwLater(error: unknown): void {
  process.nextTick(() => { throw error })
}
