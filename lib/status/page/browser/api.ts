/** What the status answers, whether an answer has that shape, and how it is asked. */

/** The figures of a worker that are drawn. */
export type WorkerFigure = 'requestsPerSecond' | 'active' | 'utilization' | 'rss'
/** The figures of all together that are drawn. */
export type PoolFigure = 'backlog' | 'waiting' | 'rejected' | 'rateLimited' | 'serverErrors' | 'recovered'
/** Their names. */
export const WORKER_FIGURES: readonly WorkerFigure[] = ['requestsPerSecond', 'active', 'utilization', 'rss']
/** Their names. */
export const POOL_FIGURES: readonly PoolFigure[] = ['backlog', 'waiting', 'rejected', 'rateLimited', 'serverErrors', 'recovered']

/** Values as long as the times that they belong to; null where nothing is known. */
export type Values = (number | null)[]

/** `history.json`. Times in ms since 1970. */
export interface History {
  time: number[]
  workers: { worker: number; columns: Record<WorkerFigure, Values> }[]
  pool: Record<PoolFigure, Values>
}

/** A cap. */
export interface Cap {
  active: number
  waiting: number
  limit: number | null
  keyed: boolean
  observing: boolean
  full: boolean
  accepted: number
  rejected: Record<string, number>
}

/** A worker of `status.json`. */
export interface Worker {
  worker: number
  pid: number
  state: string
  generation: number
  startedAt: number
  answered: boolean
  silentFor: number | null
  requestsPerSecond: number | null
  report: { requests: number; active: number; connections: number; serverErrors: number; timedOut: number; utilization: number; rss: number; heapUsed: number } | null
  caps: Cap[]
  rateLimits: { passed: number; limited: number; storeAway: boolean }[]
  recoveries: { route: string; kind: string; count: number }[]
  givenUp: boolean
  memory: { state: string; sentence: string } | null
  slow: { total: number; running: { age: number; method: string; path: string; route: string }[] } | null
}

/** `status.json`. */
export interface Status {
  time: number
  startedAt: number
  address: string
  state: string
  notReady: string | null
  unanswered: number
  backlog: { waiting: number; limit: number; most: number } | null
  totals: { requests: number; serverErrors: number; timedOut: number; rejected: number; rateLimited: number; recovered: number; slow: number; healthChecks: number }
  ends: { reloads: number; failedReloads: number; recycled: number; died: number; stuck: number }
  workers: Worker[]
}

const TIMEOUT = 10_000

/** Asks for a file beside the page. Undefined where there is no answer, or none that can be read. */
export async function ask(path: string): Promise<unknown> {
  try {
    const response = await fetch(new URL(path, document.baseURI), { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT) })
    return response.ok ? await response.json() as unknown : undefined
  } catch {
    return undefined
  }
}

function has(value: unknown, arrays: readonly string[], objects: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false
  const given = value as Record<string, unknown>
  return arrays.every((name) => Array.isArray(given[name])) && objects.every((name) => typeof given[name] === 'object' && given[name] !== null)
}

/** Whether an answer is the history. */
export function isHistory(value: unknown): value is History {
  return has(value, ['time', 'workers'], ['pool']) && has((value as History).pool, POOL_FIGURES, []) && (value as History).workers.every(({ columns }) => has(columns, WORKER_FIGURES, []))
}

/** Whether an answer is the status. */
export function isStatus(value: unknown): value is Status {
  return has(value, ['workers'], ['totals', 'ends']) && (value as Status).workers.every((worker) => has(worker, ['caps', 'rateLimits', 'recoveries'], []))
}
