/** The figures as metrics of prom-client, on the app's registry or one of their own. They are read when they are scraped. */
import { getHeapStatistics } from 'node:v8'
import { ExpressResponderError } from '../../shared/errors.js'
import { MetricsRegistrations, registerFigures, type Aggregator, type Figures, type MetricsOptions, type MetricsRegistry, type MetricValue } from '../shared/metrics.js'
import { optionChecks } from '../shared/options.js'
import type { ProcessMonitor } from './process-monitor.js'
import { heapSpaces } from './sampling/sampler.js'
import type { VerdictState } from './leak-detector/verdict.js'

/** What is used of prom-client's `Registry`. */
export interface PrometheusRegistry {
  readonly contentType: string
  registerMetric(metric: object): void
  getSingleMetric(name: string): object | undefined
  removeSingleMetric(name: string): void
  metrics(): Promise<string>
}

/** The remedy where metrics are asked for. */
export const NO_PROMETHEUS = 'prom-client is not installed: npm install prom-client'

/** prom-client is an optional peer dependency, and is not installed. */
export class NoPrometheusError extends ExpressResponderError {
  declare readonly code: 'ERR_MEMORY_STATS_PROMETHEUS'
  override readonly name = 'NoPrometheusError'

  constructor(options?: ErrorOptions) {
    super('ERR_MEMORY_STATS_PROMETHEUS', NO_PROMETHEUS, options)
  }
}

type Read = (monitor: ProcessMonitor) => number | null | MetricValue[]

const STATES = ['warming', 'ok', 'growing', 'leak-suspected', 'native-growth'] as const satisfies readonly VerdictState[]

/**
 * What is of one process is added up over a cluster's workers, states too: the sum is how many are in one. What all of them
 * share, such as the cgroup, and what is the most of something already, is the largest.
 */
const METRICS: readonly (readonly [name: string, type: 'gauge' | 'counter', help: string, read: Read, aggregator?: Aggregator])[] = [
  ['resident_memory_bytes', 'gauge', 'Resident set size.', () => process.memoryUsage.rss()],
  ['heap_used_bytes', 'gauge', 'V8\'s heap in use, garbage and all.', () => getHeapStatistics().used_heap_size],
  ['heap_total_bytes', 'gauge', 'V8\'s heap.', () => getHeapStatistics().total_heap_size],
  ['heap_limit_bytes', 'gauge', 'What V8\'s heap may become.', () => getHeapStatistics().heap_size_limit],
  ['heap_live_bytes', 'gauge', 'In use after the last major collection.', ({ gc }) => gc.liveHeap],
  ['heap_space_used_bytes', 'gauge', 'In use of each space of V8\'s heap.', () => heapSpaces().map(({ name, used }) => ({ labels: { space: name }, value: used }))],
  ['heap_space_size_bytes', 'gauge', 'Each space of V8\'s heap.', () => heapSpaces().map(({ name, size }) => ({ labels: { space: name }, value: size }))],
  ['external_memory_bytes', 'gauge', 'Memory outside the heap that objects own.', () => getHeapStatistics().external_memory],
  ['array_buffers_bytes', 'gauge', 'ArrayBuffers and Buffers; part of the external memory.', ({ latest }) => latest.sample.arrayBuffers],
  ['malloced_bytes', 'gauge', 'What V8 itself has allocated outside the heap.', () => getHeapStatistics().malloced_memory],
  ['cgroup_memory_bytes', 'gauge', 'What all processes of the cgroup use, without pages of files that can be dropped.', ({ latest }) => latest.cgroup.use, 'max'],
  ['cgroup_memory_limit_bytes', 'gauge', 'The limit of the cgroup, at which the kernel kills.', ({ latest }) => latest.cgroup.limit, 'max'],
  ['gc_collections_total', 'counter', 'Collections since installation, by kind.', ({ gc }) => {
    const { major, minor, incremental, weakCallbacks } = gc.counts()
    return Object.entries({ major, minor, incremental, weak_callbacks: weakCallbacks }).map(([kind, value]) => ({ labels: { kind }, value }))
  }],
  ['gc_forced_total', 'counter', 'Collections that were asked for.', ({ gc }) => gc.counts().forced],
  ['gc_pause_seconds_total', 'counter', 'Pauses of collections, by kind.', ({ gc }) => {
    const { pauseTotalNs, minorPauseTotalNs } = gc.counts()
    return [{ labels: { kind: 'major' }, value: pauseTotalNs / 1e9 }, { labels: { kind: 'minor' }, value: minorPauseTotalNs / 1e9 }]
  }],
  ['event_loop_delay_seconds', 'gauge', 'The longest delay of the event loop in the last second.', ({ latest }) => latest.sample.loopDelay / 1000, 'max'],
  ['requests_in_flight', 'gauge', 'Requests that have begun and are not over; those to the endpoint left out.', ({ requests }) => requests.inFlight],
  ['requests_total', 'counter', 'Requests that are over; those to the endpoint left out.', ({ requests }) => requests.over],
  ['memory_verdict', 'gauge', '1 for the state that the verdict on leaks is in; over several workers, how many are in it.', ({ leakDetector }) => STATES.map((state) => ({ labels: { state }, value: leakDetector.current.state === state ? 1 : 0 }))],
]

/** The figures of a process, on whichever registries of an endpoint. */
export class PrometheusMetrics {
  readonly #monitor: ProcessMonitor
  readonly #given: PrometheusRegistry | undefined
  readonly #registrations = new MetricsRegistrations()
  #own: Promise<PrometheusRegistry> | undefined

  /**
   * Registers the metrics where a registry is given.
   *
   * @throws OptionError where the registry has other metrics of these names
   */
  constructor(monitor: ProcessMonitor, registry: PrometheusRegistry | undefined) {
    this.#monitor = monitor
    this.#given = registry
    if (registry === undefined) return
    this.#registrations.add(figuresOf(monitor), registry, undefined, (name) => optionChecks('memoryStats').wrong('registry', undefined, `it has metrics of these names already (${name}): give another one`))
  }

  /**
   * Puts them on another registry.
   *
   * @throws OptionError where it is no registry, has other metrics of these names, or an option is wrong
   */
  register(registry: MetricsRegistry, options: MetricsOptions | undefined): void {
    this.#registrations.add(figuresOf(this.#monitor), registry, options)
  }

  /**
   * The registry that has the metrics.
   *
   * @throws NoPrometheusError
   */
  registry(): PrometheusRegistry | Promise<PrometheusRegistry> {
    return this.#given ?? (this.#own ??= ownRegistry(this.#monitor))
  }

  /** Takes them off the app's registries. */
  close(): void {
    this.#registrations.close()
  }
}

async function ownRegistry(monitor: ProcessMonitor): Promise<PrometheusRegistry> {
  let Registry: new () => PrometheusRegistry
  try {
    ({ Registry } = await import('prom-client'))
  } catch (error) {
    throw new NoPrometheusError({ cause: error })
  }
  const registry = new Registry()
  registerFigures(figuresOf(monitor), registry)
  return registry
}

/** The same ones for all endpoints of the process. */
function figuresOf(monitor: ProcessMonitor): Figures {
  return {
    middleware: 'memoryStats',
    owner: monitor,
    prefix: 'express_responder',
    labels: ['space', 'kind', 'state'],
    figures: METRICS.map(([name, kind, help, read, aggregator = 'sum']) => ({ name, kind, help, aggregator, read: () => valuesOf(read(monitor)) })),
  }
}

function valuesOf(figures: number | null | MetricValue[]): MetricValue[] {
  if (Array.isArray(figures)) return figures
  return figures === null ? [] : [{ value: figures }]
}
