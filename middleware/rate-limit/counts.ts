/** What a rate limit has counted, and the same as metrics. */
import type { RateLimitStatus } from '../../shared/status-sources.js'
import type { Figures } from '../shared/metrics.js'
import { RateLimitKeyError, RateLimitStoreError } from './errors.js'

/** Counters only rise. */
export class RateLimitCounts {
  passed = 0
  limited = 0
  readonly failed = { key: 0, store: 0, other: 0 }
  isStoreAway: () => boolean = () => false

  /** What `next()` gets. */
  proceeds(error: unknown): void {
    if (error === undefined) this.passed += 1
    else if (error instanceof RateLimitKeyError) this.failed.key += 1
    else if (error instanceof RateLimitStoreError) this.failed.store += 1
    else this.failed.other += 1
  }
}

/** The same for those who ask how the process is. */
export function statusOf({ passed, limited, failed, isStoreAway }: RateLimitCounts): RateLimitStatus {
  return { passed, limited, failed: { ...failed }, storeAway: isStoreAway() }
}

/** The same as metrics. */
export function figuresOf(counts: RateLimitCounts): Figures {
  return {
    middleware: 'rateLimit',
    owner: counts,
    prefix: 'rate_limit',
    labels: ['reason'],
    figures: [
      { name: 'passed_total', kind: 'counter', help: 'Requests that went on to the app.', read: () => [{ value: counts.passed }] },
      { name: 'limited_total', kind: 'counter', help: 'Requests of clients that were over their limit.', read: () => [{ value: counts.limited }] },
      {
        name: 'failed_total',
        kind: 'counter',
        help: 'Requests that were given an error: nobody can tell whose they are, the store does not count, or something else.',
        read: () => Object.entries(counts.failed).map(([reason, value]) => ({ labels: { reason }, value })),
      },
      {
        name: 'store_away',
        kind: 'gauge',
        help: '1 while the store does not answer, else 0; over several workers, for how many it does not.',
        read: () => [{ value: counts.isStoreAway() ? 1 : 0 }],
      },
    ],
  }
}
