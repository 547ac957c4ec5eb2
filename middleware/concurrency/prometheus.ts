/** A cap's figures as metrics of prom-client, on the registry that the app has. They are read when they are scraped. */
import type { Counts } from './counts.js'
import { LEASE_STATES, type LeaseStatus } from './lease/holder.js'

/** What is used of prom-client's `Registry`. */
export interface MetricsRegistry {
  registerMetric(metric: object): void
}

export interface MetricsOptions {
  /** What the names begin with. Default: `concurrency_limit`. */
  prefix?: string
  /** Labels that all of them get, such as `{ cap: 'api' }`. */
  labels?: Readonly<Record<string, string>>
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

type Add = (name: string, type: 'gauge' | 'counter' | 'histogram', help: string, values: () => Value[], aggregator?: 'sum' | 'max') => void

export function registerMetrics(registry: MetricsRegistry, gauges: Gauges, counts: Counts, { prefix = 'concurrency_limit', labels = {} }: MetricsOptions): void {
  const add: Add = (name, type, help, values, aggregator = 'sum') => {
    const full = `${prefix}_${name}`
    registry.registerMetric({ name: full, get: () => Promise.resolve({ name: full, help, type, aggregator, values: values() }), reset: keepCounting })
  }
  add('active', 'gauge', 'Requests that hold a slot.', () => [{ labels, value: gauges.active }])
  add('waiting', 'gauge', 'Requests that wait for a slot.', () => [{ labels, value: gauges.waiting }])
  add('limit', 'gauge', 'Requests that may hold a slot at a time.', () => gauges.limit === undefined ? [] : [{ labels, value: gauges.limit }])
  add('accepted_total', 'counter', 'Requests that got a slot.', () => [{ labels, value: counts.accepted }])
  add('rejected_total', 'counter', 'Requests that were turned away, by reason.', () => Object.entries(counts.rejected).map(([reason, value]) => ({ labels: { ...labels, reason }, value })))
  add('leaked_total', 'counter', 'Slots taken back from handlers that did not answer.', () => [{ labels, value: counts.leaked }])
  add('abandoned_total', 'counter', 'Requests whose clients left while they waited.', () => [{ labels, value: counts.abandoned }])
  add('wait_seconds', 'histogram', 'Time that accepted requests waited for a slot.', () => histogram(`${prefix}_wait_seconds`, counts, labels))
  if (gauges.lease !== undefined) addLease(add, gauges, labels)
}

function addLease(add: Add, gauges: Gauges, labels: Readonly<Record<string, string>>): void {
  const figure = (read: (lease: LeaseStatus) => number) => (): Value[] => gauges.lease === undefined ? [] : [{ labels, value: read(gauges.lease) }]
  add('lease_total', 'gauge', 'Requests that may hold a slot at a time, in all processes together.', figure(({ total }) => total), 'max')
  add('lease_wanted', 'gauge', 'Slots that were asked for.', figure(({ wanted }) => wanted))
  add('lease_state', 'gauge', '1 for the state that the lease is in, 0 for the others.', () => LEASE_STATES.map((state) => ({ labels: { ...labels, state }, value: gauges.lease?.state === state ? 1 : 0 })))
}

function keepCounting(): void {
  // The registry's resetMetrics(): counters are the cap's own and only rise.
}

function histogram(name: string, counts: Counts, labels: Readonly<Record<string, string>>): Value[] {
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
