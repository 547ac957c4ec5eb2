/** The figures: `GET memstats`, `GET metrics`, `GET history`. None of them forces a collection. */
import cluster from 'node:cluster'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getHeapStatistics } from 'node:v8'
import { sendProblem } from '../../shared/problem.js'
import { costsOf } from '../costs.js'
import { MEM_STATS_SOURCES, memStats } from '../sampling/mem-stats.js'
import { NO_PROMETHEUS, NoPrometheusError, type PrometheusMetrics } from '../prometheus.js'
import type { ProcessMonitor } from '../process-monitor.js'
import type { ResolvedMemoryStats } from '../options.js'
import { ParameterError, wholeParameter } from './query.js'
import type { Route } from '../route.js'
import { heapSpaces } from '../sampling/sampler.js'
import { send, sendJson } from './responses.js'

/** Which process the figures are of: there may be several on a machine. */
export interface ProcessInfo {
  pid: number
  /** Its name among others of the app; null where it is the only one. */
  worker: string | null
  node: string
  /** Seconds. */
  uptime: number
  argv: string
}

/** Where the figures come from. */
export interface StatsTools {
  monitor: ProcessMonitor
  metrics: PrometheusMetrics
  options: Pick<ResolvedMemoryStats, 'allowed' | 'worker'>
}

/** The routes of the figures: memstats, metrics, history. */
export function statsRoutes({ monitor, metrics, options }: StatsTools): Route[] {
  return [
    { method: 'GET', path: 'memstats', expensive: false, handle: (_request, response) => { sendJson(response, memStatsNow(monitor, options.worker)) } },
    { method: 'GET', path: 'history', expensive: false, handle: (request, response) => { sendHistory(request, response, monitor, options) } },
    { method: 'GET', path: 'metrics', expensive: false, handle: (request, response) => sendMetrics(request, response, metrics) },
  ]
}

function memStatsNow(monitor: ProcessMonitor, worker: string | undefined): object {
  const gc = monitor.gc.summary()
  const { sample, cgroup } = monitor.latest
  // Once: two looks differ. Without getHeapCodeStatistics(), which walks the heap: 5 ms at 50 MB.
  const v8 = getHeapStatistics()
  return {
    process: processInfo(worker),
    memStats: memStats(gc, v8),
    sources: MEM_STATS_SOURCES,
    memoryUsage: process.memoryUsage(),
    v8,
    spaces: heapSpaces(),
    cgroup,
    gc: { ...gc, liveHeap: monitor.gc.liveHeap },
    sample,
    costs: costsOf(v8.used_heap_size),
    verdict: monitor.verdict,
  }
}

/** With `?since=`, ms since 1970, only what is newer: for those who ask again and again, as the page does where it gets no stream. */
function sendHistory(request: IncomingMessage, response: ServerResponse, monitor: ProcessMonitor, options: StatsTools['options']): void {
  try {
    const since = wholeParameter(request, 'since', { least: 0, most: Number.MAX_SAFE_INTEGER })
    sendJson(response, historyNow(monitor, options, since))
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error
    sendProblem(request, response, { status: 400, detail: error.message })
  }
}

/** Rows that are newer; times rise. */
function newer<Table extends { time: readonly number[] }>(table: Table, since: number): Table {
  const found = table.time.findIndex((time) => time > since)
  const first = found < 0 ? table.time.length : found
  return Object.fromEntries(Object.entries(table).map(([name, column]) => [name, (column as unknown[]).slice(first)])) as unknown as Table
}

function historyNow(monitor: ProcessMonitor, { allowed, worker }: StatsTools['options'], since: number | undefined): object {
  const { heapLimit, cgroup } = monitor.latest
  return {
    process: processInfo(worker),
    limits: { heap: heapLimit, cgroup: cgroup.limit },
    fine: since === undefined ? monitor.history.fine() : newer(monitor.history.fine(), since),
    // They are made of fine ones, and the half minute that has begun is none yet.
    coarse: since === undefined ? monitor.history.coarse() : newer(monitor.history.coarse(), Infinity),
    gc: since === undefined ? monitor.gc.pauses() : newer(monitor.gc.pauses(), since),
    spaces: heapSpaces(),
    costs: costsOf(getHeapStatistics().used_heap_size),
    verdict: monitor.verdict,
    settle: monitor.settleChecks.last ?? null,
    allowed,
  }
}

async function sendMetrics(request: IncomingMessage, response: ServerResponse, metrics: PrometheusMetrics): Promise<void> {
  try {
    const registry = await metrics.registry()
    send(response, { type: registry.contentType }, await registry.metrics())
  } catch (error) {
    if (!(error instanceof NoPrometheusError)) throw error
    sendProblem(request, response, { status: 501, detail: `${NO_PROMETHEUS}. The same figures are in memstats, as JSON.` })
  }
}

function processInfo(worker: string | undefined): ProcessInfo {
  return {
    pid: process.pid,
    worker: worker ?? (cluster.worker === undefined ? null : String(cluster.worker.id)),
    node: process.version,
    uptime: Math.round(process.uptime()),
    argv: process.argv.join(' '),
  }
}
