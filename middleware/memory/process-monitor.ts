/**
 * What there is once in a process, however many endpoints it has: the log of collections, the sampler and its history, the
 * count of requests, the watch over memory, and whose turn it is. Begins with the first endpoint, ends with the last.
 */
import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { notifyListeners } from '../shared/safe-call.js'
import { LeakDetector } from './leak-detector/leak-detector.js'
import type { CallSiteSource, CollectionInput, SampleInput, Verdict } from './leak-detector/verdict.js'
import { OperationLock } from './operation-lock.js'
import { callSiteSource } from './profile/call-sites.js'
import { collectGarbage } from './profile/forced-collection.js'
import { HeapProfileCache } from './profile/heap-profile-cache.js'
import { HeapSampler, SamplingError } from './profile/heap-sampler.js'
import type { ProfileTools } from './profile/profiler.js'
import { SourceMaps } from './profile/source-maps.js'
import { GcLog, type Pause } from './sampling/gc-log.js'
import { History } from './sampling/history.js'
import { RequestCounter } from './sampling/request-counter.js'
import { type Reading, Sampler } from './sampling/sampler.js'
import { settle, type SettleOptions, type SettleReport } from './settle-check.js'

const INSPECTOR_REMEDY = 'Allow the inspector (--allow-inspector with Node\'s permission model), or do without profiles: memoryStats({ profiles: false }).'

export interface MonitorEvents {
  reading: [reading: Reading]
  pause: [pause: Pause]
  /** Times in ms since 1970. */
  verdict: [verdict: Verdict, before: Verdict]
  settle: [report: SettleReport]
}

export interface MonitorOptions {
  /** Where allocations are seen, for the verdict's evidence. */
  callSites?: CallSiteSource
  /** See `SettleOptions`; for tests. */
  settleWait?: number
}

export class ProcessMonitor extends EventEmitter<MonitorEvents> {
  static #shared: ProcessMonitor | undefined
  static #users = 0

  readonly gc: GcLog
  readonly requests = new RequestCounter()
  readonly history = new History()
  readonly operationLock = new OperationLock()
  readonly memoryWatch: MemoryWatch
  readonly #sampler: Sampler
  #profiling: (Required<ProfileTools> & { heap: HeapSampler; callSites: CallSiteSource }) | undefined
  /** When the state began, by both clocks: one moment does not get two times. */
  #stateBegan = { monotonic: NaN, wall: NaN }

  constructor({ callSites, settleWait }: MonitorOptions = {}) {
    super()
    this.setMaxListeners(0)
    this.memoryWatch = new MemoryWatch({
      callSites: callSites ?? {
        mark: () => this.#profiling?.callSites.mark(),
        grown: () => this.#profiling?.callSites.grown() ?? [],
      },
      settleWait,
      collect: () => this.gc.forcing(collectGarbage),
      onVerdict: (verdict, before) => {
        const outwardBefore = this.#withWallClock(before)
        this.emit('verdict', this.#withWallClock(verdict), outwardBefore)
      },
      onSettle: (report) => { this.emit('settle', report) },
    })
    this.gc = new GcLog({
      onPause: (pause) => { this.emit('pause', pause) },
      onCollection: (collection) => { this.memoryWatch.collection(collection) },
    })
    this.#sampler = new Sampler({
      requests: this.requests,
      liveHeap: () => this.gc.liveHeap,
      onReading: (reading) => { this.add(reading) },
    })
  }

  /** The process' one. Every call wants one of `release()`. */
  static acquire(): ProcessMonitor {
    ProcessMonitor.#users++
    return ProcessMonitor.#shared ??= new ProcessMonitor()
  }

  static release(): void {
    if (--ProcessMonitor.#users > 0) return
    ProcessMonitor.#shared?.close()
    ProcessMonitor.#shared = undefined
  }

  /** At most a second old. */
  get latest(): Reading {
    return this.#sampler.latest
  }

  /** `since` in ms since 1970. */
  get verdict(): Verdict {
    return this.#withWallClock(this.memoryWatch.verdict.current)
  }

  /** Samples the heap by call stack from the first call on. */
  profiling(): Required<ProfileTools> {
    return this.#profiling ??= this.#sampleHeap()
  }

  settle(trigger: SettleReport['trigger']): Promise<SettleReport> {
    return this.operationLock.hold('settle', () => this.memoryWatch.settle(trigger))
  }

  /** What the sampler read. */
  add(reading: Reading): void {
    const { sample, now, heapLimit, cgroup } = reading
    this.history.add(sample, now)
    const { rss, heapTotal, external, requestsPerSecond, inFlight } = sample
    this.memoryWatch.sample({ time: now, rss, heapTotal, external, requestsPerSecond, inFlight, heapLimit, memoryLimit: cgroup.limit, memoryUsed: cgroup.use })
    this.emit('reading', reading)
  }

  close(): void {
    this.#profiling?.heap.stop()
    this.#sampler.close()
    this.gc.close()
    this.requests.close()
  }

  #sampleHeap(): Required<ProfileTools> & { heap: HeapSampler; callSites: CallSiteSource } {
    const heap = new HeapSampler()
    // Why it cannot be sampled is said again to everybody who asks for a profile.
    heap.start().catch((error: unknown) => { warn(error, INSPECTOR_REMEDY) })
    const sampler = new HeapProfileCache({ take: () => this.gc.forcing(() => heap.take()) })
    const maps = new SourceMaps()
    return { heap, sampler, maps, gc: () => this.gc.summary(), callSites: this.#locked(callSiteSource(sampler, maps)) }
  }

  /** What the verdict asks for costs a collection, too. */
  #locked({ mark, grown }: CallSiteSource): CallSiteSource {
    return {
      mark: () => this.operationLock.hold('callsites', async () => { await mark() }),
      grown: () => this.operationLock.hold('callsites', async () => grown()),
    }
  }

  /** The watch lives by a clock that nobody outside knows. */
  #withWallClock(verdict: Verdict): Verdict {
    if (this.#stateBegan.monotonic !== verdict.since) {
      this.#stateBegan = { monotonic: verdict.since, wall: Math.round(Date.now() - (performance.now() - verdict.since)) }
    }
    return { ...verdict, since: this.#stateBegan.wall }
  }
}

