/** The snapshot as text for people, in the form of php-fpm's status page: a name and a value a line; with `?full`, each worker. */
import type { StatusSnapshot, WorkerSnapshot } from './snapshot.js'
import { sumOf } from './snapshot.js'

type Line = readonly [name: string, value: string | number]

const NAME_WIDTH = 22
const RULE = '*'.repeat(24)

/** The status as text; `full`: each worker, too. */
export function statusText(snapshot: StatusSnapshot, full: boolean): string {
  const pool = linesText(poolLines(snapshot))
  return full ? pool + snapshot.workers.map((worker) => `\n${RULE}\n${linesText(workerLines(worker, snapshot.time))}`).join('') : pool
}

function linesText(lines: readonly Line[]): string {
  return lines.map(([name, value]) => `${`${name}:`.padEnd(NAME_WIDTH)} ${oneLine(String(value))}\n`).join('')
}

/** Routes and the like come from the app; nothing of them begins a line of its own, or moves a terminal's cursor. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}

function poolLines(snapshot: StatusSnapshot): Line[] {
  const { time, startedAt, address, state, notReady, unanswered, backlog, totals, ends, workers } = snapshot
  const serving = workers.filter((worker) => worker.state === 'ready')
  const isActive = ({ report }: WorkerSnapshot): boolean => (report?.active ?? 0) > 0
  return [
    ['address', address],
    ['state', notReady === null || notReady === state ? state : `${state}, ${notReady}`],
    ['start time', dateText(startedAt)],
    ['start since', seconds(time - startedAt)],
    ['requests', totals.requests],
    ['requests a second', rounded(sumOf(workers, ({ requestsPerSecond }) => requestsPerSecond))],
    ['health checks', totals.healthChecks],
    ['server errors', totals.serverErrors],
    ['timed out', totals.timedOut],
    ...backlog === null ? [] : [['listen queue', backlog.waiting], ['max listen queue', backlog.most], ['listen queue len', backlog.limit]] satisfies Line[],
    ['idle workers', serving.filter((worker) => !isActive(worker)).length],
    ['active workers', serving.filter(isActive).length],
    ['total workers', workers.length],
    ...unanswered === 0 ? [] : [['workers not answering', unanswered]] satisfies Line[],
    ['active requests', sumOf(workers, ({ report }) => report?.active)],
    ['connections', sumOf(workers, ({ report }) => report?.connections)],
    ['connections released', totals.released],
    ['connections closed', totals.closedKept],
    ['slow requests', totals.slow],
    ['requests rejected', totals.rejected],
    ['requests rate limited', totals.rateLimited],
    ['recoveries', totals.recovered],
    ['memory', bytes(sumOf(workers, ({ report }) => report?.rss))],
    ['cpu seconds', rounded(totals.cpu / 1e6)],
    ['reloads', ends.reloads],
    ['failed reloads', ends.failedReloads],
    ['workers recycled', ends.recycled],
    ['workers died', ends.died],
    ['workers stuck', ends.stuck],
  ]
}

function workerLines(worker: WorkerSnapshot, time: number): Line[] {
  const { pid, state, generation, startedAt, answered, silentFor, requestsPerSecond, report, memory, slow, recoveries, givenUp } = worker
  return [
    ['worker', worker.worker],
    ['pid', pid],
    ['state', state],
    ['generation', generation],
    ['start time', dateText(startedAt)],
    ['start since', seconds(time - startedAt)],
    ...report === null ? [] : [
      ['requests', report.requests],
      ['requests a second', requestsPerSecond === null ? '-' : rounded(requestsPerSecond)],
      ['active requests', report.active],
      ['connections', report.connections],
      ['server errors', report.serverErrors],
      ['utilization', `${String(Math.round(report.utilization * 100))} %`],
      ['memory', bytes(report.rss)],
      ['heap used', bytes(report.heapUsed)],
      ['cpu seconds', rounded(report.cpu / 1e6)],
    ] satisfies Line[],
    ...silentFor === null ? [] : [['last report', `${rounded(silentFor / 1000)} s ago`]] satisfies Line[],
    ...answered || state !== 'ready' ? [] : [['details', 'none: the worker did not answer in time']] satisfies Line[],
    ...memory === null ? [] : [['verdict', `${memory.state}: ${memory.sentence}`]] satisfies Line[],
    ...capLines(worker),
    ...worker.rateLimits.map(({ passed, limited, storeAway }, index): Line => [`rate limit ${String(index)}`, `passed ${String(passed)}, limited ${String(limited)}${storeAway ? ', the store does not answer' : ''}`]),
    ...recoveries.map(({ route, kind, count }): Line => ['recovered', `${String(count)} × ${kind} at ${route === '' ? '(no route)' : route}`]),
    ...givenUp ? [['recovery', 'has given up: the process is about to end']] satisfies Line[] : [],
    ...slow === null ? [] : [['slow requests', slow.total]] satisfies Line[],
    ...(slow?.running ?? []).map(({ age, method, path, route }): Line => ['slow, still running', `${rounded(age / 1000)} s ${method} ${path}${route === '' ? '' : ` (${route})`}`]),
  ]
}

function capLines({ caps }: WorkerSnapshot): Line[] {
  return caps.map(({ active, waiting, limit, keyed, observing, full, accepted, rejected }, index) => {
    const turnedAway = Object.values(rejected).reduce((one, other) => one + other, 0)
    const kind = [keyed ? 'for each key' : '', observing ? 'observing' : '', full ? 'full' : ''].filter(Boolean).map((word) => `, ${word}`).join('')
    return [`cap ${String(index)}`, `${String(active)} of ${limit === null ? '?' : String(limit)} active, ${String(waiting)} waiting${kind}; accepted ${String(accepted)}, rejected ${String(turnedAway)}`]
  })
}

function dateText(time: number): string {
  return new Date(time).toISOString()
}

function seconds(milliseconds: number): number {
  return Math.max(0, Math.floor(milliseconds / 1000))
}

function rounded(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0)
}

/** In decimal units, as the memory page has them. */
export function bytes(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} GB`
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e3).toFixed(0)} kB`
}
