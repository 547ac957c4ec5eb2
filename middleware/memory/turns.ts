/** One expensive operation at a time in a process, and some time between those that force a collection. */

/** Why not now. */
export interface Wait {
  reason: 'busy' | 'too-soon'
  /** What runs, or what forced the last collection: a path of the endpoint. */
  name: string
  /** Until it is worth another try; undefined where nobody knows. */
  seconds: number | undefined
}

/** To be called when the operation is over; more often does no harm. `forced`: whether there was a collection. Default: true. */
export type Done = (forced?: boolean) => void

export class Turns {
  readonly #now: () => number
  /** The one that has its turn, and those of the process itself, in the order in which they began. */
  readonly #running = new Set<{ readonly name: string }>()
  #lastScrape: { name: string; end: number } | undefined

  /** `now`: ms of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * Begins an operation, unless another one runs. One with `spacing`, a scrape that forces a collection, also waits until
   * so many ms have passed since the end of the last of its kind.
   */
  take(name: string, spacing?: number): Done | Wait {
    const [busy] = this.#running
    if (busy !== undefined) return { reason: 'busy', name: busy.name, seconds: undefined }
    const last = this.#lastScrape
    if (spacing !== undefined && last !== undefined) {
      const left = last.end + spacing - this.#now()
      if (left > 0) return { reason: 'too-soon', name: last.name, seconds: Math.ceil(left / 1000) }
    }
    const running = this.#begin(name)
    return (forced = true) => {
      if (!this.#running.delete(running)) return
      if (spacing !== undefined && forced) this.#lastScrape = { name, end: this.#now() }
    }
  }

  /** For what nobody asked over HTTP: it is not refused, but others wait for it. */
  async during<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const running = this.#begin(name)
    try {
      return await work()
    } finally {
      this.#running.delete(running)
    }
  }

  #begin(name: string): { readonly name: string } {
    const running = { name }
    this.#running.add(running)
    return running
  }
}
