/**
 * One process' part in a lease: what it may run now, and when it asks again. Pure: clock, figures and connection are given.
 *
 * Only the client lowers what it holds, first for itself and then in Redis, and it never goes above what it has asked for
 * before it is answered; so Redis never has less on record than what runs. A lease ends for the client a little before it ends in
 * Redis, counted from when it asked: a process that was paused starts nothing before it has asked again.
 */
import { Demand } from './demand.js'
import { REFRESH_SHARE, type LeaseConnection } from './redis-lease.js'
import type { LeaseRequest, LeaseGrant } from './script.js'

/**
 * `starting`: nothing was heard yet. `held`. `settling`: Redis has not been up for a `ttl`, nobody gets more than it has.
 * `away`: Redis does not answer, and the local cap counts. `lapsed`: this process was paused for longer than its lease, and
 * asks again. `closed`.
 */
export const LEASE_STATES = ['starting', 'held', 'settling', 'away', 'lapsed', 'closed'] as const
/** How the lease stands. */
export type LeaseState = (typeof LEASE_STATES)[number]

/** The part of this process in a lease, for gauges and logs. */
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

/** The time, as a lease needs it. */
export interface LeaseClock {
  now(): number
  setImmediate(callback: () => void): void
  /** Runs once, later, and keeps no process alive; the function that comes back stops it. */
  setTimeout(callback: () => void, milliseconds: number): () => void
}

/** What the client must know of its process, and tell it. */
export interface LeaseHost {
  readonly active: number
  readonly waiting: number
  /** It may run so many now. */
  onCap(cap: number): void
  /** The state has changed; `error` is why Redis is away. */
  onStatus(status: LeaseStatus, error: unknown): void
}

/** What a lease is asked with. Times in ms. */
export interface LeaseClientOptions {
  readonly limit: number
  readonly ttl: number
  readonly timeout: number
  readonly fallback: number | undefined
}

/** The share of `ttl` after which a lease has ended for its client. */
const VALID_SHARE = 0.9
/** Milliseconds between two requests, without jitter: while more is needed and may be had… */
const POLL_INTERVAL_MS = 50
/** … while it holds what others may need… */
const LOOK_INTERVAL_MS = 250
/** … and while Redis is away. */
const RETRY_INTERVAL_MS = 1000
/** Many processes ask less often: milliseconds more for each. */
const POLL_INTERVAL_MS_PER_PROCESS = 3
const LOOK_INTERVAL_MS_PER_PROCESS = 10
/** Slots that become free within so many milliseconds are given back together. */
const GATHER_INTERVAL_MS = 20

/** Asks for slots, gives them back, and knows what may run while nobody answers. */
export class LeaseClient {
  readonly #clock: LeaseClock
  readonly #options: LeaseClientOptions
  readonly #connection: LeaseConnection
  readonly #host: LeaseHost
  readonly #demand = new Demand()
  readonly #startedAt: number
  #state: LeaseState = 'starting'
  #total: number
  #cap = 0
  /** On record in Redis for it, as far as it knows. */
  #reserved = 0
  #granted = 0
  #share = 0
  #wanted = 1
  #processes = 0
  #validUntil = -Infinity
  #closing = false
  #sequence = 0
  #sentAt = -Infinity
  /** From half to one and a half: processes that began to wait together would else go on asking together. */
  #jitter = 1
  /** The request that has no answer yet. */
  #unanswered: LeaseRequest | undefined
  #nextRenewalAt = Infinity
  #stopTimer: (() => void) | undefined
  #stopAwayTimers: (() => void)[] = []

  constructor(clock: LeaseClock, options: LeaseClientOptions, connection: LeaseConnection, host: LeaseHost) {
    this.#clock = clock
    this.#options = options
    this.#connection = connection
    this.#host = host
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
    return this.#clock.now() < this.#validUntil || this.#mayRunExpired()
  }

  /** A request has come. */
  onArrival(): void {
    const { active, waiting } = this.#host
    this.#demand.note(active + waiting)
    this.#renewSoon(active + waiting)
  }

  /** A slot is free again. */
  onSlotFree(): void {
    const { active, waiting } = this.#host
    if (this.#closing) {
      this.#cap = active
    } else if (this.#leased && this.#cap > this.#granted) {
      this.#setCap(Math.max(this.#granted, Math.min(active, this.#cap)))
    }
    if (this.#reserved > this.#cap) this.#schedule(this.#clock.now() + GATHER_INTERVAL_MS)
    else this.#renewSoon(active + waiting)
  }

  /** Holds nobody back any more. What is left of the lease is given back when the last request is over. */
  close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#validUntil = Infinity
    this.#cap = this.#host.active
    this.#endAway()
    this.#schedule(this.#clock.now())
  }

