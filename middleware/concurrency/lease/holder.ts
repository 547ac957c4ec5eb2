/**
 * One process' part in a lease: what it may run now, and when it asks again. Pure: clock, figures and line are given.
 *
 * Only the holder lowers what it holds, first for itself and then in the books, and it never goes above what it has said
 * before it is answered; so the books never show less than what runs. A lease ends for the holder a little before it ends in
 * Redis, counted from when it asked: a process that was paused starts nothing before it has asked again.
 */
import type { Clock } from '../admission.js'
import { Demand } from './demand.js'
import { REFRESH_SHARE, type LeaseLine } from './redis-lease.js'
import type { Ask, Grant } from './script.js'

/**
 * `starting`: nothing was heard yet. `held`. `settling`: Redis has not been up for a `ttl`, nobody gets more than it has.
 * `away`: Redis does not answer, and the local cap counts. `lapsed`: this process was paused for longer than its lease, and
 * asks again. `closed`.
 */
export const LEASE_STATES = ['starting', 'held', 'settling', 'away', 'lapsed', 'closed'] as const
export type LeaseState = (typeof LEASE_STATES)[number]

export interface LeaseStatus {
  readonly state: LeaseState
  /** The limit of all processes together. */
  readonly total: number
  /** How many requests this process may answer at a time now. */
  readonly held: number
  /** What it last asked for: what runs, what waits, and some to spare. */
  readonly wanted: number
  /** How many processes share the limit, as far as this one knows; 0 before it has heard of Redis. */
  readonly processes: number
}

/** What the holder must know of its process, and tell it. */
export interface Household {
  readonly active: number
  readonly waiting: number
  /** It may run so many now. */
  capped(cap: number): void
  /** The state has changed; `error` is why Redis is away. */
  told(status: LeaseStatus, error: unknown): void
}

export interface HolderOptions {
  readonly limit: number
  readonly ttl: number
  readonly timeout: number
  readonly fallback: number | undefined
}

/** The share of `ttl` after which a lease has ended for its holder. */
const VALID_SHARE = 0.9
/** Milliseconds between two words, without jitter: while more is needed and may be had… */
const POLL = 50
/** … while it holds what others may need… */
const LOOK = 250
/** … and while Redis is away. */
const RETRY = 1000
/** Many processes ask less often: milliseconds more for each. */
const POLL_EACH = 3
const LOOK_EACH = 10
/** Slots that become free within so many milliseconds are given back together. */
const GATHER = 20

export class Holder {
  readonly #clock: Clock
  readonly #options: HolderOptions
  readonly #line: LeaseLine
  readonly #household: Household
  readonly #demand = new Demand()
  readonly #startedAt: number
  #state: LeaseState = 'starting'
  #total: number
  #cap = 0
  /** In the books for it, as far as it knows. */
  #booked = 0
  #may = 0
  #share = 0
  #wanted = 1
  #processes = 0
  #validUntil = -Infinity
  #closing = false
  #turn = 0
  #sentAt = -Infinity
  /** From half to one and a half: processes that began to wait together would else go on asking together. */
  #jitter = 1
  /** The word that has no answer yet. */
  #open: Ask | undefined
  #due = Infinity
  #stopTimer: (() => void) | undefined
  #stopAwayTimers: (() => void)[] = []

  constructor(clock: Clock, options: HolderOptions, line: LeaseLine, household: Household) {
    this.#clock = clock
    this.#options = options
    this.#line = line
    this.#household = household
    this.#total = options.limit
    this.#startedAt = clock.now()
    this.#schedule(this.#startedAt)
  }

