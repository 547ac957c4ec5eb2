/**
 * Answers questions about the pool, in the primary process: looks at it once a second, asks the workers for details every few
 * seconds and when somebody wants them, keeps their counters and an hour of figures, and makes the answers.
 */
import { EXCLUDES_CAPPED } from '../workers/probes.js'
import type { PoolObserver, PoolStatus, WorkerDetails } from '../workers/reports.js'
import type { StatusAnswer, StatusRequest } from '../workers/status-path.js'
import { countsOf, sumOfName } from './counted.js'
import { History, HISTORY_INTERVAL, poolRow, RequestRates, workerRows, type PoolCounters } from './history.js'
import { LastingCounters, type Counts } from './lasting-counters.js'
import { formatFor, FORMATS, metricsOf } from './open-metrics.js'
import { pageFile } from './page.js'
import { reportTotals, snapshotOf, type Backlog, type StatusSnapshot, type Totals } from './snapshot.js'
import { readingsOf } from './source-readings.js'
import { statusText } from './status-text.js'

const LOOK_INTERVAL = 1000
const LOOKS_PER_SAMPLE = HISTORY_INTERVAL / LOOK_INTERVAL
/** Milliseconds for which details serve all who ask: many who look at once cost the workers no more than one. */
const FRESH_FOR = 250
const DEFAULT_TIMEOUT = 1000

/** What is asked, and how. */
export interface StatusReporterOptions {
  readonly observer: PoolObserver
  /** Connections that wait in the kernel to be accepted; undefined where that cannot be read. */
  readonly backlog?: (() => Backlog | undefined) | undefined
  /**
   * Milliseconds that a worker has to tell its details.
   * @defaultValue `1000`
   */
  readonly detailsTimeout?: number | undefined
}

const PATHS = ['', 'status', 'status?full', 'status.json', 'history.json', 'metrics', 'livez', 'readyz']
const COMMON = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', 'Cross-Origin-Resource-Policy': 'same-origin' } as const
const TEXT = 'text/plain; charset=utf-8'

/** What is known of the pool, for the status socket and for a path of the app's server. */
export class StatusReporter {
  readonly #observer: PoolObserver
  readonly #readBacklog: () => Backlog | undefined
  readonly #timeout: number
  readonly #rates = new RequestRates()
  readonly #counters = new LastingCounters()
  readonly #history = new History()
  readonly #timer: NodeJS.Timeout
  #looks = 0
  #mostBacklog = 0
  #details: { readonly at: number; readonly told: Promise<readonly WorkerDetails[]> } | undefined
  #sampled: { readonly at: number; readonly counters: PoolCounters } | undefined

  constructor({ observer, backlog, detailsTimeout = DEFAULT_TIMEOUT }: StatusReporterOptions) {
    this.#observer = observer
    this.#readBacklog = backlog ?? (() => undefined)
    this.#timeout = detailsTimeout
    this.#timer = setInterval(() => { this.#look() }, LOOK_INTERVAL).unref()
  }

  /**
   * What a worker has told at its end, as it would when asked: its counters are then complete. Without it they are as old as the
   * last look.
   */
  keep({ pid, sources }: WorkerDetails): void {
    if (sources !== undefined) this.#counters.tell(pid, countsOf(readingsOf(sources)))
  }

  /** The state of all workers now. */
  async snapshot(): Promise<StatusSnapshot> {
    const details = await this.#askDetails()
    const pool = this.#seePool()
    const backlog = this.#seeBacklog()
    const counted = this.#counters.totals()
    return snapshotOf({
      time: Date.now(), pool, details,
      backlog: backlog === undefined ? undefined : { ...backlog, most: this.#mostBacklog },
      rateOf: (pid) => this.#rates.of(pid),
      counted: countedTotals(counted),
    })
  }

  /** Answers GET and HEAD; never rejects. */
  async answer({ method, path, query, accept }: StatusRequest): Promise<StatusAnswer> {
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'Only GET and HEAD.\n', { Allow: 'GET, HEAD' })
    const file = pageFile(path)
    if (file !== undefined) return file
    try {
      return await this.#figures(path, query, accept)
    } catch (error) {
      return plain(500, `${String(error)}\n`)
    }
  }

