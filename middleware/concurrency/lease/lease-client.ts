/**
 * The lease client of a process: how many requests the process may run now (its `cap`), and when Redis is asked again.
 * Pure: it is given clock, figures and connection.
 *
 * Redis must never have fewer slots on record for the process than it uses. So the client raises its cap only when
 * Redis has answered, and lowers it first for itself and then in Redis. For the client a lease ends a little earlier
 * than in Redis, counted from when it asked. So a process that was paused starts nothing before it has asked again.
 */
import { Demand } from './demand.js'
import { REFRESH_SHARE, type LeaseConnection } from './redis-lease.js'
import type { LeaseRequest, LeaseGrant } from './script.js'

/**
 * - `starting`: Redis has not answered yet.
 * - `held`: the lease is held.
 * - `settling`: Redis has been up for less than a `ttl`, and may not know all leases. No process gets more than it has.
 * - `away`: Redis does not answer. Once the lease has ended, the process goes by its fallback.
 * - `lapsed`: this process was paused for longer than its lease, and asks again.
 * - `closed`: the lease has been given back.
 */
export const LEASE_STATES = ['starting', 'held', 'settling', 'away', 'lapsed', 'closed'] as const
/** The state of a lease. */
export type LeaseState = (typeof LEASE_STATES)[number]

/** The part of this process in a lease, for gauges and logs. */
export interface LeaseStatus {
  readonly state: LeaseState
  /** The limit of all processes together. */
  readonly total: number
  /** How many requests this process may answer at a time now. */
  readonly held: number
  /** How many it last asked for: for requests that run, for those that wait, and some to spare. */
  readonly wanted: number
  /** How many processes share the limit, as far as this one knows; 0 before it has heard of Redis. */
  readonly processes: number
}

/** What a lease needs of a clock. */
export interface LeaseClock {
  now(): number
  setImmediate(callback: () => void): void
  /** Calls back once. The timer keeps no process alive. Returns a function that stops it. */
  setTimeout(callback: () => void, milliseconds: number): () => void
}

/** The process, as the lease client sees it. */
export interface LeaseHost {
  /** Requests that run, and requests that wait. */
  readonly active: number
  readonly waiting: number
  /** The process may run `cap` requests now. */
  onCap(cap: number): void
  /** The state has changed; `error` is why Redis is away. */
  onStatus(status: LeaseStatus, error: unknown): void
}

/** The settings of a lease. Times in milliseconds. */
export interface LeaseClientOptions {
  readonly limit: number
  readonly ttl: number
  readonly timeout: number
  readonly fallback: number | undefined
}

/** The share of `ttl` after which a lease has ended for its client; in Redis it lasts the whole `ttl`. */
const VALID_SHARE = 0.9
/** Milliseconds between two requests to Redis, before jitter, while the process needs more slots and may get them. */
const POLL_INTERVAL_MS = 50
/** The same while it holds slots that other processes may need. */
const LOOK_INTERVAL_MS = 250
/** The same while Redis is away. */
const RETRY_INTERVAL_MS = 1000
/** Milliseconds for each process: where there are many, each asks less often, and Redis has no more to do. */
const POLL_INTERVAL_MS_PER_PROCESS = 3
const LOOK_INTERVAL_MS_PER_PROCESS = 10
/** Slots that become free within so many milliseconds are given back together. */
const GATHER_INTERVAL_MS = 20

/** Asks Redis for slots, gives them back, and knows how many requests may run while Redis does not answer. */
export class LeaseClient {
  readonly #clock: LeaseClock
  readonly #options: LeaseClientOptions
  readonly #connection: LeaseConnection
  readonly #host: LeaseHost
  readonly #demand = new Demand()
  readonly #startedAt: number
  #state: LeaseState = 'starting'
  #total: number
  /** Requests that this process may run now. */
  #cap = 0
  /** Slots that Redis has on record for it, as far as it knows. */
  #reserved = 0
  #granted = 0
  #share = 0
  #wanted = 1
  #processes = 0
  #validUntil = -Infinity
  #closing = false
  #sequence = 0
  #sentAt = -Infinity
  /**
   * Factor of the intervals, ½ to 1½, new each time: else processes that have asked at the same time go on doing so.
   */
  #jitter = 1
  /** The request that Redis has not answered yet. */
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

  /** Whether requests may start under the cap. To be asked before each start. */
  get valid(): boolean {
    return this.#clock.now() < this.#validUntil || this.#mayRunExpired()
  }