  get status(): LeaseStatus {
    return { state: this.#state, total: this.#total, held: this.#cap, wanted: this.#wanted, processes: this.#processes }
  }

  get cap(): number {
    return this.#cap
  }

  set total(total: number) {
    this.#total = total
    this.#schedule(this.#clock.now())
  }

  /** Whether the cap counts: to be asked before each start. */
  get valid(): boolean {
    return this.#clock.now() < this.#validUntil || this.#outlived()
  }

  /** A request has come. */
  came(): void {
    const { active, waiting } = this.#household
    this.#demand.note(active + waiting)
    this.#hurry(active + waiting)
  }

  /** A slot is free again. */
  freed(): void {
    const { active, waiting } = this.#household
    if (this.#closing) {
      this.#cap = active
    } else if (this.#leased && this.#cap > this.#may) {
      this.#setCap(Math.max(this.#may, Math.min(active, this.#cap)))
    }
    if (this.#booked > this.#cap) this.#schedule(this.#clock.now() + GATHER)
    else this.#hurry(active + waiting)
  }

  /** Holds nobody back any more. What is left of the lease is given back when the last request is over. */
  close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#validUntil = Infinity
    this.#cap = this.#household.active
    this.#endAway()
    this.#schedule(this.#clock.now())
  }

  get #leased(): boolean {
    return this.#state === 'held' || this.#state === 'settling'
  }

  /** The time of the lease is over. Whether requests may start all the same. */
  #outlived(): boolean {
    if (this.#state === 'away') {
      this.#fallBack(Math.min(this.#cap, this.#fallback))
      return true
    }
    if (this.#leased) this.#lapse()
    return false
  }