/*
 * What looks at memory over time: the leak verdict, behind the two inputs that the endpoint has, major collections and
 * samples, and the settle check, one at a time. Has no timers of its own.
 */

export interface MemoryWatchOptions {
  /** Called when the verdict's state changes. What it throws becomes a process warning. */
  onVerdict?: ((verdict: Verdict, before: Verdict) => void) | undefined
  /** Call sites that grew, for the verdict's evidence. */
  callSites?: CallSiteSource | undefined
  /** Called with the report of every settle check. What it throws becomes a process warning. */
  onSettle?: ((report: SettleReport) => void) | undefined
  /** Forces a full collection and waits; see `SettleOptions`. */
  collect?: SettleOptions['collect'] | undefined
  settleWait?: number | undefined
}

export class MemoryWatch {
  readonly verdict: LeakDetector
  /** Of the last settle check. */
  lastSettle: SettleReport | undefined
  readonly #options: MemoryWatchOptions
  #running: Promise<SettleReport> | undefined

  constructor(options: MemoryWatchOptions) {
    this.#options = options
    const { callSites, onVerdict } = options
    this.verdict = new LeakDetector(callSites === undefined ? {} : { callSites })
    if (onVerdict !== undefined) this.verdict.on('change', (verdict, before) => { notifyApp(() => { onVerdict(verdict, before) }) })
  }

  /** After each major collection. */
  collection(input: CollectionInput): void {
    this.verdict.collection(input)
  }

  /** Once a second or so. */
  sample(input: SampleInput): void {
    this.verdict.sample(input)
  }

  /** Forces a collection. A second call while one runs gets the same report. */
  settle(trigger: SettleReport['trigger']): Promise<SettleReport> {
    this.#running ??= this.#settle(trigger).finally(() => { this.#running = undefined })
    return this.#running
  }

  async #settle(trigger: SettleReport['trigger']): Promise<SettleReport> {
    const { collect, settleWait, onSettle } = this.#options
    const report = await settle({ trigger, ...(collect === undefined ? {} : { collect }), ...(settleWait === undefined ? {} : { wait: settleWait }) })
    this.lastSettle = report
    if (onSettle !== undefined) notifyApp(() => { onSettle(report) })
    return report
  }
}

/** An app's callback must not stop the sampler. */
export function notifyApp(call: () => void): void {
  notifyListeners('memoryStats', 'ERR_MEMORY_STATS_LISTENER', call)
}

/** With a stack, unless it is known what it means. */
export function warn(error: unknown, remedy?: string): void {
  const text = error instanceof SamplingError ? error.reason : inspect(error)
  const code = error instanceof SamplingError ? error.code : 'ERR_MEMORY_STATS_FAILURE'
  emitProcessWarning(code, `memoryStats: ${text}${remedy === undefined ? '' : `. ${remedy}`}`, 'MemoryStatsWarning')
}