  /** A request has come. */
  onArrival(): void {
    const { active, waiting } = this.#host
    this.#demand.note(active + waiting)
    this.#renewSoon(active + waiting)
  }

  /** A slot has been released. */
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

  /** Stops limiting. The lease is given back when the last request is over. */
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

  /** The lease has ended. Whether requests may start all the same, by the fallback. */
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

  /** Asks Redis soon, if that may bring what is needed. */
  #renewSoon(need: number): void {
    if (this.#state === 'held' && this.#wouldGain(need)) this.#schedule(this.#sentAt + this.#interval(POLL_INTERVAL_MS, POLL_INTERVAL_MS_PER_PROCESS))
  }

  /**
   * Whether more slots are needed, and Redis may grant them: the process has less than its share, or its share is all
   * that it had asked for.
   */
  #wouldGain(need: number): boolean {
    return need >= this.#cap && this.#cap < this.#total && (this.#share > this.#cap || this.#share >= this.#wanted)
  }

  #interval(milliseconds: number, each: number): number {
    return Math.max(milliseconds, each * this.#processes) * this.#jitter
  }

  /**
   * Asks Redis at `time`, unless it will ask earlier. While the last request has no answer, it waits for a `ttl`: a
   * Redis client that is not connected queues its commands without a bound.
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
    // Slots that have lapsed may have been granted to other processes. Only those in use are still held.
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
    // If this process was slow and not Redis, the answer has arrived, and is read before the callback of setImmediate.
    const stopTimer = this.#clock.setTimeout(() => { this.#clock.setImmediate(tooLate) }, this.#options.timeout)
    const settle = (then: () => void): void => {
      stopTimer()
      const counts = inTime
      inTime = false
      if (this.#unanswered !== request) return
      this.#unanswered = undefined
      if (counts) then()
      // A late answer is out of date, but it tells that Redis is back: asks again.
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
    // The grant has ended already, because this process was busy; or the fallback has raised the cap meanwhile.
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

  /** Milliseconds from one request to Redis to the next, if nothing happens. */
  #renewalInterval(settling: number): number {
    const { active, waiting } = this.#host
    if (this.#reserved > this.#cap) return GATHER_INTERVAL_MS
    if (settling > 0) return settling
    if (this.#wouldGain(active + waiting)) return this.#interval(POLL_INTERVAL_MS, POLL_INTERVAL_MS_PER_PROCESS)
    // Where there are enough, one slot for each process: no other process can need it.
    const sure = Math.min(1, Math.floor(this.#total / this.#processes))
    return this.#cap > sure ? this.#interval(LOOK_INTERVAL_MS, LOOK_INTERVAL_MS_PER_PROCESS) : Infinity
  }

  #onFailure(error: unknown): void {
    const now = this.#clock.now()
    // When a process starts, its Redis client may not be connected yet. That does not mean that Redis is away.
    const early = this.#state === 'starting' && now - this.#startedAt < this.#options.timeout
    if (!early && !this.#closing && this.#state !== 'away') this.#beginAway(now, error)
    this.#schedule(now + (early ? this.#interval(POLL_INTERVAL_MS, POLL_INTERVAL_MS_PER_PROCESS) : Math.min(this.#interval(RETRY_INTERVAL_MS, LOOK_INTERVAL_MS_PER_PROCESS), this.#options.ttl * REFRESH_SHARE)))
  }

  /**
   * Redis is away. The lease is used to its end, and then the fallback, but no more slots than were held. The whole
   * fallback is used only after a `ttl`, when the leases of all processes have ended.
   */
  #beginAway(now: number, error: unknown): void {
    this.#setState('away', error)
    const { ttl } = this.#options
    const lease = this.#validUntil - now
    this.#stopAwayTimers = [this.#clock.setTimeout(() => { this.#fallBack(this.#fallback) }, ttl)]
    if (lease > 0) this.#stopAwayTimers.push(this.#clock.setTimeout(() => { this.#fallBack(Math.min(this.#cap, this.#fallback)) }, lease))
    else this.#fallBack(Math.min(this.#cap, this.#fallback))
  }

  /** Sets a cap that holds without a lease. */
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

  /** Gives the lease back, then reports `closed`. If Redis cannot be reached, its record expires. */
  #giveBack(): void {
    this.#state = 'closed'
    const over = (): void => { this.#host.onStatus(this.status, undefined) }
    this.#connection.leave().then(over, over)
  }
}
