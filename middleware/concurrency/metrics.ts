/** What a limiter has counted, and the same as metrics on the app's own registry of prom-client, read when they are scraped. */
import { optionChecks } from '../shared/options.js'
import { checkRegistry, type Aggregator } from '../shared/prometheus.js'
import { LEASE_STATES, type LeaseStatus } from './lease/lease-client.js'
import type { Reason } from './policy.js'

/** Upper bounds of the wait-time histogram's buckets, seconds; the last bucket has none. */
export const WAIT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const

export interface WaitTimes {
  /** Upper bounds, seconds. */
  readonly buckets: readonly number[]
  /** Requests that waited for no longer than the bound of the same index, and longer than the one before; one more for the rest. */
  readonly counts: readonly number[]
  /** Seconds. */
  readonly sum: number
  readonly count: number
}

/** What a limiter has counted. Counters only rise. */
export class LimiterCounters {
  accepted = 0
  /** Counted, and let in, where the cap only observes. */
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

/** What is used of prom-client's `Registry`. */
export interface MetricsRegistry {
  registerMetric(metric: object): void
  getSingleMetric?(name: string): unknown
}

export interface MetricsOptions {
  /** What the names begin with. Default: `concurrency_limit`. */
  prefix?: string | undefined
  /** Labels that all of them get, such as `{ cap: 'api' }`: by them, several caps on one registry are told apart. */
  labels?: Readonly<Record<string, string>> | undefined
}

interface Gauges {
  readonly active: number
  readonly waiting: number
  readonly limit: number | undefined
  readonly lease: LeaseStatus | undefined
}

interface Value {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

type Kind = 'gauge' | 'counter' | 'histogram'
type Labels = Readonly<Record<string, string>>
type Add = (name: string, kind: Kind, help: string, values: () => Value[], aggregator?: Aggregator) => void

const checks = optionChecks('concurrencyLimit.registerMetrics')
/** Labels that some metrics have of their own. */
const RESERVED_LABELS: ReadonlySet<string> = new Set(['reason', 'state', 'le'])

/** One metric, of all caps that have put theirs on the registry under this name. */
class Metric {
  readonly #sources = new Map<string, () => Value[]>()
  readonly name: string
  readonly help: string
  readonly type: Kind
  readonly aggregator: Aggregator

  constructor(name: string, help: string, type: Kind, aggregator: Aggregator) {
    this.name = name
    this.help = help
    this.type = type
    this.aggregator = aggregator
  }

  has(labels: Labels): boolean {
    return this.#sources.has(sourceOf(labels))
  }

  add(labels: Labels, values: () => Value[]): void {
    this.#sources.set(sourceOf(labels), values)
  }

