/** The figures of the last hour, in columns over one list of times: what the primary process has kept, and what has come since. */
import { POOL_FIGURES, WORKER_FIGURES, type History, type PoolFigure, type Status, type Values, type WorkerFigure } from './api.js'

const HOUR = 3_600_000

/** The figures that the page holds. */
export class Timeline {
  readonly time: number[] = []
  readonly workers = new Map<number, Record<WorkerFigure, Values>>()
  readonly pool = columnsOf(POOL_FIGURES, 0)
  #before: Status | undefined

  /** Takes the place of all that is held. */
  load({ time, workers, pool }: History): void {
    this.time.splice(0, Infinity, ...time)
    for (const name of POOL_FIGURES) this.pool[name].splice(0, Infinity, ...pool[name])
    this.workers.clear()
    for (const { worker, columns } of workers) this.workers.set(worker, columns)
    this.#before = undefined
  }

  /** A moment. One that is not newer than the last is left out. */
  add(status: Status): void {
    if (status.time <= (this.time.at(-1) ?? -Infinity)) return
    const held = this.time.length
    this.time.push(status.time)
    const rows = rowsOf(status)
    for (const place of rows.keys()) if (!this.workers.has(place)) this.workers.set(place, columnsOf(WORKER_FIGURES, held))
    for (const [place, columns] of this.workers) for (const name of WORKER_FIGURES) columns[name].push(rows.get(place)?.[name] ?? null)
    const pool = poolRow(status, this.#before)
    for (const name of POOL_FIGURES) this.pool[name].push(pool[name])
    this.#before = status
    this.#forget(status.time - HOUR)
  }

  #forget(before: number): void {
    const count = this.time.findIndex((time) => time >= before)
    if (count <= 0) return
    this.time.splice(0, count)
    for (const name of POOL_FIGURES) this.pool[name].splice(0, count)
    for (const columns of this.workers.values()) for (const name of WORKER_FIGURES) columns[name].splice(0, count)
  }
}

function columnsOf<Name extends string>(names: readonly Name[], length: number): Record<Name, Values> {
  return Object.fromEntries(names.map((name) => [name, new Array<null>(length).fill(null)])) as unknown as Record<Name, Values>
}

/** While two workers share a place, one replacing the other, their figures are added up. */
function rowsOf({ workers }: Status): Map<number, Record<WorkerFigure, number>> {
  const rows = new Map<number, Record<WorkerFigure, number>>()
  for (const { worker, report, requestsPerSecond } of workers) {
    if (report === null) continue
    const row = rows.get(worker) ?? { requestsPerSecond: 0, active: 0, utilization: 0, rss: 0 }
    row.requestsPerSecond += requestsPerSecond ?? 0
    row.active += report.active
    row.utilization = Math.max(row.utilization, report.utilization)
    row.rss += report.rss
    rows.set(worker, row)
  }
  return rows
}

function poolRow({ time, backlog, totals, workers }: Status, before: Status | undefined): Record<PoolFigure, number | null> {
  const seconds = before === undefined ? 0 : (time - before.time) / 1000
  const rate = (name: 'rejected' | 'rateLimited' | 'serverErrors' | 'recovered'): number | null =>
    before === undefined || seconds <= 0 ? null : Math.max(0, totals[name] - before.totals[name]) / seconds
  return {
    backlog: backlog?.waiting ?? null,
    waiting: workers.flatMap(({ caps }) => caps).reduce((sum, cap) => sum + cap.waiting, 0),
    rejected: rate('rejected'), rateLimited: rate('rateLimited'), serverErrors: rate('serverErrors'), recovered: rate('recovered'),
  }
}

/** The index of the sample that is nearest to a time; -1 where there is none. */
export function nearest(times: readonly number[], time: number): number {
  let best = times.length - 1
  for (let index = times.length - 1; index >= 0; index--) {
    if (Math.abs((times[index] ?? 0) - time) > Math.abs((times[best] ?? 0) - time)) break
    best = index
  }
  return best
}

/** All workers together in one minute. */
export interface Minute {
  time: number
  requestsPerSecond: number
  active: number
  utilization: number
  rss: number
  waiting: number
  turnedAway: number
  failures: number
}

/** The minutes that are held, newest first. */
export function minutesOf({ time: times, workers, pool }: Timeline): Minute[] {
  const minutes = new Map<number, Minute & { samples: number }>()
  times.forEach((time, index) => {
    const begin = Math.floor(time / 60_000) * 60_000
    const minute = minutes.get(begin) ?? { time: begin, requestsPerSecond: 0, active: 0, utilization: 0, rss: 0, waiting: 0, turnedAway: 0, failures: 0, samples: 0 }
    const each = [...workers.values()]
    const sum = (name: WorkerFigure): number => each.reduce((total, columns) => total + (columns[name][index] ?? 0), 0)
    const of = (name: PoolFigure): number => pool[name][index] ?? 0
    minute.requestsPerSecond += (sum('requestsPerSecond') - minute.requestsPerSecond) / ++minute.samples
    minute.active = Math.max(minute.active, sum('active'))
    minute.utilization = Math.max(minute.utilization, ...each.map((columns) => columns.utilization[index] ?? 0))
    minute.rss = Math.max(minute.rss, sum('rss'))
    minute.waiting = Math.max(minute.waiting, of('backlog') + of('waiting'))
    minute.turnedAway = Math.max(minute.turnedAway, of('rejected') + of('rateLimited'))
    minute.failures = Math.max(minute.failures, of('serverErrors') + of('recovered'))
    minutes.set(begin, minute)
  })
  return [...minutes.values()].reverse()
}
