/**
 * What there is once in a process, however many endpoints it has: the log of collections, the sampler and its history, the
 * count of requests, the watch over memory, and whose turn it is. Begins with the first endpoint, ends with the last.
 */
import { EventEmitter } from 'node:events'
import { collectGarbage } from './collection.js'
import { GcLog, type Pause } from './gc-log.js'
import { History } from './history.js'
import { RequestCounter } from './requests.js'
import { Sampler, type Reading } from './sampler.js'
import type { SettleReport } from './settle.js'
import { Turns } from './turns.js'
import { callSiteSource } from './profile/call-sites.js'
import { HeapSampler } from './profile/heap-sampler.js'
import type { ProfileTools } from './profile/routes.js'
import { SharedHeap } from './profile/shared-heap.js'
import { SourceMaps } from './profile/source-maps.js'
import type { CallSiteSource, Verdict } from './verdict.js'
import { MemoryWatch, warn } from './watch.js'

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

export class Monitor extends EventEmitter<MonitorEvents> {
  static #shared: Monitor | undefined
  static #users = 0

  readonly gc: GcLog
  readonly requests = new RequestCounter()
  readonly history = new History()
  readonly turns = new Turns()
  readonly watch: MemoryWatch
  readonly #sampler: Sampler
  #profiling: (Required<ProfileTools> & { heap: HeapSampler; callSites: CallSiteSource }) | undefined
  /** When the state began, by both clocks: one moment does not get two times. */
  #since = { monotonic: NaN, wall: NaN }

  constructor({ callSites, settleWait }: MonitorOptions = {}) {
    super()
    this.setMaxListeners(0)
    this.watch = new MemoryWatch({
      callSites: callSites ?? {
        mark: () => this.#profiling?.callSites.mark(),
        grown: () => this.#profiling?.callSites.grown() ?? [],
      },
      settleWait,
      collect: () => this.gc.forcing(collectGarbage),
      onVerdict: (verdict, before) => {
        const outwardBefore = this.#outward(before)
        this.emit('verdict', this.#outward(verdict), outwardBefore)
      },
      onSettle: (report) => { this.emit('settle', report) },
    })
    this.gc = new GcLog({
      onPause: (pause) => { this.emit('pause', pause) },
      onCollection: (collection) => { this.watch.collection(collection) },
    })
    this.#sampler = new Sampler({
      requests: this.requests,
      liveHeap: () => this.gc.liveHeap,
      onReading: (reading) => { this.add(reading) },
    })
  }

  /** The process' one. Every call wants one of `release()`. */
  static acquire(): Monitor {
    Monitor.#users++
    return Monitor.#shared ??= new Monitor()
  }

  static release(): void {
    if (--Monitor.#users > 0) return
    Monitor.#shared?.close()
    Monitor.#shared = undefined
  }

  /** At most a second old. */
  get latest(): Reading {
    return this.#sampler.latest
  }

  /** `since` in ms since 1970. */
  get verdict(): Verdict {
    return this.#outward(this.watch.verdict.current)
  }

  /** Samples the heap by call stack from the first call on. */
  profiling(): Required<ProfileTools> {
    return this.#profiling ??= this.#sampleHeap()
  }

  settle(trigger: SettleReport['trigger']): Promise<SettleReport> {
    return this.turns.during('settle', () => this.watch.settle(trigger))
  }

  /** What the sampler read. */
  add(reading: Reading): void {
    const { sample, now, heapLimit, cgroup } = reading
    this.history.add(sample, now)
    const { rss, heapTotal, external, requestsPerSecond, inFlight } = sample
    this.watch.sample({ time: now, rss, heapTotal, external, requestsPerSecond, inFlight, heapLimit, memoryLimit: cgroup.limit, memoryUsed: cgroup.use })
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
    const sampler = new SharedHeap({ take: () => this.gc.forcing(() => heap.take()) })
    const maps = new SourceMaps()
    return { heap, sampler, maps, gc: () => this.gc.summary(), callSites: this.#inTurn(callSiteSource(sampler, maps)) }
  }

  /** What the verdict asks for costs a collection, too. */
  #inTurn({ mark, grown }: CallSiteSource): CallSiteSource {
    return {
      mark: () => this.turns.during('callsites', async () => { await mark() }),
      grown: () => this.turns.during('callsites', async () => grown()),
    }
  }

  /** The watch lives by a clock that nobody outside knows. */
  #outward(verdict: Verdict): Verdict {
    if (this.#since.monotonic !== verdict.since) {
      this.#since = { monotonic: verdict.since, wall: Math.round(Date.now() - (performance.now() - verdict.since)) }
    }
    return { ...verdict, since: this.#since.wall }
  }
}
