/** One expensive operation at a time in a process, and some time between those of one kind. */

/** Why not now. */
export interface Wait {
  reason: 'busy' | 'too-soon'
  /** What runs, or what ran last of the kind: a path of the endpoint. */
  name: string
  /** Until it is worth another try; undefined where nobody knows. */
  seconds: number | undefined
}

/** To be called when the operation is over; more often does no harm. `forced`: whether it did what it is kept apart for. Default: true. */
export type Done = (forced?: boolean) => void

/** What kind of operation asks for its turn. */
export interface TurnOptions {
  /** Those of one kind keep their distance. Default: 'collection'. */
  kind?: string
  /** What the distance is counted from: the end, or the start, where that is what costs. Default: the end. */
  from?: 'start' | 'end'
  /** ms that it takes, as far as that is known. */
  lasts?: number | undefined
}

interface Running {
  readonly name: string
  readonly end: number | undefined
}

/** Lets one expensive operation at a time run in the process. */
export class OperationLock {
  readonly #now: () => number
  /** The one that has its turn, and those of the process itself, in the order in which they began. */
  readonly #running = new Set<Running>()
  readonly #last = new Map<string, { name: string; time: number }>()
  #waiting: (() => void)[] = []

  /** `now`: ms of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * Begins an operation, unless another one runs. One with `spacing`, such as a scrape that forces a collection, also waits
   * until so many ms have passed since the last of its kind.
   */
  acquire(name: string, spacing?: number, { kind = 'collection', from = 'end', lasts }: TurnOptions = {}): Done | Wait {
    const [busy] = this.#running
    if (busy !== undefined) return { reason: 'busy', name: busy.name, seconds: busy.end === undefined ? undefined : this.#secondsTo(busy.end) }
    const last = this.#last.get(kind)
    if (spacing !== undefined && last !== undefined && last.time + spacing > this.#now()) {
      return { reason: 'too-soon', name: last.name, seconds: this.#secondsTo(last.time + spacing) }
    }
    const start = this.#now()
    const running = this.#begin(name, lasts)
    return (forced = true) => {
      if (!this.#end(running)) return
      if (spacing !== undefined && forced) this.#last.set(kind, { name, time: from === 'start' ? start : this.#now() })
    }
  }

  /** When the next operation is over. */
  nextEnd(): Promise<void> {
    return new Promise((resolve) => { this.#waiting.push(resolve) })
  }

  /** For what nobody asked over HTTP: it is not refused, but others wait for it. */
  async hold<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const running = this.#begin(name, undefined)
    try {
      return await work()
    } finally {
      this.#end(running)
    }
  }

  #secondsTo(time: number): number {
    return Math.max(1, Math.ceil((time - this.#now()) / 1000))
  }

  #begin(name: string, lasts: number | undefined): Running {
    const running = { name, end: lasts === undefined ? undefined : this.#now() + lasts }
    this.#running.add(running)
    return running
  }

  #end(running: Running): boolean {
    if (!this.#running.delete(running)) return false
    for (const wake of this.#waiting.splice(0)) wake()
    return true
  }
}
