/** When a worker that has died is replaced, and when there have been too many deaths. Pure: the clock is the caller's. */

/** A death within so many milliseconds after the worker was ready counts as one of a row. */
const EARLY_DEATH_MS = 1000
/** The first of a row is replaced at once, the second after this, in milliseconds; each further one waits twice as long. */
const FIRST_DELAY_MS = 100
/** The longest wait. One that is killed again and again, by the OOM killer say, should serve in between. */
const LONGEST_DELAY_MS = 5000

/** How a worker has ended. */
export interface Death {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** For how long it had been ready, in milliseconds; undefined where it never was. */
  readonly readyFor: number | undefined
}

/** Counts deaths. */
export class RespawnPolicy {
  readonly #deaths: number
  readonly #interval: number
  /** When workers have died by themselves, in milliseconds. */
  #recent: number[] = []
  #row = 0

  /**
   * @param deaths so many within `interval` are borne, one more is too many
   * @param interval in milliseconds
   */
  constructor(deaths: number, interval: number) {
    this.#deaths = deaths
    this.#interval = interval
  }

  /** @returns how long to wait until the worker is replaced, in milliseconds; undefined where there have been too many deaths. */
  onDeath(death: Death, now: number): number | undefined {
    if (isOwnFault(death)) {
      this.#recent = [...this.#recent.filter((time) => now - time < this.#interval), now]
      if (this.#recent.length > this.#deaths) return undefined
    }
    const early = death.readyFor === undefined || death.readyFor < EARLY_DEATH_MS
    this.#row = early ? this.#row + 1 : 0
    return this.#row <= 1 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#row - 2))
  }
}

/** Somebody else ends a worker by SIGKILL or SIGTERM; anything else it has done itself. */
function isOwnFault({ signal, readyFor }: Death): boolean {
  return readyFor === undefined || (signal !== 'SIGKILL' && signal !== 'SIGTERM')
}