  /** Stops looking. */
  close(): void {
    clearInterval(this.#timer)
  }

  async #figures(path: string, query: string, accept: string): Promise<StatusAnswer> {
    switch (path) {
      case 'livez':
        return plain(200, 'ok\n')
      case 'readyz': {
        const { notReady } = await this.snapshot()
        // As the workers' own probe: a balancer would take a full host out, and the others be full next.
        const isExcluded = notReady === 'capped' && EXCLUDES_CAPPED.test(`?${query}`)
        return notReady === null || isExcluded ? plain(200, 'ok\n') : plain(503, `${notReady}\n`)
      }
      case 'status':
        return plain(200, statusText(await this.snapshot(), /(?:^|&)full(?:=|&|$)/.test(query)))
      case 'status.json':
        return json(await this.snapshot())
      case 'history.json':
        return json(this.#history.content())
      case 'metrics': {
        const format = formatFor(accept)
        return { status: 200, headers: { ...COMMON, 'Content-Type': FORMATS[format] }, body: metricsOf(await this.snapshot(), this.#counters.totals(), format) }
      }
      default:
        return plain(404, `There is no such page. There are ${PATHS.map((name) => `/${name}`).join(', ')}.\n`)
    }
  }

  #look(): void {
    this.#seePool()
    this.#seeBacklog()
    if (++this.#looks % LOOKS_PER_SAMPLE === 0) void this.#sample().catch(() => undefined)
  }

  async #sample(): Promise<void> {
    const details = await this.#askDetails()
    const pool = this.#seePool()
    const now = performance.now()
    const { serverErrors } = reportTotals(pool)
    const counters = { serverErrors, ...countedTotals(this.#counters.totals()) }
    const waiting = details.flatMap(({ sources }) => sources === undefined ? [] : readingsOf(sources).caps).reduce((sum, cap) => sum + cap.waiting, 0)
    const seconds = this.#sampled === undefined ? 0 : (now - this.#sampled.at) / 1000
    this.#history.add(Date.now(), workerRows(pool, (pid) => this.#rates.of(pid)), poolRow(counters, this.#sampled?.counters, seconds, this.#seeBacklog(), waiting))
    this.#sampled = { at: now, counters }
  }

  #seePool(): PoolStatus {
    const pool = this.#observer.status()
    this.#rates.see(pool.workers)
    this.#counters.keepOnly(new Set(pool.workers.filter(({ state }) => state !== 'ended').map(({ pid }) => pid)))
    return pool
  }

  #seeBacklog(): Backlog | undefined {
    const backlog = this.#readBacklog()
    if (backlog !== undefined) this.#mostBacklog = Math.max(this.#mostBacklog, backlog.waiting)
    return backlog
  }

  /** One question to the workers at a time, whose answer serves all who ask meanwhile. */
  #askDetails(): Promise<readonly WorkerDetails[]> {
    const now = performance.now()
    if (this.#details !== undefined && now - this.#details.at < FRESH_FOR) return this.#details.told
    const told = this.#observer.details(this.#timeout).then((details) => {
      for (const each of details) this.keep(each)
      // It counts as fresh from when it came.
      if (this.#details?.told === told) this.#details = { at: performance.now(), told }
      return details
    })
    // Until it has come, all who ask wait for it.
    this.#details = { at: Infinity, told }
    told.catch(() => { if (this.#details?.told === told) this.#details = undefined })
    return told
  }
}

function countedTotals(counted: Counts): Omit<Totals, keyof PoolStatus['ended']> {
  return {
    rejected: sumOfName(counted, 'concurrency_limit_rejected'),
    rateLimited: sumOfName(counted, 'rate_limit_limited'),
    recovered: sumOfName(counted, 'recoveries'),
    slow: sumOfName(counted, 'slow_requests'),
  }
}

function plain(status: number, body: string, headers: Readonly<Record<string, string>> = {}): StatusAnswer {
  return { status, headers: { ...COMMON, 'Content-Type': TEXT, ...headers }, body }
}

function json(value: object): StatusAnswer {
  return { status: 200, headers: { ...COMMON, 'Content-Type': 'application/json' }, body: JSON.stringify(value) }
}
