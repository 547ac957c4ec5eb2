/**
 * The gate: estimates how long the request that is being read has waited for this event loop, and refuses it where that
 * is too long. A limit on what is in flight cannot do this: with synchronous handlers nothing is ever in flight but one.
 *
 * There are two places to wait in. Requests on kept connections are all found by one poll, and wait in that turn of the
 * loop. New connections are accepted one a turn (libuv#3696), and wait in the kernel's backlog, which nothing shows. But
 * when the loop last waited for something to do, or had a turn in which nothing was accepted, that backlog was empty:
 * what is there came since. At the usual rate of arrivals so many came, so many were read, and the difference waits. Where
 * that is too much, everything is refused, which is quick, until the backlog is empty again and the rate of arrivals is
 * known. Nothing is averaged that a backlog would have to be noticed by.
 */

/** The time, and the event loop. */
export interface LoopClock {
  /** Milliseconds, monotonic. */
  now(): number
  /** Milliseconds that the loop has waited in poll, as `performance.nodeTiming.idleTime`. */
  idleTime(): number
  /** Connections that have been accepted so far; NaN where nobody counts them. */
  accepted(): number
  /** Runs in this turn's check phase. */
  setImmediate(callback: () => void): void
}

/** A backlog that has not been seen empty for so many milliseconds is emptied once, to see what is in it. */
const BUSY_AT_MOST = 750
/** Where refusing has not emptied it for so long, it never will: who is refused comes again at once. Then some are let in. */
const EMPTIED_WITHIN = 500
/** The rate of arrivals is taken over at least so many milliseconds … */
const LEAST_SPAN = 200
/** … and smoothed over about so many. */
const SMOOTHED_OVER = 500

export class Gate {
  readonly #clock: LoopClock
  /** A request was read in this turn, so its end will be noticed. */
  #inTurn = false
  /** When the last noticed turn ended, and the idle time then. */
  #turnEnd: number
  #turnEndIdle: number
  #turnEndAccepted: number
  /** When the present turn's work began. */
  #turnStart: number
  /** Half of what the turn before took: on average a request came in its middle. */
  #before = 0
  /** When the backlog was last empty, and the requests read since. */
  #emptyAt: number
  #read = 0
  /** Requests a millisecond. 0 until it is known. */
  #rate = 0
  #rateSpan = 0
  #rateRead = 0
  /** Requests with no more patience than this are refused until the backlog is empty. */
  #emptying = 0
  #emptyingSince = 0
  #readInTurn = 0

  constructor(clock: LoopClock) {
    this.#clock = clock
    this.#turnEnd = this.#turnStart = this.#emptyAt = clock.now()
    this.#turnEndIdle = clock.idleTime()
    this.#turnEndAccepted = clock.accepted()
  }

  /**
   * Whether a request that is read at `now` has waited too long.
   * @param patience what it may wait, in milliseconds
   * @param stamped when the proxy got it, in milliseconds of the same clock, if that is known and to be trusted
   */
  refuses(now: number, patience: number, stamped?: number): boolean {
    if (!this.#inTurn) this.#enterTurn(now)
    this.#read += 1
    this.#readInTurn += 1
    if (patience <= this.#emptying) {
      if (now - this.#emptyingSince < EMPTIED_WITHIN) return true
      this.#stopEmptying(now)
    }
    if (stamped === undefined && this.loopWait(now) > patience) return true
    const wait = stamped === undefined ? this.#backlogWait(now) : now - stamped
    if (wait <= patience) return false
    if (this.#emptying === 0) this.#emptyingSince = now
    this.#emptying = patience
    return true
  }

  /** What an event that is handled at `now` has waited in this turn of the loop, on average; in milliseconds. */
  loopWait(now: number): number {
    return this.#inTurn ? now - this.#turnStart + this.#before : 0
  }

  /** What the oldest new connection has waited in the backlog. */
  #backlogWait(now: number): number {
    const busy = now - this.#emptyAt
    if (busy > BUSY_AT_MOST) return Infinity
    return this.#rate === 0 ? 0 : busy - this.#read / this.#rate
  }

  #enterTurn(now: number): void {
    this.#inTurn = true
    const idleTime = this.#clock.idleTime()
    const idle = idleTime - this.#turnEndIdle
    this.#turnStart = Math.min(now, this.#turnEnd + idle)
    if (idle > 0) this.#emptied(this.#turnStart)
    this.#clock.setImmediate(this.#leaveTurn)
  }

  readonly #leaveTurn = (): void => {
    const now = this.#clock.now()
    const accepted = this.#clock.accepted()
    if (accepted === this.#turnEndAccepted) this.#emptied(this.#turnStart)
    this.#turnEndAccepted = accepted
    this.#before = (now - this.#turnStart) / 2
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

  /** Nobody knows what is in the backlog, and how fast it fills. */
  #stopEmptying(now: number): void {
    this.#emptyAt = now
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
    this.#read = 0
    this.#readInTurn = 0
    this.#emptying = 0
  }
}
