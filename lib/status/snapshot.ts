/** The state of all workers at one moment, as `/status.json` tells it. Pure: made of what the pool, its workers and the kernel say. */
import type { ConcurrencyLimitStatus, MemoryStatus, RateLimitStatus } from '../../shared/status-sources.js'
import type { EndCounts, PoolStatus, WorkerDetails, WorkerReport, WorkerState, WorkerStatus } from '../workers/reports.js'
import type { SlowRequestsStatus } from '../workers/slow-log.js'
import { readingsOf, type Readings } from './source-readings.js'

/** Connections that wait in the kernel. */
export interface Backlog {
  readonly waiting: number
  /** How many may wait. */
  readonly limit: number
}

/** What all workers have counted since the start, those that have ended too. */
export type Totals = PoolStatus['ended'] & {
  /** Requests that concurrencyLimit() has turned away, that rateLimit() has limited, and that recovery() has recovered from. */
  readonly rejected: number
  readonly rateLimited: number
  readonly recovered: number
  readonly slow: number
}

/** One worker. */
export interface WorkerSnapshot {
  readonly worker: number
  readonly pid: number
  readonly state: WorkerState
  readonly generation: number
  readonly startedAt: number
  /** Whether it has told its details in time; only ready workers are asked. */
  readonly answered: boolean
  /** Milliseconds since its last report; null before the first. More than some seconds: its event loop is stuck. */
  readonly silentFor: number | null
  readonly requestsPerSecond: number | null
  readonly report: WorkerReport | null
  readonly caps: readonly ConcurrencyLimitStatus[]
  readonly rateLimits: readonly RateLimitStatus[]
  /** Recoveries by route and kind. */
  readonly recoveries: readonly { readonly route: string; readonly kind: string; readonly count: number }[]
  readonly givenUp: boolean
  readonly memory: MemoryStatus | null
  readonly slow: SlowRequestsStatus | null
}

/** All of them. Times in ms since 1970. */
export interface StatusSnapshot {
  readonly time: number
  readonly startedAt: number
  readonly address: string
  readonly state: PoolStatus['state']
  /** Whether `/readyz` says so, and why not. */
  readonly ready: boolean
  readonly notReady: 'starting' | 'draining' | 'capped' | null
  /** Ready workers that did not tell their details in time: what is theirs is missing. */
  readonly unanswered: number
  /** null where the address has no backlog that can be read. `most`: the most that has been seen. */
  readonly backlog: Backlog & { readonly most: number } | null
  readonly totals: Totals
  readonly ends: EndCounts
  readonly workers: readonly WorkerSnapshot[]
}

/** What a snapshot is made of. */
export interface SnapshotParts {
  readonly time: number
  readonly pool: PoolStatus
  readonly details: readonly WorkerDetails[]
  readonly backlog: Backlog & { readonly most: number } | undefined
  /** Of a worker, by its pid. */
  readonly rateOf: (pid: number) => number | undefined
  readonly counted: Omit<Totals, keyof PoolStatus['ended']>
}

const NOTHING: Readings = { caps: [], rateLimits: [], recoveries: [], memory: undefined, slow: undefined }

/** Puts the parts together. */
export function snapshotOf({ time, pool, details, backlog, rateOf, counted }: SnapshotParts): StatusSnapshot {
  const sources = new Map(details.map((each) => [each.pid, each.sources]))
  const workers = pool.workers.filter(({ state }) => state !== 'ended').map((worker) => workerSnapshotOf(worker, sources.get(worker.pid), time, rateOf(worker.pid)))
  const notReady = reasonAgainst(pool, workers)
  return {
    time,
    startedAt: pool.startedAt,
    address: pool.address,
    state: pool.state,
    ready: notReady === null,
    notReady,
    unanswered: workers.filter(({ state, answered }) => state === 'ready' && !answered).length,
    backlog: backlog ?? null,
    totals: { ...reportTotals(pool), ...counted },
    ends: pool.ends,
    workers,
  }
}

function workerSnapshotOf(status: WorkerStatus, sources: WorkerDetails['sources'], time: number, rate: number | undefined): WorkerSnapshot {
  const { worker, pid, state, generation, startedAt, report, reportedAt } = status
  const { caps, rateLimits, recoveries, memory, slow } = sources === undefined ? NOTHING : readingsOf(sources)
  return {
    worker, pid, state, generation, startedAt,
    answered: sources !== undefined,
    silentFor: reportedAt === undefined ? null : Math.max(0, time - reportedAt),
    requestsPerSecond: rate ?? null,
    report: report ?? null,
    caps, rateLimits,
    recoveries: recoveries.flatMap(({ counts }) => counts),
    givenUp: recoveries.some(({ givenUp }) => givenUp),
    memory: memory ?? null,
    slow: slow ?? null,
  }
}

/** Why no more requests should be sent; null where nothing is against it. */
function reasonAgainst({ state }: PoolStatus, workers: readonly WorkerSnapshot[]): StatusSnapshot['notReady'] {
  if (state === 'starting' || state === 'draining') return state
  const ready = workers.filter((worker) => worker.state === 'ready')
  if (ready.length === 0) return 'starting'
  // One that does not answer says nothing for or against: it may be busy for a moment.
  const answered = ready.filter(({ answered: has }) => has)
  return answered.length > 0 && answered.every(({ caps }) => caps.some(({ full }) => full)) ? 'capped' : null
}

const COUNTERS = ['requests', 'healthChecks', 'serverErrors', 'timedOut', 'released', 'closedKept', 'cpu'] as const satisfies readonly (keyof PoolStatus['ended'])[]

/** The counters of the reports, those of ended workers among them. */
export function reportTotals({ ended, workers }: PoolStatus): PoolStatus['ended'] {
  const totals = { ...ended }
  for (const { state, report } of workers) {
    if (report !== undefined && state !== 'ended') for (const name of COUNTERS) totals[name] += report[name]
  }
  return totals
}

/** The sum of a figure over workers. */
export function sumOf(workers: readonly WorkerSnapshot[], figure: (worker: WorkerSnapshot) => number | null | undefined): number {
  return workers.reduce((sum, worker) => sum + (figure(worker) ?? 0), 0)
}
