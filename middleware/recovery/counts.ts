/** Recoveries by route and kind, in bounded memory. */
import type { FailureKind } from './failure.js'

export interface RecoveryCount {
  readonly route: string
  readonly kind: FailureKind
  readonly count: number
}

/** Patterns of routes are few; an app that makes them up as it goes is counted under one name. */
const MOST = 1000
const OTHERS = '(others)'

export class Counts {
  readonly #counts = new Map<string, RecoveryCount>()
  #total = 0

  get total(): number {
    return this.#total
  }

  add(route: string, kind: FailureKind): void {
    this.#total++
    const known = `${kind} ${route}`
    const key = this.#counts.has(known) || this.#counts.size < MOST ? known : `${kind} ${OTHERS}`
    const shown = key === known ? route : OTHERS
    this.#counts.set(key, { route: shown, kind, count: (this.#counts.get(key)?.count ?? 0) + 1 })
  }

  list(): RecoveryCount[] {
    return [...this.#counts.values()]
  }
}
