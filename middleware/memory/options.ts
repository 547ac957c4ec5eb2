/** The options of `memoryStats()`, checked and completed once: nothing after this knows a default. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { optionChecks } from '../shared/options.js'
import { checkRegistry } from '../shared/metrics.js'
import type { PrometheusRegistry } from './prometheus.js'
import type { SettleReport } from './settle-check.js'
import type { Verdict } from './leak-detector/verdict.js'

/** Checks of this middleware's options: what they raise names it. */
export const checks = optionChecks('memoryStats')

/**
 * Whether a request may see the endpoint. May set `WWW-Authenticate` on the response: a refusal is a 401 then, and a 403
 * otherwise. What it throws goes to the app's error handlers. Nothing but true lets anybody in.
 */
export type Authorize = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>

/** The options of `memoryStats()`. */
export interface MemoryStatsOptions {
  /**
   * `(request, response) => boolean`, or a promise of one: who may ask. Nothing but true lets anybody in. A
   * `WWW-Authenticate` that it sets makes the refusal a 401, else it is a 403. By default nobody in production, and
   * elsewhere clients on the same machine with no proxy between.
   * @defaultValue none
   */
  authorize?: Authorize | undefined
  /**
   * Whether `POST gc` collects.
   * @defaultValue `false`
   */
  gc?: boolean | undefined
  /**
   * Whether `POST snapshot` sends a heap snapshot, which has every string of the process in it.
   * @defaultValue `false`
   */
  snapshot?: boolean | undefined
  /**
   * Whether the heap is sampled, and profiles are served.
   * @defaultValue `true`
   */
  profiles?: boolean | undefined
  /**
   * The app's registry of prom-client: the figures are registered there, and `metrics` serves all of it. In a cluster,
   * its AggregatorRegistry adds up what is of one process, and takes the largest of what all share. Without a registry,
   * prom-client must be installed for `metrics`.
   * @defaultValue one of its own
   */
  registry?: PrometheusRegistry | undefined
  /**
   * Milliseconds between two GETs that force a collection, in which the last profile is sent again; between the starts of
   * two profiles of the processor; between two snapshots.
   * @defaultValue `10000`
   */
  scrapeInterval?: number | undefined
  /**
   * Milliseconds that load must have stayed low after a drop for a settle check by itself. `false`: on request alone.
   * @defaultValue `false`
   */
  settleAfter?: number | false | undefined
  /**
   * Called when the verdict changes, with it and the one before. Also 'verdict' on `events`. What it throws becomes a
   * process warning.
   * @defaultValue none
   */
  onVerdict?: ((verdict: Verdict, before: Verdict) => void) | undefined
  /**
   * Called with the report of each settle check. Also 'settle' on `events`. What it throws becomes a process warning.
   * @defaultValue none
   */
  onSettle?: ((report: SettleReport) => void) | undefined
  /**
   * What this process is called among others of the app.
   * @defaultValue the cluster worker's id, if it is one
   */
  worker?: string | undefined
}

/** The options, checked and completed. */
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

/**
 * Checks the options and completes them.
 *
 * @throws OptionError that names the option, its value and the remedy
 */
export function resolveOptions(given?: MemoryStatsOptions): ResolvedMemoryStats {
  const options = checks.object('options', given, OPTIONS)
  return {
    authorize: checks.optionalFunction('authorize', options.authorize),
    allowed: {
      gc: checks.flag('gc', options.gc ?? false),
      snapshot: checks.flag('snapshot', options.snapshot ?? false),
      profiles: checks.flag('profiles', options.profiles ?? true),
    },
    registry: checkedRegistry(options.registry),
    scrapeInterval: checks.wholeNumber('scrapeInterval', options.scrapeInterval ?? DEFAULT_SCRAPE_INTERVAL, 0, MOST),
    settleAfter: resolveSettleAfter(options.settleAfter ?? false),
    onVerdict: checks.optionalFunction('onVerdict', options.onVerdict),
    onSettle: checks.optionalFunction('onSettle', options.onSettle),
    worker: checkedWorker(options.worker),
  }
}

function checkedRegistry(registry: PrometheusRegistry | undefined): PrometheusRegistry | undefined {
  if (registry !== undefined) checkRegistry(checks, 'registry', registry, ['registerMetric', 'getSingleMetric', 'removeSingleMetric', 'metrics'])
  return registry
}

function resolveSettleAfter(value: number | false): number | false {
  if (value === false) return false
  if (typeof value !== 'number') throw checks.wrong('settleAfter', value, 'give milliseconds that load must have stayed low, or false')
  return checks.wholeNumber('settleAfter', value, 1000, MOST)
}

function checkedWorker(worker: unknown): string | undefined {
  if (worker === undefined || typeof worker === 'string') return worker
  throw checks.wrong('worker', worker, 'give a name as a string')
}
