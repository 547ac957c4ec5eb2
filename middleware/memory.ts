/** `memoryStats()`: one endpoint that shows the process' memory, and says whether it leaks. The public face. */
import './shared/node-version.js'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Access } from './memory/access.js'
import { Endpoint } from './memory/endpoint.js'
import { Instances } from './shared/instances.js'
import type { Next } from './shared/steps.js'
import type { MetricsOptions, MetricsRegistry } from './shared/metrics.js'
import { PrometheusMetrics, type PrometheusRegistry } from './memory/prometheus.js'
import { ProcessMonitor, type MonitorEvents } from './memory/process-monitor.js'
import { resolveOptions, type MemoryStatsOptions } from './memory/options.js'
import type { Route } from './memory/route.js'
import { pageRoutes } from './memory/routes/page.js'
import { profileRoutes } from './memory/routes/profiles.js'
import { actionRoutes } from './memory/routes/actions.js'
import { EventStreams } from './memory/routes/events.js'
import { statsRoutes } from './memory/routes/stats.js'
import { LoadDrop } from './memory/settle-check.js'
import type { SettleReport } from './memory/settle-check.js'
import type { Verdict } from './memory/leak-detector/verdict.js'
import { notifyApp, warn } from './memory/process-monitor.js'

export { ExpressResponderError } from '../shared/errors.js'
export { OptionError } from './shared/options.js'
export { NoPrometheusError } from './memory/prometheus.js'
export { SamplingError } from './memory/profile/heap-sampler.js'
export type { Authorize, MemoryStatsOptions } from './memory/options.js'
export type { PrometheusRegistry } from './memory/prometheus.js'
export type { MetricsOptions, MetricsRegistry } from './shared/metrics.js'
export type { MemoryNow, RssParts, SettleReport } from './memory/settle-check.js'
export type { SettlePart } from './memory/settle-check.js'
export type { Evidence, GrownCallSite, Verdict, VerdictState } from './memory/leak-detector/verdict.js'

/** What loggers may listen to. Times in ms since 1970. */
export interface MemoryStatsEvents {
  /** The verdict has changed. */
  verdict: [verdict: Verdict, before: Verdict]
  /** A settle check is done, whoever asked for it. */
  settle: [report: SettleReport]
}

/** The middleware, and what it knows. */
export interface MemoryStats {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
  /** Whether memory grows that should not; `since` in ms since 1970. */
  readonly verdict: Verdict
  /** Forces a collection, and says what RSS is made of. Takes somewhat more than a second. */
  settle(): Promise<SettleReport>
  /** 'verdict' and 'settle'. */
  readonly events: EventEmitter<MemoryStatsEvents>
  /**
   * Puts the process' figures on a registry of prom-client, as the option `registry` does, until it is closed. A second time changes
   * nothing.
   * @throws OptionError, 'ERR_MIDDLEWARE_OPTION', where it is no registry, has metrics of these names, or an option is wrong
   */
  registerMetrics(registry: MetricsRegistry, options?: MetricsOptions): void
  /**
   * Ends it: who comes passes, streams, profiles that are being taken and, with the last one, sampling end, metrics are taken off
   * their registries. A second time changes nothing.
   */
  close(): void
}

const instances = new Instances('memoryStats', (monitor: ProcessMonitor) => monitor.status())

/**
 * An endpoint that shows the process' memory: mount it on a path. As a route of Express it passes everything on, and at the
 * root it takes the app's own `/profile`, `/history`, `/events` and `/metrics`. Sampling begins at once, and is one for all endpoints of
 * the process. In production nobody may see it until `authorize` says who.
 *
 * @param options who may see it, what it may do, and whom to tell; see {@link MemoryStatsOptions}
 * @returns the middleware, with the verdict, the settle check and its events
 * @throws OptionError ERR_MIDDLEWARE_OPTION that names a wrong option
 *
 * @example
 * ```ts
 * import { memoryStats } from 'express-responder/middleware'
 *
 * const token = process.env['STATS_TOKEN']
 * app.use('/debug/pprof', memoryStats({
 *   authorize: (req) => token !== undefined && req.headers.authorization === `Bearer ${token}`,
 * }))
 * ```
 */