  get #leased(): boolean {
    return this.#state === 'held' || this.#state === 'settling'
  }

  /** The time of the lease is over. Whether requests may start all the same. */
  #mayRunExpired(): boolean {
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
    this.#host.onStatus(this.status, error)
  }

  #setCap(cap: number): void {
    if (cap === this.#cap) return
    this.#cap = cap
    this.#host.onCap(cap)
  }

  /** Asks soon if that may bring what is needed. */
  #renewSoon(need: number): void {
    if (this.#state === 'held' && this.#wouldGain(need)) this.#schedule(this.#sentAt + this.#interval(POLL_INTERVAL_MS, POLL_INTERVAL_MS_PER_PROCESS))
  }

  /** More is needed than there is, and there may be more: it has not got its share, or all that it had asked for was granted. */
  #wouldGain(need: number): boolean {
    return need >= this.#cap && this.#cap < this.#total && (this.#share > this.#cap || this.#share >= this.#wanted)
  }

  #interval(milliseconds: number, each: number): number {
    return Math.max(milliseconds, each * this.#processes) * this.#jitter
  }

  /**
   * Asks then, or earlier if that was agreed on; and not while the last request has no answer. A client that cannot send keeps what
   * it is given, without end: it gets one request each `ttl`.
   */
  #schedule(time: number): void {
    const due = this.#unanswered === undefined ? time : Math.max(time, this.#sentAt + this.#options.ttl)
    if (due >= this.#nextRenewalAt || this.#state === 'closed') return
    this.#stopTimer?.()
    this.#nextRenewalAt = due
    this.#stopTimer = this.#clock.setTimeout(() => { this.#renew() }, Math.max(0, due - this.#clock.now()))
  }

  #renew(): void {
    const now = this.#clock.now()
    if (this.#leased && now >= this.#validUntil) this.#setState('lapsed')
    this.#nextRenewalAt = Infinity
    this.#jitter = 0.5 + Math.random()
    const { active, waiting } = this.#host
    // What has lapsed may be somebody else's by now: what runs is all that it still holds.
    if (this.#state === 'lapsed') this.#setCap(Math.min(active, this.#cap))
    this.#sentAt = now
    if (this.#closing && active === 0) {
      this.#giveBack()
      return
    }
    const { need, want } = this.#closing ? { need: active, want: active } : this.#demand.ask(active + waiting, now)
    this.#wanted = Math.min(want, this.#total)
    this.#send({ sequence: ++this.#sequence, hold: this.#cap, need, want, limit: this.#total })
  }

  #send(request: LeaseRequest): void {
    const sentAt = this.#sentAt
    this.#unanswered = request
    let inTime = true
    const tooLate = (): void => {
      if (!inTime) return
      inTime = false
      // eslint-disable-next-line no-restricted-syntax -- part of a warning
      this.#onFailure(new Error(`no answer within ${String(this.#options.timeout)} ms`))
    }
    // Where it was this process that was slow, the answer has come in, and is read before the callback of setImmediate.
    const stopTimer = this.#clock.setTimeout(() => { this.#clock.setImmediate(tooLate) }, this.#options.timeout)
    const settle = (then: () => void): void => {
      stopTimer()
      const counts = inTime
      inTime = false
      if (this.#unanswered !== request) return
      this.#unanswered = undefined
      if (counts) then()
      // What a late answer says is no longer true; that there is one means that Redis is back.
      else this.#schedule(this.#clock.now())
    }
    this.#connection.renew(request).then(
      (grant) => { settle(() => { this.#onGrant(request, sentAt, grant) }) },
      (error: unknown) => { settle(() => { this.#onFailure(error) }) },
    )
  }

  #onGrant(request: LeaseRequest, sentAt: number, grant: LeaseGrant): void {
    const now = this.#clock.now()
    this.#reserved = grant.reserved
    if (this.#closing) {
      this.#schedule(now + (this.#reserved > this.#cap ? GATHER_INTERVAL_MS : this.#options.ttl * REFRESH_SHARE))
      return
    }
    const validUntil = sentAt + this.#options.ttl * VALID_SHARE
    // Too late: this process was busy. Or not what it holds any more: it went by its fallback meanwhile.
    if (now >= validUntil || request.hold < this.#cap) {
      if (this.#leased) this.#lapse()
      else this.#schedule(now)
      return
    }
    this.#endAway()
    this.#validUntil = validUntil
    this.#processes = grant.processes
    this.#share = grant.share
    this.#granted = grant.granted
    this.#setCap(Math.max(grant.granted, Math.min(this.#host.active, this.#cap)))
    this.#setState(grant.settling > 0 ? 'settling' : 'held')
    this.#schedule(this.#sentAt + Math.min(this.#renewalInterval(grant.settling), this.#options.ttl * REFRESH_SHARE))
  }

  /** Milliseconds from one question to the next, if nothing happens. */
  #renewalInterval(settling: number): number {
    const { active, waiting } = this.#host
    if (this.#reserved > this.#cap) return GATHER_INTERVAL_MS
    if (settling > 0) return settling
    if (this.#wouldGain(active + waiting)) return this.#interval(POLL_INTERVAL_MS, POLL_INTERVAL_MS_PER_PROCESS)
    const sure = Math.min(1, Math.floor(this.#total / this.#processes))
    return this.#cap > sure ? this.#interval(LOOK_INTERVAL_MS, LOOK_INTERVAL_MS_PER_PROCESS) : Infinity
  }

  #onFailure(error: unknown): void {
    const now = this.#clock.now()
    // A client that is not connected yet, at the start of a process, is none that is away.
    const early = this.#state === 'starting' && now - this.#startedAt < this.#options.timeout
    if (!early && !this.#closing && this.#state !== 'away') this.#beginAway(now, error)
    this.#schedule(now + (early ? this.#interval(POLL_INTERVAL_MS, POLL_INTERVAL_MS_PER_PROCESS) : Math.min(this.#interval(RETRY_INTERVAL_MS, LOOK_INTERVAL_MS_PER_PROCESS), this.#options.ttl * REFRESH_SHARE)))
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
  #giveBack(): void {
    this.#state = 'closed'
    const over = (): void => { this.#host.onStatus(this.status, undefined) }
    this.#connection.leave().then(over, over)
  }
}
