/**
 * The gate: tells whether requests wait for this event loop because more of them come than it can do, and refuses what is
 * too much. A limit on what is in flight cannot do this: with synchronous handlers nothing is ever in flight but one.
 *
 * That the loop was held up is no reason to refuse: who came meanwhile can be answered now. What counts is only time in
 * which requests were there and others were worked on, and of each stretch of it (a long handler, a collection, a profile)
 * only so much. There are two places to wait in.
 *
 * Requests on kept connections are all found by one poll, and wait in that turn of the loop. In a turn after an empty
 * poll they are a burst, which ends. In a turn that follows another at once they are what came during that one: where
 * they take longer than it did, more comes than can be done.
 *
 * New connections are accepted one a turn (libuv#3696), and wait in the kernel's backlog, which nothing shows. But when the
 * loop last waited for something to do, or had a turn in which nothing was accepted, that backlog was empty: what is there
 * came since. At the usual rate of arrivals so many came, so many were read, and the difference waits. Where that is too
 * much, everything is refused, which is quick, until the backlog is empty again and the rate of arrivals is known.
 */
import { BusyPeriod } from './busy-period.js'
import type { LoopClock } from './clock.js'

/** Of one stretch of work, no more counts as a wait of those behind it. */
const MAX_COUNTED_STRETCH_MS = 250
/** Where so many clients have left before their answers, it is no burst that all wait for: requests may wait as long as usual. */
const LEAVING_CLIENTS = 10
/** No more are remembered. */
const MAX_LEAVING_CLIENTS = 2 * LEAVING_CLIENTS
/** One that has had its answer sets off so much of one that has left. */
const ANSWERED_WEIGHT = 0.25
/** A backlog that has not been seen empty for so many milliseconds is emptied once, to see what is in it. */
const MAX_BACKLOG_BUSY_MS = 750
/** By its stamp a request that has waited for so long is refused even where nobody else is. */
const MAX_PROXY_QUEUE_MS = 5000
/** Where refusing has not emptied it for so long, it never will: who is refused comes again at once. Then some are let in. */
const DRAIN_TIMEOUT_MS = 500
/** The rate of arrivals is taken over at least so many milliseconds … */
const MIN_RATE_SPAN_MS = 200
/** … and smoothed over about so many. */
const RATE_SMOOTHING_MS = 500
/** By their stamps all have been late for so long before one is refused that is not very late, while nobody is refused otherwise. */
const PROXY_LATE_FOR_MS = 500

/** Refuses requests while the event loop gets more than it can do. */
export class LoopDelayGate {
  readonly #clock: LoopClock
  /** A request was read in this turn, so its end will be noticed. */
  #inTurn = false
  /** When the last noticed turn ended, and the idle time then. */
  #turnEnd: number
  #turnEndIdle: number
  #turnEndAccepted: number
  /** How many turns there had been then; NaN where that was not asked. */
  #turnEndTurns = NaN
  /** When the present turn's work began. */
  #turnStart: number
  /** Half of what the turn before took: on average a request came in its middle. */
  #halfPreviousTurn = 0
  /** When the work of the turn before began. */
  #previousTurnStart = NaN
  /** When the latest request of this turn was read, and the time from the first to it that counts. */
  #lastRead = NaN
  #counted = 0
  /** The time that counts of the turn before, and all of the time in which this turn's requests came; NaN where the loop had waited. */
  #countedInPreviousTurn = 0
  #arrivedDuring = NaN
  /** What counts since the loop last waited; where nobody is refused it may be long. */
  readonly #busySinceIdle: BusyPeriod
  /** When the backlog was last empty, the time since then that counts, and the requests read since. */
  #emptyAt: number
  readonly #busySinceEmpty: BusyPeriod
  #read = 0
  /** Requests a millisecond. 0 until it is known. */
  #rate = 0
  #rateSpan = 0
  #rateRead = 0
  /** Requests that may not wait longer than this are refused until the backlog is empty. */
  #draining = 0
  #drainingSince = 0
  #readInTurn = 0
  /** Clients that have left before their answers since the loop last waited, less a share of those that have not. */
  #leavingClients = 0
  /** Since when all stamped requests have been late; NaN while they are not. */
  #lateSince = NaN

  constructor(clock: LoopClock) {
    this.#clock = clock
    this.#busySinceIdle = new BusyPeriod(clock)
    this.#busySinceEmpty = new BusyPeriod(clock)
    this.#turnEnd = this.#turnStart = this.#emptyAt = clock.now()
    this.#turnEndIdle = clock.idleTime()
    this.#turnEndAccepted = clock.accepted()
  }

