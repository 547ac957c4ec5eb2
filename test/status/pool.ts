/** A pool that says what a test wants: the observer that the status asks. */
import type { PoolObserver, PoolStatus, WorkerDetails, WorkerReport, WorkerStatus } from '../../lib/workers/reports.js'

export const NOW = Date.now()

export function report(given: Partial<WorkerReport> = {}): WorkerReport {
  return {
    requests: 100, healthChecks: 10, active: 2, connections: 4, serverErrors: 3, timedOut: 1, released: 5, closedKept: 2, utilization: 0.25, waiting: 0,
    rss: 80_000_000, heapUsed: 30_000_000, cpu: 1_500_000, ...given,
  }
}

export function worker(given: Partial<WorkerStatus> = {}): WorkerStatus {
  return { worker: 0, pid: 1000, state: 'ready', generation: 0, startedAt: NOW - 60_000, report: report(), reportedAt: NOW + 3_600_000, ...given }
}

export function pool(given: Partial<PoolStatus> = {}): PoolStatus {
  return {
    startedAt: NOW - 3_600_000, address: '/run/app/app.sock', boundPath: undefined, state: 'ready',
    workers: [worker(), worker({ worker: 1, pid: 1001 })],
    ends: { reloads: 2, failedReloads: 1, recycled: 3, died: 4, stuck: 0 },
    ended: { requests: 1000, healthChecks: 0, serverErrors: 0, timedOut: 0, released: 0, closedKept: 0, cpu: 2_000_000 },
    ...given,
  }
}

export const cap = { active: 5, waiting: 2, limit: 10, keyed: false, observing: false, full: false, accepted: 40, rejected: { 'limit': 3, 'queue-full': 4 }, leaked: 0, abandoned: 1 }
export const memory = { state: 'ok', since: NOW, sentence: 'No growth of 5 % or more in 10 minutes.', rss: 80_000_000, heapUsed: 30_000_000, liveHeap: 25_000_000 }

export function sources(given: Record<string, unknown[]> = {}): Record<string, unknown[]> {
  return {
    concurrencyLimit: [cap],
    rateLimit: [{ passed: 90, limited: 6, failed: { key: 0, store: 1, other: 0 }, storeAway: false }],
    recovery: [{ total: 3, givenUp: false, counts: [{ route: '/users/:id', kind: 'throw', count: 3 }] }],
    memoryStats: [memory],
    slowRequests: [{ threshold: 1000, total: 2, running: [{ age: 2500, method: 'GET', path: '/report', route: '/report' }] }],
    ...given,
  }
}

/** What the workers tell may be changed while the pool is observed. */
export class FakePool implements PoolObserver {
  now = pool()
  told: (worker: WorkerStatus) => Record<string, unknown> | undefined = () => sources()
  asked = 0

  readonly status = (): PoolStatus => this.now

  readonly details = (): Promise<readonly WorkerDetails[]> => {
    this.asked++
    return Promise.resolve(this.now.workers.filter(({ state }) => state === 'ready').map((each) => ({ worker: each.worker, pid: each.pid, sources: this.told(each) })))
  }
}
