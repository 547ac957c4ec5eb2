/** Notices that load has dropped and stayed low, once for every time that it does. */

export interface LoadDropOptions {
  /** ms for which load must have stayed low. */
  after: number
}

/** Load is low at this share of what it was, and high again at that one. */
const LOW = 0.2
const HIGH = 0.5
/** Requests a second that count as a load at all. */
const LEAST_LOAD = 1
/** ms in which the load that is remembered falls by half. */
const HALF_LIFE = 1_800_000

export class LoadDrop {
  readonly #after: number
  /** The highest load lately. */
  #peak = 0
  #time = NaN
  #lowSince = NaN
  #armed = false

  constructor({ after }: LoadDropOptions) {
    this.#after = after
  }

  /** Whether load has now been low for long enough. `time` in ms of any clock that never goes back. */
  sample(time: number, requestsPerSecond: number): boolean {
    const passed = Number.isNaN(this.#time) ? 0 : time - this.#time
    this.#time = time
    this.#peak = Math.max(requestsPerSecond, this.#peak * 0.5 ** (passed / HALF_LIFE))
    if (requestsPerSecond >= Math.max(LEAST_LOAD, HIGH * this.#peak)) this.#armed = true
    if (requestsPerSecond > LOW * this.#peak) this.#lowSince = NaN
    else if (Number.isNaN(this.#lowSince)) this.#lowSince = time
    if (!this.#armed || !(time - this.#lowSince >= this.#after)) return false
    this.#armed = false
    return true
  }
}
