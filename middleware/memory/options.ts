/** The options of `memoryStats()`, checked and completed once: nothing after this knows a default. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkedObject, flag, optionalFunction, wholeNumber, wrongOption } from '../shared/options.js'
import { checkRegistry } from '../shared/prometheus.js'
import type { PrometheusRegistry } from './prometheus.js'
import type { SettleReport } from './settle-check.js'
import type { Verdict } from './leak-detector/verdict.js'

const NAME = 'memoryStats'

/**
 * Whether a request may see the endpoint. May set `WWW-Authenticate` on the response: a refusal is a 401 then, and a 403
 * otherwise. What it throws goes to the app's error handlers. Nothing but true lets anybody in.
 */
export type Authorize = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>

export interface MemoryStatsOptions {
  /** Who may ask. Default: in production nobody; else clients on the same machine, without a proxy between. */
  authorize?: Authorize
  /** Whether `POST gc` collects. Default: false. */
  gc?: boolean
  /** Whether `POST snapshot` sends a heap snapshot, which has every string of the process in it. Default: false. */
  snapshot?: boolean
  /** Whether there are profiles. Default: true. */
  profiles?: boolean
  /** The app's registry of prom-client: figures are registered there, and `metrics` serves all of it. Default: one of its own. */
  registry?: PrometheusRegistry
  /** ms between two requests that force a collection in order to tell something. Default: 10,000. */
  scrapeInterval?: number
  /** ms that load must have stayed low after a drop for a settle check; false: on request alone. Default: false. */
  settleAfter?: number | false
  /** Called when the verdict changes. What it throws becomes a process warning. */
  onVerdict?: (verdict: Verdict, before: Verdict) => void
  /** Called with the report of every settle check. What it throws becomes a process warning. */
  onSettle?: (report: SettleReport) => void
  /** What this process is called among others of the app. Default: the id of the cluster's worker, if it is one. */
  worker?: string
}

export interface ResolvedMemoryStats {
  readonly authorize: Authorize | undefined
  readonly allowed: { readonly gc: boolean; readonly snapshot: boolean; readonly profiles: boolean }
  readonly registry: PrometheusRegistry | undefined
  readonly scrapeInterval: number
  readonly settleAfter: number | false
  readonly onVerdict: ((verdict: Verdict, before: Verdict) => void) | undefined
  readonly onSettle: ((report: SettleReport) => void) | undefined
  readonly worker: string | undefined
}

const DEFAULT_SCRAPE_INTERVAL = 10_000
const MOST = 2 ** 31 - 1
const OPTIONS = ['authorize', 'gc', 'snapshot', 'profiles', 'registry', 'scrapeInterval', 'settleAfter', 'onVerdict', 'onSettle', 'worker'] as const

/** @throws OptionError that names the option, its value and the remedy */
export function resolveOptions(given?: MemoryStatsOptions): ResolvedMemoryStats {
  const options = checkedObject(NAME, 'options', given, OPTIONS)
  return {
    authorize: optionalFunction(NAME, 'authorize', options.authorize),
    allowed: {
      gc: flag(NAME, 'gc', options.gc ?? false),
      snapshot: flag(NAME, 'snapshot', options.snapshot ?? false),
      profiles: flag(NAME, 'profiles', options.profiles ?? true),
    },
    registry: checkedRegistry(options.registry),
    scrapeInterval: wholeNumber(NAME, 'scrapeInterval', options.scrapeInterval ?? DEFAULT_SCRAPE_INTERVAL, 0, MOST),
    settleAfter: resolveSettleAfter(options.settleAfter ?? false),
    onVerdict: optionalFunction(NAME, 'onVerdict', options.onVerdict),
    onSettle: optionalFunction(NAME, 'onSettle', options.onSettle),
    worker: checkedWorker(options.worker),
  }
}

function checkedRegistry(registry: PrometheusRegistry | undefined): PrometheusRegistry | undefined {
  if (registry !== undefined) checkRegistry(NAME, 'registry', registry, ['registerMetric', 'getSingleMetric', 'removeSingleMetric', 'metrics'])
  return registry
}

function resolveSettleAfter(value: number | false): number | false {
  if (value === false) return false
  if (typeof value !== 'number') throw wrongOption(NAME, 'settleAfter', value, 'give milliseconds that load must have stayed low, or false')
  return wholeNumber(NAME, 'settleAfter', value, 1000, MOST)
}

function checkedWorker(worker: unknown): string | undefined {
  if (worker === undefined || typeof worker === 'string') return worker
  throw wrongOption(NAME, 'worker', worker, 'give a name as a string')
}