  #lapse(): void {
    this.#setState('lapsed')
    this.#schedule(this.#clock.now())
  }

  #setState(state: LeaseState, error?: unknown): void {
    if (state === this.#state) return
    this.#state = state
    this.#household.told(this.status, error)
  }

  #setCap(cap: number): void {
    if (cap === this.#cap) return
    this.#cap = cap
    this.#household.capped(cap)
  }

  /** Asks soon if that may bring what is needed. */
  #hurry(need: number): void {
    if (this.#state === 'held' && this.#wouldGain(need)) this.#schedule(this.#sentAt + this.#between(POLL, POLL_EACH))
  }

  /** More is needed than there is, and there may be more: it has not got its share, or all that it had asked for was granted. */
  #wouldGain(need: number): boolean {
    return need >= this.#cap && this.#cap < this.#total && (this.#share > this.#cap || this.#share >= this.#wanted)
  }

  #between(milliseconds: number, each: number): number {
    return Math.max(milliseconds, each * this.#processes) * this.#jitter
  }

  /**
   * Asks then, or earlier if that was agreed on; and not while the last word has no answer. A client that cannot send keeps what
   * it is given, without end: it gets one word each `ttl`.
   */
  #schedule(time: number): void {
    const due = this.#open === undefined ? time : Math.max(time, this.#sentAt + this.#options.ttl)
    if (due >= this.#due || this.#state === 'closed') return
    this.#stopTimer?.()
    this.#due = due
    this.#stopTimer = this.#clock.setTimeout(() => { this.#speak() }, Math.max(0, due - this.#clock.now()))
  }

  #speak(): void {
    const now = this.#clock.now()
    if (this.#leased && now >= this.#validUntil) this.#setState('lapsed')
    this.#due = Infinity
    this.#jitter = 0.5 + Math.random()
    const { active, waiting } = this.#household
    // What has lapsed may be somebody else's by now: what runs is all that it still holds.
    if (this.#state === 'lapsed') this.#setCap(Math.min(active, this.#cap))
    this.#sentAt = now
    if (this.#closing && active === 0) {
      this.#leave()
      return
    }
    const { need, want } = this.#closing ? { need: active, want: active } : this.#demand.ask(active + waiting, now)
    this.#wanted = Math.min(want, this.#total)
    this.#say({ turn: ++this.#turn, hold: this.#cap, need, want, limit: this.#total })
  }

  #say(ask: Ask): void {
    const sentAt = this.#sentAt
    this.#open = ask
    let inTime = true
    const tooLate = (): void => {
      if (!inTime) return
      inTime = false
      this.#failed(new Error(`no answer within ${String(this.#options.timeout)} ms`))
    }
    // Where it was this process that was slow, the answer has come in, and is read before the callback of setImmediate.
    const stopTimer = this.#clock.setTimeout(() => { this.#clock.setImmediate(tooLate) }, this.#options.timeout)
    const settle = (then: () => void): void => {
      stopTimer()
      const counts = inTime
      inTime = false
      if (this.#open !== ask) return
      this.#open = undefined
      if (counts) then()
      // What a late answer says is no longer true; that there is one means that Redis is back.
      else this.#schedule(this.#clock.now())
    }
    this.#line.sync(ask).then(
      (grant) => { settle(() => { this.#granted(ask, sentAt, grant) }) },
      (error: unknown) => { settle(() => { this.#failed(error) }) },
    )
  }

  #granted(ask: Ask, sentAt: number, grant: Grant): void {
    const now = this.#clock.now()
    this.#booked = grant.held
    if (this.#closing) {
      this.#schedule(now + (this.#booked > this.#cap ? GATHER : this.#options.ttl * REFRESH_SHARE))
      return
    }
    const validUntil = sentAt + this.#options.ttl * VALID_SHARE
    // Too late: this process was busy. Or not what it holds any more: it went by its fallback meanwhile.
    if (now >= validUntil || ask.hold < this.#cap) {
      if (this.#leased) this.#lapse()
      else this.#schedule(now)
      return
    }
    this.#endAway()
    this.#validUntil = validUntil
    this.#processes = grant.processes
    this.#share = grant.share
    this.#may = grant.may
    this.#setCap(Math.max(grant.may, Math.min(this.#household.active, this.#cap)))
    this.#setState(grant.settling > 0 ? 'settling' : 'held')
    this.#schedule(this.#sentAt + Math.min(this.#pause(grant.settling), this.#options.ttl * REFRESH_SHARE))
  }

  /** Milliseconds from one question to the next, if nothing happens. */
  #pause(settling: number): number {
    const { active, waiting } = this.#household
    if (this.#booked > this.#cap) return GATHER
    if (settling > 0) return settling
    if (this.#wouldGain(active + waiting)) return this.#between(POLL, POLL_EACH)
    const sure = Math.min(1, Math.floor(this.#total / this.#processes))
    return this.#cap > sure ? this.#between(LOOK, LOOK_EACH) : Infinity
  }

  #failed(error: unknown): void {
    const now = this.#clock.now()
    // A client that is not connected yet, at the start of a process, is none that is away.
    const early = this.#state === 'starting' && now - this.#startedAt < this.#options.timeout
    if (!early && !this.#closing && this.#state !== 'away') this.#beginAway(now, error)
    this.#schedule(now + (early ? this.#between(POLL, POLL_EACH) : Math.min(this.#between(RETRY, LOOK_EACH), this.#options.ttl * REFRESH_SHARE)))
  }

  /** The lease holds for as long as it was given. More than that nobody takes before the last lease must have ended. */
  #beginAway(now: number, error: unknown): void {
    this.#setState('away', error)
    const { ttl } = this.#options
    const lease = this.#validUntil - now
    this.#stopAwayTimers = [this.#clock.setTimeout(() => { this.#fallBack(this.#fallback) }, ttl)]
    if (lease > 0) this.#stopAwayTimers.push(this.#clock.setTimeout(() => { this.#fallBack(Math.min(this.#cap, this.#fallback)) }, lease))
    else this.#fallBack(Math.min(this.#cap, this.#fallback))
  }

  /** Goes by a cap of its own. */
  #fallBack(cap: number): void {
    this.#validUntil = Infinity
    this.#setCap(cap)
  }

  get #fallback(): number {
    const { fallback } = this.#options
    if (fallback !== undefined) return fallback
    return this.#processes === 0 ? 1 : Math.max(1, Math.floor(this.#total / this.#processes))
  }

  #endAway(): void {
    for (const stop of this.#stopAwayTimers.splice(0)) stop()
  }

  /** Says so once it is done; if it cannot be done, the record expires. */
  #leave(): void {
    this.#state = 'closed'
    const over = (): void => { this.#household.told(this.status, undefined) }
    this.#line.leave().then(over, over)
  }
}
