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
import { Burst, type BurstClock } from './burst.js'

/** The time, and the event loop. */
export interface LoopClock extends BurstClock {
  /** Milliseconds that the loop has waited in poll, as `performance.nodeTiming.idleTime`. */
  idleTime(): number
  /** Connections that have been accepted so far; NaN where nobody counts them. */
  accepted(): number
  /** Turns of the loop so far; NaN where nobody counts them. */
  turns(): number
  /** Runs in this turn's check phase. */
  setImmediate(callback: () => void): void
}

/** Of one stretch of work, no more counts as a wait of those behind it. */
const STRETCH_AT_MOST = 250
/** Where so many clients have left before their answers, it is no burst that all wait for: the usual patience holds. */
const LEAVING = 10
/** No more are remembered. */
const MOST_LEAVING = 2 * LEAVING
/** One that has had its answer sets off so much of one that has left. */
const SET_OFF = 0.25
/** A backlog that has not been seen empty for so many milliseconds is emptied once, to see what is in it. */
const BUSY_AT_MOST = 750
/** By its stamp a request that has waited for so long is refused, in peace, too. */
const STAMPED_AT_MOST = 5000
/** Where refusing has not emptied it for so long, it never will: who is refused comes again at once. Then some are let in. */
const EMPTIED_WITHIN = 500
/** The rate of arrivals is taken over at least so many milliseconds … */
const LEAST_SPAN = 200
/** … and smoothed over about so many. */
const SMOOTHED_OVER = 500
/** By their stamps all have been late for so long before one is refused that is not very late, while nobody is refused otherwise. */
const LATE_FOR = 500

export class Gate {
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
  #before = 0
  /** When the work of the turn before began. */
  #startBefore = NaN
  /** When the latest request of this turn was read, and the time from the first to it that counts. */
  #lastRead = NaN
  #counted = 0
  /** The time that counts of the turn before, and all of the time in which this turn's requests came; NaN where the loop had waited. */
  #countedBefore = 0
  #cameDuring = NaN
  /** What counts since the loop last waited; in peace it may be long. */
  readonly #sinceIdle: Burst
  /** When the backlog was last empty, the time since then that counts, and the requests read since. */
  #emptyAt: number
  #busy = 0
  readonly #sinceEmpty: Burst
  #read = 0
  /** Requests a millisecond. 0 until it is known. */
  #rate = 0
  #rateSpan = 0
  #rateRead = 0
  /** Requests with no more patience than this are refused until the backlog is empty. */
  #emptying = 0
  #emptyingSince = 0
  #readInTurn = 0
  /** Clients that have left before their answers since the loop last waited, less a share of those that have not. */
  #leaving = 0
  /** Since when all stamped requests have been late; NaN while they are not. */
  #lateSince = NaN

  constructor(clock: LoopClock) {
    this.#clock = clock
    this.#sinceIdle = new Burst(clock)
    this.#sinceEmpty = new Burst(clock)
    this.#turnEnd = this.#turnStart = this.#emptyAt = clock.now()
    this.#turnEndIdle = clock.idleTime()
    this.#turnEndAccepted = clock.accepted()
  }