export function memoryStats(options?: MemoryStatsOptions): MemoryStats {
  const resolved = resolveOptions(options)
  const access = new Access(resolved.authorize)
  const monitor = ProcessMonitor.acquire()
  const metrics = metricsOf(monitor, resolved.registry)
  const streams = new EventStreams(monitor)
  const closing = new AbortController()
  const routes: Route[] = [
    ...statsRoutes({ monitor, metrics, options: resolved }),
    ...actionRoutes(monitor, resolved.allowed),
    ...streams.routes,
    ...resolved.allowed.profiles ? profileRoutes(monitor.profiling(), { closing: closing.signal, sharing: resolved.scrapeInterval }) : [],
    ...pageRoutes(),
  ]
  const endpoint = new Endpoint({ routes, access, monitor, scrapeInterval: resolved.scrapeInterval })
  const events = new EventEmitter<MemoryStatsEvents>()
  const ignore = listen(monitor, {
    verdict: (verdict, before) => {
      notifyApp(() => { resolved.onVerdict?.(verdict, before) })
      notifyApp(() => { events.emit('verdict', verdict, before) })
    },
    settle: (report) => {
      notifyApp(() => { resolved.onSettle?.(report) })
      notifyApp(() => { events.emit('settle', report) })
    },
    ...settling(monitor, resolved.settleAfter),
  })

  function memoryStatsMiddleware(request: IncomingMessage, response: ServerResponse, next?: Next): void {
    endpoint.handle(request, response, next)
  }
  const stats = Object.defineProperties(memoryStatsMiddleware as MemoryStats, {
    verdict: { get: () => monitor.verdict, enumerable: true },
    settle: { value: () => monitor.settle('request'), enumerable: true },
    events: { value: events, enumerable: true },
    registerMetrics: { value: (registry: MetricsRegistry, given?: MetricsOptions) => { metrics.register(registry, given) }, enumerable: true },
    close: {
      value: () => {
        if (closing.signal.aborted) return
        ignore()
        endpoint.close()
        closing.abort()
        streams.close()
        metrics.close()
        ProcessMonitor.release()
        forget()
      },
      enumerable: true,
    },
  })
  const forget = instances.add(stats, events, monitor)
  return stats
}

/** Closes all endpoints of the process, and puts back what they have changed of Node's. */
memoryStats.uninstall = (): void => { instances.closeAll() }

function metricsOf(monitor: ProcessMonitor, registry: PrometheusRegistry | undefined): PrometheusMetrics {
  try {
    return new PrometheusMetrics(monitor, registry)
  } catch (error) {
    ProcessMonitor.release()
    throw error
  }
}

type Listeners = { [Name in keyof MonitorEvents]?: (...args: MonitorEvents[Name]) => void }

/** Returns what undoes it. */
function listen(monitor: ProcessMonitor, { verdict, settle, reading }: Listeners): () => void {
  if (verdict !== undefined) monitor.on('verdict', verdict)
  if (settle !== undefined) monitor.on('settle', settle)
  if (reading !== undefined) monitor.on('reading', reading)
  return () => {
    if (verdict !== undefined) monitor.off('verdict', verdict)
    if (settle !== undefined) monitor.off('settle', settle)
    if (reading !== undefined) monitor.off('reading', reading)
  }
}

/** Checks when load has dropped. Two endpoints that want it at the same time share one check. */
function settling(monitor: ProcessMonitor, after: number | false): Listeners {
  if (after === false) return {}
  const loadDrop = new LoadDrop({ after })
  return {
    reading: ({ now, sample }) => {
      if (loadDrop.sample(now, sample.requestsPerSecond)) void monitor.settle('load-drop').catch(warn)
    },
  }
}
