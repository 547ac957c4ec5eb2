/** One frame of `express-responder top`: lines of text made of the status. Pure. */
import type { StatusSnapshot, WorkerSnapshot } from '../status/snapshot.js'
import { sumOf } from '../status/snapshot.js'
import { bytes } from '../status/status-text.js'

const HEAD = ['WORKER', 'PID', 'STATE', 'GEN', 'UP', 'REQUESTS', 'REQ/S', 'ACTIVE', 'CONN', 'BUSY', 'RSS', 'HEAP', 'VERDICT'] as const
/** Columns of text; the others are figures, which stand right. */
const LEFT = new Set([2, 12])
/** Milliseconds without a report after which a worker counts as stuck. */
const SILENT = 5000
const MOST_SLOW = 5

/** What a terminal has room for. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/**
 * The lines of a frame.
 *
 * @param snapshot what is shown
 * @param before the frame before, for rates; none at first
 * @param size of the terminal: what does not fit is left out
 */
export function topFrame(snapshot: StatusSnapshot, before: StatusSnapshot | undefined, size: TerminalSize): string[] {
  const { workers } = snapshot
  const rows = workers.map((worker) => cellsOf(worker, snapshot.time))
  const widths = HEAD.map((name, index) => Math.max(name.length, ...rows.map((cells) => cells[index]?.length ?? 0)))
  const line = (cells: readonly string[]): string => cells.map((cell, index) => LEFT.has(index) ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)).join('  ').trimEnd()
  const slow = workers.flatMap(({ worker, slow: own }) => (own?.running ?? []).map((each) => ({ worker, ...each })))
    .sort((one, other) => other.age - one.age).slice(0, MOST_SLOW)
    .map(({ worker, age, method, path, route }) => `  ${(age / 1000).toFixed(1)} s  worker ${String(worker)}  ${method} ${path}${route === '' || route === path ? '' : ` (${route})`}`)
  const lines = [...headLines(snapshot, before), '', line(HEAD), ...rows.map(line), ...slow.length === 0 ? [] : ['', 'Slow requests that still run', ...slow]]
  return lines.map((text) => printable(text).slice(0, size.columns)).slice(0, size.rows)
}

function headLines(snapshot: StatusSnapshot, before: StatusSnapshot | undefined): string[] {
  const { time, startedAt, address, state, notReady, unanswered, backlog, totals, ends, workers } = snapshot
  const seconds = before === undefined ? 0 : (time - before.time) / 1000
  const rate = (name: 'serverErrors' | 'rejected' | 'rateLimited' | 'recovered'): string =>
    before === undefined || seconds <= 0 ? '' : ` (${short(Math.max(0, totals[name] - before.totals[name]) / seconds)}/s)`
  return [
    `${address}  ${state}${notReady === null || notReady === state ? '' : `, ${notReady}`}  up ${span(time - startedAt)}${unanswered === 0 ? '' : `  ${String(unanswered)} not answering`}`,
    `requests ${String(totals.requests)}  ${short(sumOf(workers, ({ requestsPerSecond }) => requestsPerSecond))}/s  active ${String(sumOf(workers, ({ report }) => report?.active))}` +
      `  connections ${String(sumOf(workers, ({ report }) => report?.connections))}${backlog === null ? '' : `  waiting ${String(backlog.waiting)} of ${String(backlog.limit)} (most ${String(backlog.most)})`}` +
      `  memory ${bytes(sumOf(workers, ({ report }) => report?.rss))}`,
    `server errors ${String(totals.serverErrors)}${rate('serverErrors')}  rejected ${String(totals.rejected)}${rate('rejected')}  rate limited ${String(totals.rateLimited)}${rate('rateLimited')}` +
      `  recovered ${String(totals.recovered)}${rate('recovered')}  slow ${String(totals.slow)}`,
    `workers recycled ${String(ends.recycled)}, died ${String(ends.died)}, stuck ${String(ends.stuck)}  reloads ${String(ends.reloads)}, failed ${String(ends.failedReloads)}`,
  ]
}

function cellsOf(worker: WorkerSnapshot, time: number): string[] {
  const { pid, state, generation, startedAt, silentFor, requestsPerSecond, report, memory, caps } = worker
  const isSilent = state === 'ready' && (silentFor ?? 0) > SILENT
  const shown = isSilent ? `silent ${span(silentFor ?? 0)}` : caps.some(({ full }) => full) ? `${state}, capped` : state
  const figures = report === null
    ? ['-', '-', '-', '-', '-', '-', '-']
    : [String(report.requests), requestsPerSecond === null ? '-' : short(requestsPerSecond), String(report.active), String(report.connections), `${String(Math.round(report.utilization * 100))}%`, bytes(report.rss), bytes(report.heapUsed)]
  return [String(worker.worker), String(pid), shown, String(generation), span(time - startedAt), ...figures, memory?.state ?? '-']
}

function short(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0)
}

function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 60) return `${String(seconds)}s`
  if (seconds < 3600) return `${String(Math.floor(seconds / 60))}m${String(seconds % 60).padStart(2, '0')}s`
  if (seconds < 86_400) return `${String(Math.floor(seconds / 3600))}h${String(Math.floor(seconds / 60) % 60).padStart(2, '0')}m`
  return `${String(Math.floor(seconds / 86_400))}d${String(Math.floor(seconds / 3600) % 24).padStart(2, '0')}h`
}

/** Paths come from clients: nothing of them moves the cursor. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}
