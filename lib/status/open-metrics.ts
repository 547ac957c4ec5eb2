/**
 * The snapshot as metrics: OpenMetrics 1.0, or Prometheus' older text format for who asks for that. Gauges of workers have the number of
 * the worker's place as their label, which stays when a worker is replaced; while two share a place, their figures are added up.
 */
import { COUNTED, parseKey, type CountedName } from './counted.js'
import type { Counts } from './lasting-counters.js'
import type { StatusSnapshot, WorkerSnapshot } from './snapshot.js'

/** The formats, by their content types. */
export const FORMATS = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  text: 'text/plain; version=0.0.4; charset=utf-8',
} as const
/** A format of metrics. */
export type MetricsFormat = keyof typeof FORMATS

/** OpenMetrics for who takes it or anything; the older format for who asks for text alone. */
export function formatFor(accept: string): MetricsFormat {
  return accept.includes('text/plain') && !accept.includes('application/openmetrics-text') ? 'text' : 'openmetrics'
}

type Labels = Readonly<Record<string, string>>

interface Value {
  readonly labels?: Labels
  readonly value: number
}

interface Family {
  /** Without prefix and `_total`. */
  readonly name: string
  readonly kind: 'gauge' | 'counter'
  readonly help: string
  readonly values: readonly Value[]
  /** Ends the name. */
  readonly unit?: 'seconds' | 'bytes'
}

const PREFIX = 'express_responder_'

/** The metrics of a snapshot and of the counters of all workers, in the wanted format. */
export function metricsOf(snapshot: StatusSnapshot, counted: Counts, format: MetricsFormat): string {
  const families = [...poolFamilies(snapshot), ...workerFamilies(snapshot.workers), ...middlewareFamilies(snapshot.workers), ...countedFamilies(counted)]
  const text = families.filter(({ values }) => values.length > 0).map((family) => textOf(family, format)).join('')
  return format === 'openmetrics' ? `${text}# EOF\n` : text
}

function textOf({ name, kind, help, values, unit }: Family, format: MetricsFormat): string {
  const family = PREFIX + name
  const sample = kind === 'counter' ? `${family}_total` : family
  // The older format calls a counter by the name of its samples.
  const called = format === 'openmetrics' ? family : sample
  const lines = values.map(({ labels = {}, value }) => `${sample}${labelsText(labels)} ${String(value)}\n`)
  const unitLine = unit === undefined || format === 'text' ? '' : `# UNIT ${called} ${unit}\n`
  return `# TYPE ${called} ${kind}\n${unitLine}# HELP ${called} ${help}\n${lines.join('')}`
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}

function gauge(name: string, help: string, values: number | readonly Value[], unit?: Family['unit']): Family {
  return { name, kind: 'gauge', help, values: typeof values === 'number' ? [{ value: values }] : values, ...(unit === undefined ? {} : { unit }) }
}

function counter(name: string, help: string, values: number | readonly Value[], unit?: Family['unit']): Family {
  return { ...gauge(name, help, values, unit), kind: 'counter' }
}

const WORKER_STATES = ['starting', 'ready', 'draining'] as const

function poolFamilies({ startedAt, ready, unanswered, backlog, totals, ends, workers }: StatusSnapshot): Family[] {
  const states = WORKER_STATES.map((state) => ({ labels: { state }, value: workers.filter((worker) => worker.state === state).length }))
  return [
    gauge('pool_start_time_seconds', 'When the primary process began, in seconds since 1970.', startedAt / 1000, 'seconds'),
    gauge('pool_ready', '1 where /readyz says so, else 0.', ready ? 1 : 0),
    gauge('pool_workers', 'Workers by state.', states),
    gauge('pool_workers_unanswered', 'Ready workers that did not answer in time: their part is missing from the gauges of the middleware.', unanswered),
    counter('pool_requests', 'Requests that the workers were given.', totals.requests),
    counter('pool_health_checks', 'Of those, health checks.', totals.healthChecks),
    counter('pool_server_errors', 'Answers of a status from 500 to 599.', totals.serverErrors),
    counter('pool_timed_out', 'Requests that the request timeout has answered.', totals.timedOut),
    counter('pool_released_connections', 'Connections that the web server was asked to close, to balance the load.', totals.released),
    counter('pool_closed_connections', 'Kept connections that were closed from this side, since the web server had not closed them.', totals.closedKept),
    counter('pool_cpu_seconds', 'Processor time of the workers.', totals.cpu / 1e6, 'seconds'),
    counter('pool_reloads', 'Reloads, by result.', [{ labels: { result: 'succeeded' }, value: ends.reloads }, { labels: { result: 'failed' }, value: ends.failedReloads }]),
    counter('pool_worker_ends', 'Workers that have ended, by reason.', (['recycled', 'died', 'stuck'] as const).map((reason) => ({ labels: { reason }, value: ends[reason] }))),
    ...backlog === null ? [] : [
      gauge('pool_accept_backlog', 'Connections that wait in the kernel to be accepted.', backlog.waiting),
      gauge('pool_accept_backlog_limit', 'Connections that may wait there; web servers answer 502 when it is full.', backlog.limit),
      gauge('pool_accept_backlog_max', 'The most that have been seen to wait since the start.', backlog.most),
    ],
  ]
}

