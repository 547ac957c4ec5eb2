/** What the middlewares of a worker have counted, by the metric and the labels that it belongs to. */
import type { Counts } from './lasting-counters.js'
import type { Readings } from './source-readings.js'

/** The metrics that come of what workers tell; their keys begin with the name. */
export const COUNTED = {
  concurrency_limit_accepted: 'Requests that concurrencyLimit() gave a slot, by cap in the order in which the app made them.',
  concurrency_limit_rejected: 'Requests that concurrencyLimit() turned away, by cap and reason.',
  concurrency_limit_leaked: 'Slots taken back from handlers that did not answer.',
  concurrency_limit_abandoned: 'Requests whose clients left while they waited for a slot.',
  rate_limit_passed: 'Requests that rateLimit() passed on, by limit in the order in which the app made them.',
  rate_limit_limited: 'Requests of clients that were over their limit.',
  rate_limit_failed: 'Requests that rateLimit() gave an error, by reason.',
  recoveries: 'Failures that recovery() has recovered from, by route and kind.',
  slow_requests: 'Requests that took longer than the slow log allows.',
} as const
/** The name of one of them. */
export type CountedName = keyof typeof COUNTED

/** A counter of them: its name and its labels. */
export interface CounterKey {
  readonly name: CountedName
  readonly labels: Readonly<Record<string, string>>
}

/** Counts by key; {@link keyOf} and {@link parseKey} turn keys to text and back. */
export function countsOf({ caps, rateLimits, recoveries, slow }: Readings): Counts {
  const counts = new Map<string, number>()
  const add = (name: CountedName, labels: Readonly<Record<string, string>>, value: number): void => {
    const key = keyOf({ name, labels })
    counts.set(key, (counts.get(key) ?? 0) + value)
  }
  caps.forEach(({ accepted, rejected, leaked, abandoned }, index) => {
    const cap = String(index)
    add('concurrency_limit_accepted', { cap }, accepted)
    for (const [reason, value] of Object.entries(rejected)) add('concurrency_limit_rejected', { cap, reason }, value)
    add('concurrency_limit_leaked', { cap }, leaked)
    add('concurrency_limit_abandoned', { cap }, abandoned)
  })
  rateLimits.forEach(({ passed, limited, failed }, index) => {
    const limit = String(index)
    add('rate_limit_passed', { limit }, passed)
    add('rate_limit_limited', { limit }, limited)
    for (const [reason, value] of Object.entries(failed)) add('rate_limit_failed', { limit, reason }, value)
  })
  for (const { counts: byRoute } of recoveries) for (const { route, kind, count } of byRoute) add('recoveries', { route, kind }, count)
  if (slow !== undefined) add('slow_requests', {}, slow.total)
  return counts
}

function keyOf({ name, labels }: CounterKey): string {
  return JSON.stringify([name, labels])
}

/** What a key stands for. */
export function parseKey(key: string): CounterKey {
  const [name, labels] = JSON.parse(key) as [CountedName, Record<string, string>]
  return { name, labels }
}

/** The sum over all labels of a metric. */
export function sumOfName(totals: Counts, wanted: CountedName): number {
  let sum = 0
  for (const [key, value] of totals) if (key.startsWith(`["${wanted}"`)) sum += value
  return sum
}
