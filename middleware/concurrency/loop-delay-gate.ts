/**
 * The loop-delay gate: refuses requests while more of them arrive than the event loop can process. A limit on requests
 * in flight cannot do this: of synchronous handlers there is never more than one in flight.
 *
 * A loop that was held up is no reason to refuse: the requests that came meanwhile can be answered now. So time counts
 * only while requests wait behind others that are being processed, and of each stretch of work (a long handler, a
 * garbage collection, a profile) at most MAX_COUNTED_STRETCH_MS. Requests wait in two places:
 *
 * - Requests on kept connections are all found by one poll, and wait in that turn of the loop. If the loop was idle
 *   before the turn, they are a burst, which ends. If not, they came during the turn before: where they take longer
 *   than it took, more requests arrive than the loop can process.
 * - New connections are accepted one a turn (libuv#3696). The others wait in the kernel's backlog, whose length Node
 *   cannot tell. It was empty when the loop was last idle, and after a turn in which nothing was accepted. Since then
 *   requests have arrived at the usual rate; what has not been read of them waits. Where that is too much, all requests
 *   are refused, which is quick, until the backlog is empty again.
 */
import { BusyPeriod } from './busy-period.js'
import type { LoopClock } from './clock.js'

/**
 * Milliseconds. Of one stretch of work at most this much counts as a wait of the requests behind it. A request may wait
 * as long while nothing is shed (LENIENT in shed-rate.ts), so that one stretch alone refuses nothing.
 */
const MAX_COUNTED_STRETCH_MS = 250
/** Clients. Once so many have left before their answers, it is an overload and no burst: the usual delay is allowed. */
const LEAVING_CLIENTS = 10
/** Clients. No more are counted, so that the count falls soon when requests are answered again. */
const MAX_LEAVING_CLIENTS = 2 * LEAVING_CLIENTS
/** What an answered request takes off that count: it stays high while more than one client in five leaves. */
const ANSWERED_WEIGHT = 0.25
/**
 * Milliseconds of counted time since the backlog was last empty. After more, the estimate of its length is not trusted.
 */
const MAX_BACKLOG_BUSY_MS = 750
/**
 * Milliseconds. A request that has waited longer, by the proxy's time stamp, is refused even while nothing is shed. A
 * burst may last as long (busy-period.ts).
 */
const MAX_PROXY_QUEUE_MS = 5000
/**
 * Milliseconds. If refusing has not emptied the backlog after so long, the refused clients come again at once, and it
 * never becomes empty. Then requests are let in again.
 */
const DRAIN_TIMEOUT_MS = 500
/** Milliseconds that the rate of arrivals is measured over, at least: over less it is mostly chance. */
const MIN_RATE_SPAN_MS = 200
/** Milliseconds: the time constant by which that rate is smoothed. */
const RATE_SMOOTHING_MS = 500
/**
 * Milliseconds. While nothing is shed, requests that are late by their time stamps are refused only after all have been
 * late for so long: before, it may be a burst.
 */
const PROXY_LATE_FOR_MS = 500

/** Refuses requests while the event loop gets more than it can do. */
export class LoopDelayGate {
  readonly #clock: LoopClock
  /** A request was read in this turn, so the end of the turn will be noticed. */
  #inTurn = false
  /** When the last noticed turn ended, the loop's idle time then, and connections accepted until then. */
  #turnEnd: number
  #turnEndIdle: number
  #turnEndAccepted: number
  /** Turns of the loop until then; NaN where they were not counted. */
  #turnEndTurns = NaN
  /** When the work of this turn began. */
  #turnStart: number
  /** Half the length of the turn before, milliseconds: on average a request came in its middle. */
  #halfPreviousTurn = 0
  /** When the work of the turn before began. */
  #previousTurnStart = NaN
  /** When the latest request of this turn was read, and the counted milliseconds from the first request to it. */
  #lastRead = NaN
  #counted = 0
  /** The counted milliseconds of the turn before. */
  #countedInPreviousTurn = 0
  /** Milliseconds in which the requests of this turn arrived; NaN where the loop was idle before it. */
  #arrivedDuring = NaN
  /** The counted time since the loop was last idle. */
  readonly #busySinceIdle: BusyPeriod
  /** When the backlog was last empty, the counted time since then, and the requests read since then. */
  #emptyAt: number
  readonly #busySinceEmpty: BusyPeriod
  #read = 0
  /** The rate of arrivals, requests per millisecond; 0 until it is known. */
  #rate = 0
  /** Milliseconds and requests that the next rate is measured over, so far. */
  #rateSpan = 0
  #rateRead = 0
  /** Until the backlog is empty, requests that may wait no longer than so many milliseconds are refused; 0: none is. */
  #draining = 0
  #drainingSince = 0
  #readInTurn = 0
  /** Clients that have left before their answers since the loop was last idle, less ANSWERED_WEIGHT for each answer. */
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
   * Whether to refuse a request that is read at `now`.
   * @param maxDelay milliseconds that it may wait
   * @param notShedding whether next to no request was shed lately: then bursts are let in, for most of them end
   * @param receivedByProxyAt when the proxy received it, in milliseconds of the same clock, if that is known and
   * trusted
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

  /** A request is over. @param clientLeft whether its client has left before the answer */
  requestOver(clientLeft: boolean): void {
    if (clientLeft) this.#leavingClients = Math.min(MAX_LEAVING_CLIENTS, this.#leavingClients + 1)
    else if (this.#leavingClients > 0) this.#leavingClients = Math.max(0, this.#leavingClients - ANSWERED_WEIGHT)
  }

  /** Milliseconds that an event which is handled at `now` has waited for the event loop, on average. */
  loopDelay(now: number): number {
    return this.#inTurn ? now - this.#turnStart + this.#halfPreviousTurn : 0
  }

  /** Whether the requests of this turn have waited too long. */
  #turnIsTooLong(maxDelay: number, lenient: boolean): boolean {
    if (!lenient) return this.#counted + this.#countedInPreviousTurn / 2 > maxDelay
    return this.#busySinceIdle.isOverload && (Number.isNaN(this.#arrivedDuring) || this.#counted > Math.max(maxDelay, this.#arrivedDuring))
  }

  /** Whether new connections wait too long in the kernel's backlog, by the estimate. */
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

  /** Counts the time since the last request was read, which is the work on it, as a wait of the requests behind it. */
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
    // While an immediate is due, the next poll does not wait. If that turn reads no request, the backlog is empty.
    if (this.#readInTurn === 0) {
      this.#backlogEmptied(now)
      return
    }
    this.#readInTurn = 0
    this.#inTurn = true
    this.#clock.setImmediate(this.#leaveTurn)
  }

  /** Whether some turn since the last noticed one has accepted no connection: then the backlog was empty. */
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

  /** Stops refusing, though the backlog is not empty: its length, and how fast it fills, are unknown now. */
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

  /** Counts from `now` on as if the backlog were empty, and stops refusing. */
  #countAnew(now: number): void {
    this.#emptyAt = now
    this.#busySinceEmpty.end()
    this.#read = 0
    this.#draining = 0
  }
}
