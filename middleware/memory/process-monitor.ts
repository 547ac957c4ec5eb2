/**
 * What there is once in a process, however many endpoints it has: the log of collections, the sampler and its history, the
 * count of requests, the leak detector, settle checks, and whose turn it is. Begins with the first endpoint, ends with the
 * last. All that happens is emitted here, once, for all endpoints.
 */
import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { emitProcessWarning } from '../../shared/process-warning.js'
import type { MemoryStatus } from '../../shared/status-sources.js'
import { notifyListeners } from '../shared/safe-call.js'
import { LeakDetector } from './leak-detector/leak-detector.js'
import type { CallSiteSource, Verdict } from './leak-detector/verdict.js'
import { OperationLock } from './operation-lock.js'
import { callSiteSource } from './profile/call-sites.js'
import { collectGarbage } from './profile/forced-collection.js'
import { HeapProfileCache } from './profile/heap-profile-cache.js'
import { HeapSampler, SamplingError, type HeapSource } from './profile/heap-sampler.js'
import { SourceMaps } from './profile/source-maps.js'
import { GcLog, type Pause } from './sampling/gc-log.js'
import { History } from './sampling/history.js'
import type { CollectionCounts } from './sampling/mem-stats.js'
import { RequestCounter } from './sampling/request-counter.js'
import { type Reading, Sampler } from './sampling/sampler.js'
import { SettleChecks, type SettleReport } from './settle-check.js'

const INSPECTOR_REMEDY = 'Allow the inspector (--allow-inspector with Node\'s permission model), or do without profiles: memoryStats({ profiles: false }).'

/** What profiles are made with. */
export interface ProfileTools {
  /** Of the live heap; started. */
  sampler: HeapSource
  /** What memStats() needs to know of the collections. */
  gc: () => CollectionCounts
  /** Where functions are in their author's files. Default: new ones. */
  maps?: SourceMaps
}

/** What the monitor emits, with the arguments of the listeners. */
export interface MonitorEvents {
  reading: [reading: Reading]
  pause: [pause: Pause]
  /** Times in ms since 1970. */
  verdict: [verdict: Verdict, before: Verdict]
  settle: [report: SettleReport]
}

/** What a monitor is made with. */
export interface MonitorOptions {
  /** Where allocations are seen, for the verdict's evidence. */
  callSites?: CallSiteSource
}

/** What is watched of the process, once however many endpoints there are. */
export class ProcessMonitor extends EventEmitter<MonitorEvents> {
  static #shared: ProcessMonitor | undefined
  static #users = 0

  readonly gc: GcLog
  readonly requests = new RequestCounter()
  readonly history = new History()
  readonly operationLock = new OperationLock()
  readonly leakDetector: LeakDetector
  readonly settleChecks: SettleChecks
  readonly #sampler: Sampler
  #profiling: (Required<ProfileTools> & { heap: HeapSampler; callSites: CallSiteSource }) | undefined
  /** When the state began, by both clocks: one moment does not get two times. */
  #stateBegan = { monotonic: NaN, wall: NaN }

  constructor({ callSites }: MonitorOptions = {}) {
    super()
    this.setMaxListeners(0)
    this.leakDetector = new LeakDetector({
      callSites: callSites ?? {
        mark: () => this.#profiling?.callSites.mark(),
        grown: () => this.#profiling?.callSites.grown() ?? [],
      },
    })
    this.leakDetector.on('change', (verdict, before) => {
      const outwardBefore = this.#withWallClock(before)
      this.emit('verdict', this.#withWallClock(verdict), outwardBefore)
    })
    this.settleChecks = new SettleChecks({ collect: () => this.gc.forcing(collectGarbage) }, (report) => { this.emit('settle', report) })
    this.gc = new GcLog({
      onPause: (pause) => { this.emit('pause', pause) },
      onCollection: (collection) => { this.leakDetector.collection(collection) },
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
    return this.#withWallClock(this.leakDetector.current)
  }

  /** What it tells to those who ask how the process is. */
  status(): MemoryStatus {
    const { state, since, sentence } = this.verdict
    const { rss, heapUsed, liveHeap } = this.latest.sample
    return { state, since, sentence, rss, heapUsed, liveHeap }
  }

  /** Samples the heap by call stack from the first call on. */
  profiling(): Required<ProfileTools> {
    return this.#profiling ??= this.#sampleHeap()
  }

  settle(trigger: SettleReport['trigger']): Promise<SettleReport> {
    return this.operationLock.hold('settle', () => this.settleChecks.run(trigger))
  }

  /** What the sampler read. */
  add(reading: Reading): void {
    const { sample, now, heapLimit, cgroup } = reading
    this.history.add(sample, now)
    const { rss, heapTotal, external, requestsPerSecond, inFlight } = sample
    this.leakDetector.sample({ time: now, rss, heapTotal, external, requestsPerSecond, inFlight, heapLimit, memoryLimit: cgroup.limit, memoryUsed: cgroup.use })
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

  /** The leak detector lives by a clock that nobody outside knows. */
  #withWallClock(verdict: Verdict): Verdict {
    if (this.#stateBegan.monotonic !== verdict.since) {
      this.#stateBegan = { monotonic: verdict.since, wall: Math.round(Date.now() - (performance.now() - verdict.since)) }
    }
    return { ...verdict, since: this.#stateBegan.wall }
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
