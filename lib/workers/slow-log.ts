/** Requests that run for long: told once while they still run, and once more when they are over. */
import { addStatusSource } from '../../shared/status-sources.js'
import type { LogWriter } from './log-writer.js'
import type { LoggedRequest } from './logged-request.js'
import { described } from './request-lookup.js'
import { seconds, slowLine } from './slow-log-lines.js'
import type { EventLoopWatch, WatchedSlowLog } from './stuck-loop.js'
import type { OverdueRequest } from './stuck-report.js'

/** What the slow log tells as the source 'slowRequests'. */
export interface SlowRequestsStatus {
  /** Milliseconds. */
  readonly threshold: number
  /** Requests that took longer, since the worker began. */
  readonly total: number
  /** Those that still run, the oldest first; without their queries, which may hold secrets. */
  readonly running: readonly { readonly age: number; readonly method: string; readonly path: string; readonly route: string }[]
}

/** Those that are listed. */
const MOST_SHOWN = 20
const CHECKS_IN_THRESHOLD = 4
const [SHORTEST_CHECK, LONGEST_CHECK] = [25, 1000] as const

/** The slow log of one process. */
export class SlowLog implements WatchedSlowLog {
  readonly threshold: number
  readonly #writer: LogWriter
  /** In the order in which they came: those that are not slow yet, and those that are. */
  readonly #young = new Set<LoggedRequest>()
  readonly #slow = new Set<LoggedRequest>()
  readonly #timer: NodeJS.Timeout
  readonly #forgetSource: () => void
  #total = 0
  #watch: EventLoopWatch | undefined

  /** @param threshold milliseconds */
  constructor(threshold: number, writer: LogWriter) {
    this.threshold = threshold
    this.#writer = writer
    const interval = Math.min(LONGEST_CHECK, Math.max(SHORTEST_CHECK, threshold / CHECKS_IN_THRESHOLD))
    this.#timer = setInterval(() => { this.#check() }, interval).unref()
    this.#forgetSource = addStatusSource('slowRequests', () => this.#status())
  }

  /** The watch over the event loop, where there is one: it tells of blocks in native code. */
  watchedBy(watch: EventLoopWatch): void {
    this.#watch = watch
  }

  get target(): string | number {
    return this.#writer.target
  }

  oldest(): number | undefined {
    for (const { startedAt } of this.#young) return startedAt
    return undefined
  }

  tellOverdue(): readonly OverdueRequest[] {
    const now = performance.now()
    const overdue = [...this.#young].filter(({ startedAt }) => now - startedAt >= this.threshold).slice(0, MOST_SHOWN)
    for (const logged of overdue) {
      this.#young.delete(logged)
      this.#slow.add(logged)
      this.#count(logged)
    }
    return overdue.map(({ request, startedAt }) => ({ ...described(request), age: now - startedAt }))
  }

  begin(logged: LoggedRequest): void {
    this.#young.add(logged)
  }

  /** @param duration milliseconds */
  end(logged: LoggedRequest, duration: number): void {
    if (this.#young.delete(logged)) {
      // The event loop was blocked, most likely by this request: nobody could tell earlier.
      if (duration >= this.threshold) this.#count(logged)
      else return
    } else this.#slow.delete(logged)
    const blocked = this.#watch?.nativeBlock(logged.startedAt) ?? 0
    const native = blocked === 0 ? '' : `, event loop blocked for ${seconds(blocked)} in native code`
    this.#tell(logged, `took ${seconds(duration)}, status ${String(logged.status)}${logged.isComplete ? '' : ', cut off'}${native}`)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#forgetSource()
  }

  #check(): void {
    const now = performance.now()
    for (const logged of this.#young) {
      const age = now - logged.startedAt
      if (age < this.threshold) return
      this.#young.delete(logged)
      this.#slow.add(logged)
      this.#count(logged)
      this.#tell(logged, `runs for ${seconds(age)} so far`)
    }
  }

  #count(logged: LoggedRequest): void {
    logged.slow = true
    this.#total++
  }

  #tell(logged: LoggedRequest, what: string): void {
    const { request: { method = '' }, url, route } = logged
    this.#writer.write(slowLine({ method, url, route }, what))
  }

  #status(): SlowRequestsStatus {
    const now = performance.now()
    const running = [...this.#slow].slice(0, MOST_SHOWN).map((logged) => ({
      age: Math.round(now - logged.startedAt), method: logged.request.method ?? '', path: logged.url.split('?', 1)[0] ?? '', route: logged.route,
    }))
    return { threshold: this.threshold, total: this.#total, running }
  }
}
