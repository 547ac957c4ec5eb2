/**
 * How late the event loop comes, at worst, between one look and the next. A timer of its own: Node's monitorEventLoopDelay()
 * forgets at each reset when its last tick was, and with it a delay that begins then.
 */

/**
 * ms between two ticks. A longer delay is seen for certain, as too short by at most this; more ticks would wake an idle
 * process more often.
 */
const INTERVAL = 50

export class LoopDelay {
  readonly #timer: NodeJS.Timeout
  #last = performance.now()
  #most = 0

  constructor() {
    this.#timer = setInterval(() => { this.#tick() }, INTERVAL).unref()
  }

  /** The longest delay since the last call, ms, to the tenth. */
  take(): number {
    // Who asks may be served before the tick that is overdue, which must not tell of the same delay again.
    if (this.#late() > 0) this.#tick()
    const most = this.#most
    this.#most = 0
    return Math.round(most * 10) / 10
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    this.#most = Math.max(this.#most, this.#late())
    this.#last = performance.now()
  }

  #late(): number {
    return Math.max(0, performance.now() - this.#last - INTERVAL)
  }
}
