/** What a worker tells the primary process about itself, and what the primary knows of each, and of those that have ended. */
import type { StatusAnswer, StatusRequest } from './status-path.js'

/** Where a worker is in its life: it loads the app, serves, answers what it has left, or has ended. */
export type WorkerState = 'starting' | 'ready' | 'draining' | 'ended'

/** What a worker tells once a second. Counters begin at 0 with the worker. */
export interface WorkerReport {
  /** Requests that the app was given. */
  readonly requests: number
  /** Of those, health checks; recycling does not count them. */
  readonly healthChecks: number
  /** Requests that are not over. */
  readonly active: number
  /** Connections from the web server that are open. */
  readonly connections: number
  /** Answers of a status from 500 to 599. */
  readonly serverErrors: number
  /** Requests that `requestTimeout` has answered. */
  readonly timedOut: number
  /** Connections that the web server was asked to close, to balance the load. */
  readonly released: number
  /** Kept connections that were closed from this side at a stop or for balance: the web server had not closed them, or cannot be asked. */
  readonly closedKept: number
  /** The share of the last second in which the event loop was busy, 0 to 1. */
  readonly utilization: number
  /** How many requests waited for the event loop in the mean of the last second, while one was run. */
  readonly waiting: number
  /** Memory of the process, in bytes. */
  readonly rss: number
  /** Memory of V8's heap that is in use, in bytes. */
  readonly heapUsed: number
  /** Processor time of the process since it began, in microseconds. */
  readonly cpu: number
}

/** A worker as the primary knows it. */
export interface WorkerStatus {
  /** The number of its place, from 0; a worker that replaces another takes its number. */
  readonly worker: number
  readonly pid: number
  readonly state: WorkerState
  /** Counts the reloads: workers of one generation run the same code. */
  readonly generation: number
  /** When it was forked, in milliseconds since 1970. */
  readonly startedAt: number
  /** The last report; undefined before the first. */
  readonly report: WorkerReport | undefined
  /** When the last report came, in milliseconds since 1970. */
  readonly reportedAt: number | undefined
}

/** Why workers have ended, counted since the start. */
export interface EndCounts {
  /** Reloads that succeeded, and those that were given up. */
  readonly reloads: number
  readonly failedReloads: number
  /** Workers that were replaced at `maxRequests`, `maxRss` or `maxLifetime`. */
  readonly recycled: number
  /** Workers that ended by themselves, by an error or a signal. */
  readonly died: number
  /** Workers that were replaced because their event loop was stuck. */
  readonly stuck: number
}

/** All that the primary knows. */
export interface PoolStatus {
  /** When the primary began, in milliseconds since 1970. */
  readonly startedAt: number
  /** Where the workers listen: the path of the socket, or `host:port`. */
  readonly address: string
  /** The path that the kernel knows the socket by (/proc/net/unix); undefined where it is none or not known. */
  readonly boundPath: string | undefined
  readonly state: 'starting' | 'ready' | 'reloading' | 'draining'
  readonly workers: readonly WorkerStatus[]
  readonly ends: EndCounts
  /** The sum of the counters of all workers that have ended: counters that are shown never fall. */
  readonly ended: Pick<WorkerReport, 'requests' | 'healthChecks' | 'serverErrors' | 'timedOut' | 'released' | 'closedKept' | 'cpu'>
}

/** What the primary offers to whoever shows it. */
export interface PoolObserver {
  readonly status: () => PoolStatus
  /**
   * Asks each ready worker for details (the status sources of `shared/status-sources.ts`, by name).
   * @param timeout in milliseconds; a worker that does not answer in time has `undefined`
   */
  readonly details: (timeout: number) => Promise<readonly WorkerDetails[]>
}

/** The details of one worker. */
export interface WorkerDetails {
  readonly worker: number
  readonly pid: number
  /** What each source tells, as JSON; undefined where the worker did not answer in time. */
  readonly sources: Readonly<Record<string, unknown>> | undefined
}

/** Who shows the status: hears what workers tell at their end, and answers those who ask through a worker. */
export interface StatusKeeper {
  keep(details: WorkerDetails): void
  answer(request: StatusRequest): Promise<StatusAnswer>
}

/** What workers that have ended had done, where none has. */
export const NONE_ENDED: PoolStatus['ended'] = { requests: 0, healthChecks: 0, serverErrors: 0, timedOut: 0, released: 0, closedKept: 0, cpu: 0 }

/** The same with one more. */
export function withReport(ended: PoolStatus['ended'], report: WorkerReport): PoolStatus['ended'] {
  return {
    requests: ended.requests + report.requests,
    healthChecks: ended.healthChecks + report.healthChecks,
    serverErrors: ended.serverErrors + report.serverErrors,
    timedOut: ended.timedOut + report.timedOut,
    released: ended.released + report.released,
    closedKept: ended.closedKept + report.closedKept,
    cpu: ended.cpu + report.cpu,
  }
}