type Combine = (one: number, other: number) => number
const sum: Combine = (one, other) => one + other

/** A figure for each place of a worker; none where no worker of the place has it. */
function byPlace(workers: readonly WorkerSnapshot[], figure: (worker: WorkerSnapshot) => number | null | undefined, combine: Combine = sum): Value[] {
  const found = new Map<number, number>()
  for (const worker of workers) {
    const value = figure(worker)
    if (value === null || value === undefined) continue
    const known = found.get(worker.worker)
    found.set(worker.worker, known === undefined ? value : combine(known, value))
  }
  return [...found].map(([place, value]) => ({ labels: { worker: String(place) }, value }))
}

function workerFamilies(workers: readonly WorkerSnapshot[]): Family[] {
  return [
    gauge('worker_start_time_seconds', 'When the worker was forked, in seconds since 1970.', byPlace(workers, ({ startedAt }) => startedAt / 1000, Math.max), 'seconds'),
    gauge('worker_generation', 'Counts the reloads: workers of one generation run the same code.', byPlace(workers, ({ generation }) => generation, Math.max)),
    gauge('worker_active_requests', 'Requests that are not over.', byPlace(workers, ({ report }) => report?.active)),
    gauge('worker_connections', 'Connections from the web server that are open.', byPlace(workers, ({ report }) => report?.connections)),
    gauge('worker_event_loop_utilization', 'The share of the last second in which the event loop was busy, 0 to 1.', byPlace(workers, ({ report }) => report?.utilization, Math.max)),
    gauge('worker_silent_seconds', 'Seconds since the last report; where it is more than some, the event loop is stuck.', byPlace(workers, ({ silentFor }) => silentFor === null ? null : silentFor / 1000, Math.max), 'seconds'),
    gauge('worker_resident_memory_bytes', 'Resident set size.', byPlace(workers, ({ report }) => report?.rss), 'bytes'),
    gauge('worker_heap_used_bytes', 'V8\'s heap in use, garbage and all.', byPlace(workers, ({ report }) => report?.heapUsed), 'bytes'),
  ]
}

const VERDICTS = ['warming', 'ok', 'growing', 'leak-suspected', 'native-growth'] as const

function middlewareFamilies(workers: readonly WorkerSnapshot[]): Family[] {
  const verdicts = workers.some(({ memory }) => memory !== null)
    ? VERDICTS.map((state) => ({ labels: { state }, value: workers.filter(({ memory }) => memory?.state === state).length }))
    : []
  return [
    gauge('concurrency_limit_active', 'Requests that hold a slot.', byCap(workers, ({ active }) => active)),
    gauge('concurrency_limit_waiting', 'Requests that wait for a slot.', byCap(workers, ({ waiting }) => waiting)),
    gauge('concurrency_limit_limit', 'Requests that may hold a slot at a time.', byCap(workers, ({ limit }) => limit)),
    gauge('concurrency_limit_full', '1 where all slots are held and the queue is full, else 0.', byCap(workers, ({ full }) => full ? 1 : 0, Math.max)),
    gauge('rate_limit_stores_away', 'Stores of rateLimit() that do not answer, each worker\'s counted.', someTell(workers, ({ rateLimits }) => rateLimits.length > 0, ({ rateLimits }) => rateLimits.filter(({ storeAway }) => storeAway).length)),
    gauge('recovery_given_up', 'Workers in which recovery() has given up.', someTell(workers, ({ answered }) => answered, ({ givenUp }) => givenUp ? 1 : 0)),
    gauge('memory_verdict', 'Workers by the state of the verdict on leaks.', verdicts),
    gauge('slow_requests_running', 'Requests that run for longer than the slow log allows.', byPlace(workers, ({ slow }) => slow?.running.length)),
  ]
}

function someTell(workers: readonly WorkerSnapshot[], tells: (worker: WorkerSnapshot) => boolean, figure: (worker: WorkerSnapshot) => number): Value[] {
  const telling = workers.filter(tells)
  return telling.length === 0 ? [] : [{ value: telling.reduce((total, worker) => total + figure(worker), 0) }]
}

function byCap(workers: readonly WorkerSnapshot[], figure: (cap: WorkerSnapshot['caps'][number]) => number | null, combine: Combine = sum): Value[] {
  const caps = Math.max(0, ...workers.map((worker) => worker.caps.length))
  return Array.from({ length: caps }, (_, index) => byPlace(workers, (worker) => {
    const cap = worker.caps[index]
    return cap === undefined ? undefined : figure(cap)
  }, combine).map(({ labels, value }) => ({ labels: { ...labels, cap: String(index) }, value }))).flat()
}

function countedFamilies(counted: Counts): Family[] {
  const values = new Map<CountedName, Value[]>()
  for (const [key, value] of counted) {
    const { name, labels } = parseKey(key)
    const known = values.get(name) ?? []
    values.set(name, known)
    known.push({ labels, value })
  }
  return [...values].map(([name, each]) => counter(name, COUNTED[name], each))
}
