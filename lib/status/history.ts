/** The figures of the last hour, for the page's charts: a sample every few seconds, bounded, in columns. */
import type { Backlog } from './snapshot.js'
import type { PoolStatus, WorkerStatus } from '../workers/reports.js'

/** Milliseconds between two samples. */
export const HISTORY_INTERVAL = 5000
const MOST_SAMPLES = 720
/** Places of workers that are kept apart; beyond it, charts say nothing. */
const MOST_WORKERS = 64

/** Names of what is sampled of each worker. */
export const WORKER_FIGURES = ['requestsPerSecond', 'active', 'utilization', 'rss'] as const
/** Names of what is sampled of all together. A second, but for `backlog` and `waiting`. */
export const POOL_FIGURES = ['backlog', 'waiting', 'rejected', 'rateLimited', 'serverErrors', 'recovered'] as const

type Columns<Name extends string> = Record<Name, (number | null)[]>
type Row<Name extends string> = Readonly<Record<Name, number | null>>
/** The figures of one worker. */
export type WorkerRow = Row<(typeof WORKER_FIGURES)[number]>
/** The figures of all together. */
export type PoolRow = Row<(typeof POOL_FIGURES)[number]>

/** What `/history.json` tells: columns as long as `time`, and null where nothing is known. */
export interface HistoryContent {
  /** Milliseconds between two samples. */
  readonly interval: number
  /** ms since 1970. */
  readonly time: readonly number[]
  readonly workers: readonly { readonly worker: number; readonly columns: Columns<(typeof WORKER_FIGURES)[number]> }[]
  readonly pool: Columns<(typeof POOL_FIGURES)[number]>
}

/** The samples. */
export class History {
  readonly #time: number[] = []
  readonly #workers = new Map<number, Columns<(typeof WORKER_FIGURES)[number]>>()
  readonly #pool = emptyColumns(POOL_FIGURES, 0)

  add(time: number, workers: ReadonlyMap<number, WorkerRow>, pool: PoolRow): void {
    const held = this.#time.length
    this.#time.push(time)
    for (const name of POOL_FIGURES) this.#pool[name].push(pool[name])
    for (const place of workers.keys()) {
      if (!this.#workers.has(place) && this.#workers.size < MOST_WORKERS) this.#workers.set(place, emptyColumns(WORKER_FIGURES, held))
    }
    for (const [place, columns] of this.#workers) for (const name of WORKER_FIGURES) columns[name].push(workers.get(place)?.[name] ?? null)
    if (this.#time.length > MOST_SAMPLES) this.#forgetFirst()
  }

  content(): HistoryContent {
    const workers = [...this.#workers].sort(([one], [other]) => one - other).map(([worker, columns]) => ({ worker, columns }))
    return { interval: HISTORY_INTERVAL, time: this.#time, workers, pool: this.#pool }
  }

  #forgetFirst(): void {
    this.#time.shift()
    for (const name of POOL_FIGURES) this.#pool[name].shift()
    for (const [place, columns] of this.#workers) {
      for (const name of WORKER_FIGURES) columns[name].shift()
      // A place that has been empty for as long as the history goes.
      if (columns.rss.every((value) => value === null)) this.#workers.delete(place)
    }
  }
}

function emptyColumns<Name extends string>(names: readonly Name[], length: number): Columns<Name> {
  return Object.fromEntries(names.map((name) => [name, new Array<null>(length).fill(null)])) as unknown as Columns<Name>
}

/** How fast requests come to each worker, by its two last reports. */
export class RequestRates {
  readonly #last = new Map<number, { requests: number; at: number; rate: number | undefined }>()

  /** To be called with each look at the pool; reports that have been seen change nothing. */
  see(workers: readonly WorkerStatus[]): void {
    for (const { pid, report, reportedAt, startedAt } of workers) {
      if (report === undefined || reportedAt === undefined) continue
      const before = this.#last.get(pid) ?? { requests: 0, at: startedAt, rate: undefined }
      if (reportedAt <= before.at) continue
      this.#last.set(pid, { requests: report.requests, at: reportedAt, rate: Math.max(0, report.requests - before.requests) * 1000 / (reportedAt - before.at) })
    }
    const living = new Set(workers.filter(({ state }) => state !== 'ended').map(({ pid }) => pid))
    for (const pid of this.#last.keys()) if (!living.has(pid)) this.#last.delete(pid)
  }

  of(pid: number): number | undefined {
    return this.#last.get(pid)?.rate
  }
}

/** The figures of each worker's place. While two share one, they are added up; of the utilization, the larger counts. */
export function workerRows({ workers }: PoolStatus, rateOf: (pid: number) => number | undefined): Map<number, WorkerRow> {
  const rows = new Map<number, WorkerRow>()
  for (const { worker, pid, state, report } of workers) {
    if (report === undefined || state === 'ended') continue
    const { active, utilization, rss } = report
    const known = rows.get(worker)
    rows.set(worker, {
      requestsPerSecond: (known?.requestsPerSecond ?? 0) + (rateOf(pid) ?? 0),
      active: (known?.active ?? 0) + active,
      utilization: Math.max(known?.utilization ?? 0, utilization),
      rss: (known?.rss ?? 0) + rss,
    })
  }
  return rows
}

/** The counters of which the pool's rates are made. */
export interface PoolCounters {
  readonly rejected: number
  readonly rateLimited: number
  readonly serverErrors: number
  readonly recovered: number
}

/** Rates a second of what has been counted between two looks. */
export function poolRow(now: PoolCounters, before: PoolCounters | undefined, seconds: number, backlog: Backlog | undefined, waiting: number): PoolRow {
  const rate = (name: keyof PoolCounters): number | null => before === undefined || seconds <= 0 ? null : Math.max(0, now[name] - before[name]) / seconds
  return { backlog: backlog?.waiting ?? null, waiting, rejected: rate('rejected'), rateLimited: rate('rateLimited'), serverErrors: rate('serverErrors'), recovered: rate('recovered') }
}
