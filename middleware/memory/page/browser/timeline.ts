/** The samples that the page holds: an hour of fine ones, a day of coarse ones, and the collections. Pure; bounded. */
import { type Collection, type Collections, COLUMN_NAMES, type Columns, type Row } from './api.js'

/** In ms. */
export const HOUR = 3_600_000
/** In ms. */
export const DAY = 24 * HOUR
/** Width of a coarse sample, ms. */
export const COARSE = 30_000
const MEAN = 'requestsPerSecond'
/** Collections that are held. */
const MOST_COLLECTIONS = 1024

/** How much of the timeline is shown. */
export type Range = 'hour' | 'day'

/** The samples and collections that the page holds. */
export class Timeline {
  readonly fine: Columns
  readonly coarse: Columns
  readonly collections: Collection[]
  /** In the coarse sample that has begun here. */
  #samples = 0

  constructor(fine: Columns = noColumns(), coarse: Columns = noColumns(), collections: Collections = { time: [], durationMs: [], forced: [] }) {
    this.fine = fine
    this.coarse = coarse
    this.collections = collections.time.map((time, index) => ({ time, durationMs: collections.durationMs[index] ?? 0, forced: collections.forced[index] ?? false }))
  }

  /** Samples that are not newer than the newest are ignored: after a reconnection some come twice. */
  add(row: Row): void {
    if (row.time <= (this.fine.time.at(-1) ?? -Infinity)) return
    append(this.fine, row)
    forget(this.fine, row.time - HOUR)
    this.#addCoarse(row)
    forget(this.coarse, row.time - DAY)
  }

  addCollection(collection: Collection): void {
    if (collection.time <= (this.collections.at(-1)?.time ?? -Infinity)) return
    this.collections.push(collection)
    if (this.collections.length > MOST_COLLECTIONS) this.collections.shift()
  }

  columns(range: Range): Columns {
    return range === 'hour' ? this.fine : this.coarse
  }

  /** As the server has them: a coarse sample holds the most of its half minute, and the mean of requests a second. */
  #addCoarse(row: Row): void {
    const last = this.coarse.time.length - 1
    const begun = this.coarse.time[last] ?? -Infinity
    // What the server sent is complete.
    if (this.#samples === 0 || row.time - begun >= COARSE) {
      append(this.coarse, row)
      this.#samples = 1
      return
    }
    for (const name of COLUMN_NAMES) {
      const [before, now] = [this.coarse[name][last] ?? null, row[name]]
      this.coarse[name][last] = name === MEAN && before !== null && now !== null ? (before * this.#samples + now) / (this.#samples + 1) : larger(before, now)
    }
    this.#samples++
  }
}

/** Columns without samples. */
export function noColumns(): Columns {
  const empty = { time: [] } as Partial<Columns>
  for (const name of COLUMN_NAMES) empty[name] = []
  return empty as Columns
}

/** The sample of an index; undefined where there is none. */
export function rowAt(columns: Columns, index: number): Row | undefined {
  const time = columns.time[index]
  if (time === undefined) return undefined
  const row = { time } as Partial<Row>
  for (const name of COLUMN_NAMES) row[name] = columns[name][index] ?? null
  return row as Row
}

function append(columns: Columns, row: Row): void {
  columns.time.push(row.time)
  for (const name of COLUMN_NAMES) columns[name].push(row[name])
}

function forget(columns: Columns, before: number): void {
  const count = firstFrom(columns.time, before)
  if (count === 0) return
  columns.time.splice(0, count)
  for (const name of COLUMN_NAMES) columns[name].splice(0, count)
}

/** The index of the first time that is not before `time`; the length where there is none. Times rise. */
export function firstFrom(times: readonly number[], time: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] ?? Infinity) < time) low = middle + 1
    else high = middle
  }
  return low
}

/** The index of the nearest time; -1 where there is none. */
export function nearest(times: readonly number[], time: number): number {
  const after = firstFrom(times, time)
  const [before, next] = [times[after - 1], times[after]]
  if (before === undefined) return next === undefined ? -1 : after
  if (next === undefined) return after - 1
  return time - before <= next - time ? after - 1 : after
}

/** The stretch of time to draw: all that is held, and not so little that two samples fill it. */
export function stretch(columns: Columns, range: Range, now: number): { from: number; to: number } {
  const [most, least] = range === 'hour' ? [HOUR, 120_000] : [DAY, HOUR]
  const to = columns.time.at(-1) ?? now
  const held = to - (columns.time[0] ?? to)
  return { from: to - Math.min(most, Math.max(least, held)), to }
}

/** The samples of a stretch of time, put together. */
export interface Interval {
  time: number
  rss: number | null
  liveHeap: number | null
  external: number | null
  cgroup: number | null
  requestsPerSecond: number | null
}

/** Rows for a table, newest first: the most in each interval of `width` ms; of the live heap, the last. */
export function intervals(columns: Columns, width: number): Interval[] {
  const found = new Map<number, Interval>()
  columns.time.forEach((time, index) => {
    const begin = Math.floor(time / width) * width
    const row = found.get(begin) ?? { time: begin, rss: null, liveHeap: null, external: null, cgroup: null, requestsPerSecond: null }
    for (const name of ['rss', 'external', 'cgroup', 'requestsPerSecond'] as const) row[name] = larger(row[name], columns[name][index] ?? null)
    row.liveHeap = columns.liveHeap[index] ?? row.liveHeap
    found.set(begin, row)
  })
  return [...found.values()].reverse()
}

function larger(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other
  return Math.max(one, other)
}