  get(): Promise<object> {
    const { name, help, type, aggregator } = this
    return Promise.resolve({ name, help, type, aggregator, values: [...this.#sources.values()].flatMap((values) => values()) })
  }

  reset(): void {
    // The registry's resetMetrics(): counters are the caps' own and only rise.
  }
}

/** All of them or, where one cannot be, none. @throws OptionError that names a wrong option */
export function registerMetrics(registry: MetricsRegistry, gauges: Gauges, counts: LimiterCounters, options: MetricsOptions): void {
  checkRegistry(checks, 'registry', registry, ['registerMetric'])
  const { prefix = 'concurrency_limit', labels = {} } = checks.object('options', options, ['prefix', 'labels'])
  checkNames(prefix, labels)
  const added: (() => void)[] = []
  const add: Add = (name, kind, help, values, aggregator = 'sum') => {
    const full = `${prefix}_${name}`
    const known = registry.getSingleMetric?.(full)
    const metric = known === undefined ? new Metric(full, help, kind, aggregator) : sharedMetric(known, prefix, full, labels)
    added.push(() => {
      metric.add(labels, values)
      if (metric !== known) registry.registerMetric(metric)
    })
  }
  addCounts(add, prefix, gauges, counts, labels)
  if (gauges.lease !== undefined) addLease(add, gauges, labels)
  for (const each of added) each()
}

/** A metric that is there already, to which another cap's figures can be added. */
function sharedMetric(metric: unknown, prefix: string, full: string, labels: Labels): Metric {
  if (!(metric instanceof Metric)) {
    throw checks.wrong('prefix', prefix, `the registry has a metric ${full} of something else already: give another prefix`)
  }
  if (metric.has(labels)) {
    throw checks.wrong('labels', labels, 'another cap is on this registry with the same: give labels that tell them apart, or another prefix')
  }
  return metric
}

function addCounts(add: Add, prefix: string, gauges: Gauges, counts: LimiterCounters, labels: Labels): void {
  add('active', 'gauge', 'Requests that hold a slot.', () => [{ labels, value: gauges.active }])
  add('waiting', 'gauge', 'Requests that wait for a slot.', () => [{ labels, value: gauges.waiting }])
  add('limit', 'gauge', 'Requests that may hold a slot at a time.', () => gauges.limit === undefined ? [] : [{ labels, value: gauges.limit }])
  add('accepted_total', 'counter', 'Requests that got a slot.', () => [{ labels, value: counts.accepted }])
  add('rejected_total', 'counter', 'Requests that were turned away, by reason.', () => Object.entries(counts.rejected).map(([reason, value]) => ({ labels: { ...labels, reason }, value })))
  add('leaked_total', 'counter', 'Slots taken back from handlers that did not answer.', () => [{ labels, value: counts.leaked }])
  add('abandoned_total', 'counter', 'Requests whose clients left while they waited.', () => [{ labels, value: counts.abandoned }])
  add('wait_seconds', 'histogram', 'Time that accepted requests waited for a slot.', () => histogram(`${prefix}_wait_seconds`, counts, labels))
}

function addLease(add: Add, gauges: Gauges, labels: Labels): void {
  const figure = (read: (lease: LeaseStatus) => number) => (): Value[] => gauges.lease === undefined ? [] : [{ labels, value: read(gauges.lease) }]
  add('lease_total', 'gauge', 'Requests that may hold a slot at a time, in all processes together.', figure(({ total }) => total), 'max')
  add('lease_wanted', 'gauge', 'Slots that were asked for.', figure(({ wanted }) => wanted))
  add('lease_state', 'gauge', '1 for the state that the lease is in, 0 for the others; over several workers, how many are in it.', () => LEASE_STATES.map((state) => ({ labels: { ...labels, state }, value: gauges.lease?.state === state ? 1 : 0 })))
}

function checkNames(prefix: unknown, labels: Labels): void {
  if (typeof prefix !== 'string' || !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(prefix)) {
    throw checks.wrong('prefix', prefix, 'give letters, digits and underscores, and no digit first')
  }
  if (typeof labels !== 'object' || (labels as unknown) === null) throw checks.wrong('labels', labels, 'give an object')
  const valueless = Object.entries(labels).find(([, value]) => typeof value !== 'string')
  if (valueless !== undefined) throw checks.wrong(`labels.${valueless[0]}`, valueless[1], 'give a string')
  const wrong = Object.keys(labels).find((name) => RESERVED_LABELS.has(name) || !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name))
  if (wrong !== undefined) {
    throw checks.wrong('labels', labels, `${JSON.stringify(wrong)} cannot be the name of one: give letters, digits and underscores, no digit first, and none of ${[...RESERVED_LABELS].join(', ')}`)
  }
}

/** The same for the same labels, in whatever order. */
function sourceOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([one], [other]) => one < other ? -1 : 1))
}

function histogram(name: string, counts: LimiterCounters, labels: Labels): Value[] {
  const { buckets, counts: each, sum, count } = counts.waitTime
  let total = 0
  const values: Value[] = buckets.map((bound, index) => {
    total += each[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: total }
  })
  return [
    ...values,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