  /**
   * Whether a request that is read at `now` is too much.
   * @param maxDelay what it may wait, in milliseconds
   * @param notShedding whether nobody has been refused of late: then bursts are let in, for most of them end
   * @param receivedByProxyAt when the proxy got it, in milliseconds of the same clock, if that is known and to be trusted
   */
  refuses(now: number, maxDelay: number, notShedding: boolean, receivedByProxyAt?: number): boolean {
    const first = !this.#inTurn
    if (first) this.#enterTurn(now)
    else this.#count(now)
    const lenient = notShedding && this.#leavingClients < LEAVING_CLIENTS
    this.#read += 1
    this.#readInTurn += 1
    if (maxDelay <= this.#draining) {
      if (now - this.#drainingSince < DRAIN_TIMEOUT_MS) return true
      this.#stopDraining(now)
    }
    if (receivedByProxyAt === undefined) {
      if (!first && this.#turnIsTooLong(maxDelay, lenient)) return true
      if (!this.#backlogIsTooLong(maxDelay, lenient)) return false
    } else if (!this.#isLateFromProxy(now, now - receivedByProxyAt, maxDelay, lenient)) {
      return false
    }
    if (this.#draining === 0) this.#drainingSince = now
    this.#draining = maxDelay
    return true
  }

  /** A request is over; `clientLeft`: before there was an answer. */
  requestOver(clientLeft: boolean): void {
    if (clientLeft) this.#leavingClients = Math.min(MAX_LEAVING_CLIENTS, this.#leavingClients + 1)
    else if (this.#leavingClients > 0) this.#leavingClients = Math.max(0, this.#leavingClients - ANSWERED_WEIGHT)
  }

  /** What an event that is handled at `now` has waited in this turn of the loop, on average; in milliseconds. */
  loopDelay(now: number): number {
    return this.#inTurn ? now - this.#turnStart + this.#halfPreviousTurn : 0
  }

  /** Whether this turn has more requests than may wait. */
  #turnIsTooLong(maxDelay: number, lenient: boolean): boolean {
    if (!lenient) return this.#counted + this.#countedInPreviousTurn / 2 > maxDelay
    return this.#busySinceIdle.isOverload && (Number.isNaN(this.#arrivedDuring) || this.#counted > Math.max(maxDelay, this.#arrivedDuring))
  }

  /** Whether new connections wait in the backlog for too long, as far as that can be known. */
  #backlogIsTooLong(maxDelay: number, lenient: boolean): boolean {
    if (lenient) return this.#busySinceEmpty.isOverload
    const { milliseconds } = this.#busySinceEmpty
    if (milliseconds > MAX_BACKLOG_BUSY_MS) return true
    return this.#rate > 0 && milliseconds - this.#read / this.#rate > maxDelay
  }

  #isLateFromProxy(now: number, wait: number, maxDelay: number, lenient: boolean): boolean {
    if (wait <= maxDelay) {
      this.#lateSince = NaN
      return false
    }
    if (Number.isNaN(this.#lateSince)) this.#lateSince = now
    return !lenient || wait > MAX_PROXY_QUEUE_MS || now - this.#lateSince > PROXY_LATE_FOR_MS
  }

  #enterTurn(now: number): void {
    this.#inTurn = true
    const idle = this.#clock.idleTime() - this.#turnEndIdle
    this.#turnStart = Math.min(now, this.#turnEnd + idle)
    if (idle > 0) this.#backlogEmptied(this.#turnStart)
    this.#arrivedDuring = idle > 0 ? NaN : now - this.#previousTurnStart
    this.#countedInPreviousTurn = idle > 0 ? 0 : this.#counted
    if (idle > 0) {
      this.#busySinceIdle.end()
      this.#leavingClients = 0
    }
    this.#counted = 0
    this.#lastRead = now
    this.#clock.setImmediate(this.#leaveTurn)
  }

  /** Takes the time since the request before for a wait of all that came before it. */
  #count(now: number): void {
    const stretch = Math.min(now - this.#lastRead, MAX_COUNTED_STRETCH_MS)
    this.#lastRead = now
    this.#counted += stretch
    this.#busySinceIdle.add(stretch)
  }

  readonly #leaveTurn = (): void => {
    const now = this.#clock.now()
    if (this.#readInTurn > 0) this.#count(now)
    this.#busySinceEmpty.add(Math.min(this.#counted, MAX_COUNTED_STRETCH_MS))
    if (this.#acceptedNothing()) this.#backlogEmptied(this.#turnStart)
    this.#halfPreviousTurn = (now - this.#turnStart) / 2
    this.#previousTurnStart = this.#turnStart
    this.#turnEnd = this.#turnStart = now
    this.#turnEndIdle = this.#clock.idleTime()
    this.#inTurn = false
    if (this.#draining === 0) return
    // The immediate lets the next turn go by without waiting; if it reads no request, then there was none.
    if (this.#readInTurn === 0) {
      this.#backlogEmptied(now)
      return
    }
    this.#readInTurn = 0
    this.#inTurn = true
    this.#clock.setImmediate(this.#leaveTurn)
  }

  /** Whether there was a turn since the last noticed one in which no connection was accepted. */
  #acceptedNothing(): boolean {
    const before = this.#turnEndAccepted
    const accepted = this.#clock.accepted()
    this.#turnEndAccepted = accepted
    if (accepted === before) {
      this.#turnEndTurns = NaN
      return true
    }
    const turnsBefore = this.#turnEndTurns
    this.#turnEndTurns = this.#clock.turns()
    return accepted - before < this.#turnEndTurns - turnsBefore
  }

  /** Nobody knows what is in the backlog, and how fast it fills. */
  #stopDraining(now: number): void {
    this.#rateSpan = 0
    this.#rateRead = 0
    this.#countAnew(now)
  }

  /** The backlog is empty, at `now`. */
  #backlogEmptied(now: number): void {
    this.#rateSpan += now - this.#emptyAt
    this.#rateRead += this.#read
    if (this.#rateSpan >= MIN_RATE_SPAN_MS) {
      const weight = this.#rate === 0 ? 1 : 1 - Math.exp(-this.#rateSpan / RATE_SMOOTHING_MS)
      this.#rate += weight * (this.#rateRead / this.#rateSpan - this.#rate)
      this.#rateSpan = 0
      this.#rateRead = 0
    }
    this.#readInTurn = 0
    this.#countAnew(now)
  }

  /** From `now` on, as if the backlog were empty; nobody is refused because of what was before. */
  #countAnew(now: number): void {
    this.#emptyAt = now
    this.#busySinceEmpty.end()
    this.#read = 0
    this.#draining = 0
  }
}
