/** What a limiter has counted, and the same as metrics. */
import type { Figure, Figures, MetricValue } from '../shared/metrics.js'
import { LEASE_STATES, type LeaseStatus } from './lease/lease-client.js'
import type { Reason } from './policy.js'

/** Upper bounds of the wait-time histogram's buckets, seconds; the last bucket has none. */
export const WAIT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const

/** How long requests have waited, as the buckets of a histogram. */
export interface WaitTimes {
  /** Upper bounds, seconds. */
  readonly buckets: readonly number[]
  /**
   * For each bound, requests that waited no longer than it, and longer than the bound before; last, all that waited
   * longer.
   */
  readonly counts: readonly number[]
  /** Seconds. */
  readonly sum: number
  readonly count: number
}

/** What a limiter has counted. Counters only rise. */
export class LimiterCounters {
  accepted = 0
  /** By reason. Where the limiter only observes, requests that were let in all the same. */
  readonly rejected: Record<Reason, number> = { 'limit': 0, 'queue-full': 0, 'queue-timeout': 0, 'loop': 0, 'proxy-queue': 0, 'key': 0 }
  /** Held longer than `maxHold`. */
  leaked = 0
  /** Clients that left while they waited. */
  abandoned = 0
  readonly #waits: number[] = new Array<number>(WAIT_BUCKETS.length + 1).fill(0)
  #waited = 0
  #waitedSum = 0

  /** A request had to wait, and starts. What starts at once is in `accepted` alone. */
  waited(milliseconds: number): void {
    const seconds = milliseconds / 1000
    const found = WAIT_BUCKETS.findIndex((bound) => seconds <= bound)
    const bucket = found === -1 ? WAIT_BUCKETS.length : found
    this.#waits[bucket] = (this.#waits[bucket] ?? 0) + 1
    this.#waited += 1
    this.#waitedSum += seconds
  }

  /** Of all that were accepted: those that did not have to wait are in the first bucket. */
  get waitTime(): WaitTimes {
    const counts = [...this.#waits]
    counts[0] = (counts[0] ?? 0) + this.accepted - this.#waited
    return { buckets: WAIT_BUCKETS, counts, sum: this.#waitedSum, count: this.accepted }
  }

  get rejections(): number {
    return Object.values(this.rejected).reduce((sum, count) => sum + count, 0)
  }
}

interface Gauges {
  readonly active: number
  readonly waiting: number
  readonly limit: number | undefined
  readonly lease: LeaseStatus | undefined
}

/** The same as metrics. */
export function figuresOf(cap: Gauges, counts: LimiterCounters): Figures {
  const lease = cap.lease === undefined ? [] : leaseFigures(cap)
  return { middleware: 'concurrencyLimit', owner: cap, prefix: 'concurrency_limit', labels: ['reason', 'state', 'le'], figures: [...countFigures(cap, counts), ...lease] }
}

function countFigures(cap: Gauges, counts: LimiterCounters): Figure[] {
  const rejected = (): MetricValue[] => Object.entries(counts.rejected).map(([reason, value]) => ({ labels: { reason }, value }))
  return [
    { name: 'active', kind: 'gauge', help: 'Requests that hold a slot.', read: () => [{ value: cap.active }] },
    { name: 'waiting', kind: 'gauge', help: 'Requests that wait for a slot.', read: () => [{ value: cap.waiting }] },
    { name: 'limit', kind: 'gauge', help: 'Requests that may hold a slot at a time.', read: () => cap.limit === undefined ? [] : [{ value: cap.limit }] },
    { name: 'accepted_total', kind: 'counter', help: 'Requests that got a slot.', read: () => [{ value: counts.accepted }] },
    { name: 'rejected_total', kind: 'counter', help: 'Requests that were turned away, by reason.', read: rejected },
    { name: 'leaked_total', kind: 'counter', help: 'Slots taken back from handlers that did not answer.', read: () => [{ value: counts.leaked }] },
    { name: 'abandoned_total', kind: 'counter', help: 'Requests whose clients left while they waited.', read: () => [{ value: counts.abandoned }] },
    { name: 'wait_seconds', kind: 'histogram', help: 'Time that accepted requests waited for a slot.', read: () => histogram(counts) },
  ]
}

function leaseFigures(cap: Gauges): Figure[] {
  const figure = (read: (lease: LeaseStatus) => number) => (): MetricValue[] => cap.lease === undefined ? [] : [{ value: read(cap.lease) }]
  const states = (): MetricValue[] => LEASE_STATES.map((state) => ({ labels: { state }, value: cap.lease?.state === state ? 1 : 0 }))
  return [
    { name: 'lease_total', kind: 'gauge', help: 'Requests that may hold a slot at a time, in all processes together.', read: figure(({ total }) => total), aggregator: 'max' },
    { name: 'lease_wanted', kind: 'gauge', help: 'Slots that were asked for.', read: figure(({ wanted }) => wanted) },
    { name: 'lease_state', kind: 'gauge', help: '1 for the state that the lease is in, 0 for the others; over several workers, how many are in it.', read: states },
  ]
}

function histogram(counts: LimiterCounters): MetricValue[] {
  const { buckets, counts: each, sum, count } = counts.waitTime
  let total = 0
  const values: MetricValue[] = buckets.map((bound, index) => {
    total += each[index] ?? 0
    return { suffix: '_bucket', labels: { le: bound }, value: total }
  })
  return [...values, { suffix: '_bucket', labels: { le: '+Inf' }, value: count }, { suffix: '_sum', value: sum }, { suffix: '_count', value: count }]
}
