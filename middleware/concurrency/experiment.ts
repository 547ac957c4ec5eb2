/**
 * An experiment: does it help to let fewer in? Latency alone cannot tell, for handlers may simply wait for something slow,
 * of which there is enough. So for a moment fewer are let in, the others wait, and those that start now are
 * compared with those of the same route before: are more of them answered within a time in which few were? It ends by time, whether any
 * request finishes or not.
 */

/** So many of those before are compared with so many now, … */
const LATENCIES_KEPT = 128
const COHORT_SIZE = 64
/** … of one route at least so many. */
const MIN_BEFORE = 8
const MIN_NOW = 12
/** What is compared is the share that is answered in this part of the time that three of four needed before. */
const QUARTILE = 0.75
const SOONER_SHARE = 0.75
/** Routes that are this quick, in milliseconds, wait for the processor rather than for anything else. */
const QUICK_MS = 40
/** The least difference of the shares, and in standard errors, so that it is no chance. */
const MIN_DIFFERENCE = 0.25
const STANDARD_ERRORS = 3.3
/** A share's variance, at most. */
const VARIANCE = 0.25
/** An experiment takes so many milliseconds at most. */
export const EXPERIMENT_MS = 700
/** Requests are of one route if this much of their paths is the same. */
const SEGMENTS = /^(?:\/[^/?#]*){0,2}/

/** No target has it. */
const OTHERS = ' '

/** `undefined`: too few were answered to tell. */
export type Finding = 'bottleneck' | 'no-bottleneck' | undefined

/** The latencies of the last requests that were answered, with their targets, in a ring. */
export class RecentLatencies {
  readonly #latencies: number[] = []
  readonly #targets: string[] = []
  #next = 0

  add(latency: number, target: string): void {
    this.#latencies[this.#next] = latency
    this.#targets[this.#next] = target
    this.#next = (this.#next + 1) % LATENCIES_KEPT
  }

  /** Sorted, by route; routes that were seldom asked for are one. */
  byRoute(): Map<string, number[]> {
    const all = new Map<string, number[]>()
    for (const [index, target] of this.#targets.entries()) append(all, routeOf(target), [this.#latencies[index] ?? 0])
    const routes = new Map<string, number[]>()
    for (const [route, latencies] of all) append(routes, latencies.length < MIN_BEFORE ? OTHERS : route, latencies)
    for (const latencies of routes.values()) latencies.sort((one, other) => one - other)
    return routes
  }
}

/** What is compared of one route. */
class Comparison {
  readonly deadline: number
  readonly #shareBefore: number
  readonly #before: number
  /** When those that are compared started; and those of them that were answered soon. */
  readonly started: number[] = []
  readonly soon: number[] = []

  constructor(sorted: readonly number[]) {
    this.deadline = SOONER_SHARE * (sorted[Math.floor(QUARTILE * sorted.length)] ?? 0)
    this.#shareBefore = sorted.filter((latency) => latency <= this.deadline).length / sorted.length
    this.#before = sorted.length
  }

  conclude(now: number): Finding {
    const latest = now - this.deadline
    const compared = count(this.started, latest)
    if (compared < MIN_NOW) return undefined
    const noChance = STANDARD_ERRORS * Math.sqrt(VARIANCE / this.#before + VARIANCE / compared)
    const difference = count(this.soon, latest) / compared - this.#shareBefore
    return difference >= Math.max(MIN_DIFFERENCE, noChance) ? 'bottleneck' : 'no-bottleneck'
  }
}

/** One experiment: fewer are let in for a moment, and throughput is compared. */
export class Experiment {
  /** How many may be in flight meanwhile. */
  readonly limit: number
  readonly #end: number
  readonly #routes = new Map<string, Comparison>()
  readonly #quick = new Set<string>()
  #cohort = 0
  #firstStart = Infinity
  #lastStart = Infinity
  #longest = 0

  constructor(now: number, limit: number, before: RecentLatencies) {
    this.limit = limit
    this.#end = now + EXPERIMENT_MS
    for (const [route, sorted] of before.byRoute()) {
      if (sorted.length < MIN_BEFORE) continue
      const comparison = new Comparison(sorted)
      if (comparison.deadline < SOONER_SHARE * QUICK_MS) {
        this.#quick.add(route)
        continue
      }
      this.#routes.set(route, comparison)
      this.#longest = Math.max(this.#longest, comparison.deadline)
    }
  }

  /** Whether it starts all the same: its route is so quick that nothing is to be found out about it. */
  bypasses(target: string): boolean {
    return this.#quick.has(routeOf(target))
  }

  /** A request starts, `inFlight` with it. */
  started(now: number, target: string, inFlight: number): void {
    if (inFlight > this.limit || this.#cohort >= COHORT_SIZE) return
    const comparison = this.#comparisonOf(target)
    if (comparison === undefined) return
    comparison.started.push(now)
    this.#cohort += 1
    if (this.#cohort === 1) this.#firstStart = now
    if (this.#cohort === COHORT_SIZE) this.#lastStart = now
  }

  finished(startedAt: number, target: string, latency: number): void {
    if (startedAt < this.#firstStart || startedAt > this.#lastStart) return
    const comparison = this.#comparisonOf(target)
    if (comparison !== undefined && latency <= comparison.deadline) comparison.soon.push(startedAt)
  }

  #comparisonOf(target: string): Comparison | undefined {
    const route = routeOf(target)
    return this.#routes.get(route) ?? (this.#quick.has(route) ? undefined : this.#routes.get(OTHERS))
  }

  isOver(now: number): boolean {
    return now >= this.#end || now >= this.#lastStart + this.#longest || this.#routes.size === 0
  }

  /** One route for which something is scarce is enough. */
  conclude(now: number): Finding {
    const findings = [...this.#routes.values()].map((comparison) => comparison.conclude(now))
    if (findings.includes('bottleneck')) return 'bottleneck'
    return findings.every((finding) => finding === 'no-bottleneck') ? 'no-bottleneck' : undefined
  }
}

function routeOf(target: string): string {
  return SEGMENTS.exec(target)?.[0] ?? ''
}

function append(routes: Map<string, number[]>, route: string, latencies: readonly number[]): void {
  const known = routes.get(route)
  if (known === undefined) routes.set(route, [...latencies])
  else known.push(...latencies)
}

function count(times: readonly number[], latest: number): number {
  return times.filter((time) => time <= latest).length
}