  /**
   * Whether a request that is read at `now` is too much.
   * @param patience what it may wait, in milliseconds
   * @param peace whether nobody has been refused of late: then bursts are let in, for most of them end
   * @param stamped when the proxy got it, in milliseconds of the same clock, if that is known and to be trusted
   */
  refuses(now: number, patience: number, peace: boolean, stamped?: number): boolean {
    const first = !this.#inTurn
    if (first) this.#enterTurn(now)
    else this.#count(now)
    const patient = peace && this.#leaving < LEAVING
    this.#read += 1
    this.#readInTurn += 1
    if (patience <= this.#emptying) {
      if (now - this.#emptyingSince < EMPTIED_WITHIN) return true
      this.#stopEmptying(now)
    }
    if (stamped === undefined) {
      if (!first && this.#overfull(patience, patient)) return true
      if (!this.#backlogged(patience, patient)) return false
    } else if (!this.#late(now, now - stamped, patience, patient)) {
      return false
    }
    if (this.#emptying === 0) this.#emptyingSince = now
    this.#emptying = patience
    return true
  }

  /** A request is over; `unread`: its client had left before there was an answer. */
  over(unread: boolean): void {
    if (unread) this.#leaving = Math.min(MOST_LEAVING, this.#leaving + 1)
    else if (this.#leaving > 0) this.#leaving = Math.max(0, this.#leaving - SET_OFF)
  }

  /** What an event that is handled at `now` has waited in this turn of the loop, on average; in milliseconds. */
  loopWait(now: number): number {
    return this.#inTurn ? now - this.#turnStart + this.#before : 0
  }

  /** Whether this turn has more requests than there is patience for. */
  #overfull(patience: number, peace: boolean): boolean {
    if (!peace) return this.#counted + this.#countedBefore / 2 > patience
    return this.#sinceIdle.isTooLong && (Number.isNaN(this.#cameDuring) || this.#counted > Math.max(patience, this.#cameDuring))
  }

  /** Whether new connections wait in the backlog for too long, as far as that can be known. */
  #backlogged(patience: number, peace: boolean): boolean {
    if (peace) return this.#sinceEmpty.isTooLong
    if (this.#busy > BUSY_AT_MOST) return true
    return this.#rate > 0 && this.#busy - this.#read / this.#rate > patience
  }

  #late(now: number, wait: number, patience: number, peace: boolean): boolean {
    if (wait <= patience) {
      this.#lateSince = NaN
      return false
    }
    if (Number.isNaN(this.#lateSince)) this.#lateSince = now
    return !peace || wait > STAMPED_AT_MOST || now - this.#lateSince > LATE_FOR
  }

  #enterTurn(now: number): void {
    this.#inTurn = true
    const idle = this.#clock.idleTime() - this.#turnEndIdle
    this.#turnStart = Math.min(now, this.#turnEnd + idle)
    if (idle > 0) this.#emptied(this.#turnStart)
    this.#cameDuring = idle > 0 ? NaN : now - this.#startBefore
    this.#countedBefore = idle > 0 ? 0 : this.#counted
    if (idle > 0) {
      this.#sinceIdle.end()
      this.#leaving = 0
    }
    this.#counted = 0
    this.#lastRead = now
    this.#clock.setImmediate(this.#leaveTurn)
  }

  /** Takes the time since the request before for a wait of all that came before it. */
  #count(now: number): void {
    const stretch = Math.min(now - this.#lastRead, STRETCH_AT_MOST)
    this.#lastRead = now
    this.#counted += stretch
    this.#sinceIdle.add(stretch)
  }

  readonly #leaveTurn = (): void => {
    const now = this.#clock.now()
    if (this.#readInTurn > 0) this.#count(now)
    const stretch = Math.min(this.#counted, STRETCH_AT_MOST)
    this.#busy += stretch
    this.#sinceEmpty.add(stretch)
    if (this.#acceptedNothing()) this.#emptied(this.#turnStart)
    this.#before = (now - this.#turnStart) / 2
    this.#startBefore = this.#turnStart
    this.#turnEnd = this.#turnStart = now
    this.#turnEndIdle = this.#clock.idleTime()
    this.#inTurn = false
    if (this.#emptying === 0) return
    // The immediate lets the next turn go by without waiting; if it reads no request, then there was none.
    if (this.#readInTurn === 0) {
      this.#emptied(now)
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
  #stopEmptying(now: number): void {
    this.#emptyAt = now
    this.#busy = 0
    this.#sinceEmpty.end()
    this.#read = 0
    this.#rateSpan = 0
    this.#rateRead = 0
    this.#emptying = 0
  }

  /** The backlog is empty, at `now`. */
  #emptied(now: number): void {
    this.#rateSpan += now - this.#emptyAt
    this.#rateRead += this.#read
    if (this.#rateSpan >= LEAST_SPAN) {
      const weight = this.#rate === 0 ? 1 : 1 - Math.exp(-this.#rateSpan / SMOOTHED_OVER)
      this.#rate += weight * (this.#rateRead / this.#rateSpan - this.#rate)
      this.#rateSpan = 0
      this.#rateRead = 0
    }
    this.#emptyAt = now
    this.#busy = 0
    this.#sinceEmpty.end()
    this.#read = 0
    this.#readInTurn = 0
    this.#emptying = 0
  }
}
