/**
 * An experiment: are requests answered sooner when fewer are in flight? If so, there is a bottleneck. Latency alone
 * cannot tell, for handlers may wait for something slow of which there is enough. So for EXPERIMENT_MS fewer requests
 * are let in, and the others wait. For each route, the share of requests that are answered by a deadline is compared
 * with the share before. An experiment ends by time, whether any request finishes or not.
 */

/** Latencies that are kept from before the experiment, of all routes together. */
const LATENCIES_KEPT = 128
/** Requests of the experiment that are compared with them (the cohort), of all routes together. */
const COHORT_SIZE = 64
/** Latencies from before that a route needs. Routes with fewer are compared together. */
const MIN_BEFORE = 8
/** Requests in the cohort that a route needs, else its comparison tells nothing. */
const MIN_NOW = 12
/**
 * The deadline of a route is SOONER_SHARE of this quantile of its latencies before: well under what most requests took.
 */
const QUARTILE = 0.75
const SOONER_SHARE = 0.75
/** Milliseconds. A route whose quartile is lower is not compared: it waits for the processor, not for a bottleneck. */
const QUICK_MS = 40
/** The share of requests that meet the deadline must rise by at least so much, so that a limit is worth it. */
const MIN_DIFFERENCE = 0.25
/**
 * It must also rise by so many standard errors: by chance, 1 in 2,000 comparisons does (normal distribution, one side).
 */
const STANDARD_ERRORS = 3.3
/** The highest variance of a share p: p(1 − p) at p = ½. */
const VARIANCE = 0.25
/** Milliseconds that an experiment takes at most: so long requests are kept waiting for it. */
export const EXPERIMENT_MS = 700
/** The first two segments of a path stand for its route, which Express has not looked up yet. */
const SEGMENTS = /^(?:\/[^/?#]*){0,2}/

/** Stands for all routes with too few latencies. No path begins with a space. */
const OTHERS = ' '

/** `undefined`: too few requests were answered to tell. */
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

  /** The latencies of each route, sorted; those of rare routes together. */
  byRoute(): Map<string, number[]> {
    const all = new Map<string, number[]>()
    for (const [index, target] of this.#targets.entries()) append(all, routeOf(target), [this.#latencies[index] ?? 0])
    const routes = new Map<string, number[]>()
    for (const [route, latencies] of all) append(routes, latencies.length < MIN_BEFORE ? OTHERS : route, latencies)
    for (const latencies of routes.values()) latencies.sort((one, other) => one - other)
    return routes
  }
}

/** The requests of one route, before and during the experiment. */
class Comparison {
  /** Milliseconds. */
  readonly deadline: number
  readonly #shareBefore: number
  readonly #before: number
  /** When the requests of the cohort started; and those of them that met the deadline. */
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

/** One experiment: for a moment fewer requests are let in, and the shares that meet the deadlines are compared. */
export class Experiment {
  /** How many requests may be in flight meanwhile. */
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

  /** Whether a request starts although the limit is reached: its route is so quick that it is not compared. */
  bypasses(target: string): boolean {
    return this.#quick.has(routeOf(target))
  }

  /** A request starts. @param inFlight requests in flight, this one included */
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

  /** A bottleneck of one route is enough. */
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
