/**
 * The settle check: when load drops, does memory? One forced collection, a short wait in which V8 gives pages back, and
 * then RSS split into what is alive, what is external, what V8 keeps free, and what the allocator holds.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { collectGarbage } from './profile/forced-collection.js'
import { formatBytes } from './units.js'

export { collectGarbage } from './profile/forced-collection.js'

/** The process' memory at a moment, bytes. */
export interface MemoryNow {
  rss: number
  /** V8's heap in use; garbage is part of it until it is collected. */
  usedHeap: number
  /** Memory of V8's heap that is resident. */
  physicalHeap: number
  /** `process.memoryUsage().external`. */
  external: number
  /** Resident pages of files, the program itself for the most part, and shared memory; null where the system does not tell. */
  mapped: number | null
}

/** The parts of RSS, bytes; together they are RSS. */
export interface RssParts {
  liveHeap: number
  external: number
  /** Pages that V8 holds and that have nothing alive in them. */
  freePages: number
  /** Held by the allocator (malloc), in use by native code or free. The program itself too where the system does not tell them apart. */
  allocator: number
  mapped: number | null
}

/** What a settle check has found. */
export interface SettleReport {
  trigger: 'request' | 'load-drop'
  /** How long the forced collection held everything up, ms. */
  collectionMs: number
  /** Highest RSS since the process started. */
  peakRss: number
  before: MemoryNow
  after: MemoryNow
  /** Of `after`. */
  parts: RssParts
  /** The same, largest first, with what each means and what to do about it. */
  explained: SettlePart[]
  /** The answer in plain words. */
  sentence: string
}

/** How a settle check is done. */
export interface SettleOptions {
  trigger: SettleReport['trigger']
  /** Forces a full collection. Default: one, of V8's `gc()`; needs no flag. */
  collect?: () => Promise<void>
  /** ms between the collection and the measurement: V8 gives pages back in the background. Default 1000. */
  wait?: number
}

const DEFAULT_WAIT_MS = 1000

/** The settle checks of a process: one at a time, and the last report. */
export class SettleChecks {
  /** Of the last one that is done. */
  last: SettleReport | undefined
  readonly #options: Omit<SettleOptions, 'trigger'>
  readonly #onReport: (report: SettleReport) => void
  #running: Promise<SettleReport> | undefined

  /** @param onReport called with the report of each */
  constructor(options: Omit<SettleOptions, 'trigger'>, onReport: (report: SettleReport) => void) {
    this.#options = options
    this.#onReport = onReport
  }

  /** Forces a collection. A second call while one runs gets the same report. */
  run(trigger: SettleReport['trigger']): Promise<SettleReport> {
    this.#running ??= this.#check(trigger).finally(() => { this.#running = undefined })
    return this.#running
  }

  async #check(trigger: SettleReport['trigger']): Promise<SettleReport> {
    this.last = await settle({ trigger, ...this.#options })
    this.#onReport(this.last)
    return this.last
  }
}

/** Forces a collection, waits, and says what the resident memory is made of. */
export async function settle({ trigger, collect = collectGarbage, wait = DEFAULT_WAIT_MS }: SettleOptions): Promise<SettleReport> {
  const before = memoryNow()
  const start = performance.now()
  await collect()
  const collectionMs = Math.round((performance.now() - start) * 10) / 10
  await delay(wait)
  const after = memoryNow()
  const parts = partsOf(after, pooledPages(before, after))
  const peakRss = Math.max(process.resourceUsage().maxRSS * 1024, before.rss)
  const report = { trigger, collectionMs, peakRss, before, after, parts, explained: describeParts(parts) }
  return { ...report, sentence: settleSentence(report) }
}

/** The memory of the process at this moment, in bytes. */
export function memoryNow(): MemoryNow {
  const { rss, external } = process.memoryUsage()
  const heap = getHeapStatistics()
  return { rss, usedHeap: heap.used_heap_size, physicalHeap: heap.total_physical_size, external, mapped: mappedNow() }
}

/**
 * Pages that the collection has taken out of the heap and that are resident still: V8 keeps them in a pool, which none of its
 * figures has.
 */
function pooledPages(before: MemoryNow, after: MemoryNow): number {
  return Math.max(0, before.physicalHeap - after.physicalHeap - Math.max(0, before.rss - after.rss))
}

/** External memory that was never touched is not resident: no part is larger than what the others leave of RSS. */
export function partsOf({ rss, usedHeap, physicalHeap, external, mapped }: MemoryNow, pooled = 0): RssParts {
  let left = rss
  const take = (bytes: number): number => {
    const taken = Math.min(left, Math.max(0, bytes))
    left -= taken
    return taken
  }
  const liveHeap = take(usedHeap)
  const free = take(physicalHeap - usedHeap)
  const file = mapped === null ? null : take(mapped)
  const outside = take(external)
  const freePages = free + take(pooled)
  return { liveHeap, freePages, mapped: file, external: outside, allocator: left }
}

/** RssFile and RssShmem of proc_pid_status(5): a short file, other than smaps. */
function mappedNow(): number | null {
  let status: string
  try {
    status = readFileSync('/proc/self/status', 'latin1')
  } catch {
    return null
  }
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? NaN)
  const mapped = (kib('RssFile') + kib('RssShmem')) * 1024
  return Number.isNaN(mapped) ? null : mapped
}

/* The settle check in plain words: what each part of RSS is, what to do about it, and the answer as a page of text. */

/** One part of the resident memory. */
export interface SettlePart {
  part: keyof RssParts
  octets: number
  /** What it is. */
  meaning: string
  /** What to do about it where it is large. */
  remedy: string
}

const PART_TEXTS: Readonly<Record<keyof RssParts, Pick<SettlePart, 'meaning' | 'remedy'>>> = {
  liveHeap: {
    meaning: 'Objects that something still refers to.',
    remedy: 'If this is more than an idle app should need, see which code allocated it: the heap profile, largest first. Bound caches, remove listeners, end sessions.',
  },
  external: {
    meaning: 'Buffers, ArrayBuffers and other memory outside the heap that live objects own.',
    remedy: 'Look for Buffers that are kept, also by small slices of them, and for streams and compressors that were never closed.',
  },
  freePages: {
    meaning: 'Pages that V8 keeps although nothing in them is alive, to fill them again.',
    remedy: 'Nothing is leaking: the next load uses them, and V8 gives them back where memory runs low. A lower --max-old-space-size makes V8 collect earlier and hold fewer.',
  },
  allocator: {
    meaning: 'Memory of native code and of the allocator (malloc), which keeps what was freed; pages that earlier collections of V8 emptied may be among it.',
    remedy: 'If it stays level, nothing is leaking: MALLOC_ARENA_MAX=2 or another allocator, such as jemalloc with LD_PRELOAD, holds less. If it grows with every load, native code leaks.',
  },
  mapped: {
    meaning: 'The program itself and other files that are mapped, shared between processes.',
    remedy: 'Nothing: it is the same at any load.',
  },
}
/** RSS that has fallen by this share, or lies this little above what is in use, has settled. */
const SETTLED_SHARE = 0.2

/** Largest first. */
export function describeParts(parts: RssParts): SettlePart[] {
  const names = Object.keys(PART_TEXTS) as (keyof RssParts)[]
  return names.map((part) => ({ part, octets: parts[part] ?? 0, ...PART_TEXTS[part] }))
    .filter(({ part }) => parts[part] !== null)
    .sort((one, other) => other.octets - one.octets)
}

/** What the settle check has found, in words. */
export function settleSentence({ before, after, parts, peakRss }: Pick<SettleReport, 'before' | 'after' | 'parts' | 'peakRss'>): string {
  const collected = Math.max(0, before.usedHeap - after.usedHeap)
  const start = `The collection freed ${formatBytes(collected)}: ${formatBytes(after.usedHeap)} of the heap are alive.`
  const rss = `RSS is ${formatBytes(after.rss)}, ${formatBytes(before.rss)} before, ${formatBytes(peakRss)} at its peak.`
  return `${start} ${rss} ${answer(before.rss, after.rss, peakRss, parts)}`
}

function answer(before: number, after: number, peak: number, parts: RssParts): string {
  if (after <= (1 - SETTLED_SHARE) * Math.max(before, peak)) return 'Memory has fallen.'
  const kept = parts.freePages + parts.allocator
  const alive = parts.liveHeap + parts.external
  if (kept > alive) return 'Memory has not fallen, and most of it is not alive: it is kept for the next load, and is no leak of objects.'
  return 'Memory has not fallen, and most of it is alive: something refers to it.'
}

/** The report as text. */
export function settleText({ sentence, trigger, collectionMs, explained }: SettleReport): string {
  const cause = trigger === 'request' ? 'on request' : 'because load had dropped'
  const lines = explained.map(({ part, octets: size, meaning, remedy }) => `${formatBytes(size).padStart(10)}  ${part.padEnd(10)} ${meaning}\n${' '.repeat(24)}${remedy}`)
  return `A collection was forced ${cause}; it took ${String(collectionMs)} ms.\n${sentence}\n\n${lines.join('\n')}\n`
}

/* Notices that load has dropped and stayed low, once for every time that it does. */

/** When load counts as dropped. */
export interface LoadDropOptions {
  /** ms for which load must have stayed low. */
  after: number
}

/** Load is low at this share of what it was, and high again at that one. */
const LOW_SHARE = 0.2
const HIGH_SHARE = 0.5
/** Requests a second that count as a load at all. */
const MIN_REQUESTS_PER_SECOND = 1
/** ms in which the load that is remembered falls by half. */
const HALF_LIFE_MS = 1_800_000

/** Notices that load has dropped and stayed low. */
export class LoadDrop {
  readonly #after: number
  /** The highest load lately. */
  #peak = 0
  #time = NaN
  #lowSince = NaN
  #armed = false

  constructor({ after }: LoadDropOptions) {
    this.#after = after
  }

  /** Whether load has now been low for long enough. `time` in ms of any clock that never goes back. */
  sample(time: number, requestsPerSecond: number): boolean {
    const passed = Number.isNaN(this.#time) ? 0 : time - this.#time
    this.#time = time
    this.#peak = Math.max(requestsPerSecond, this.#peak * 0.5 ** (passed / HALF_LIFE_MS))
    if (requestsPerSecond >= Math.max(MIN_REQUESTS_PER_SECOND, HIGH_SHARE * this.#peak)) this.#armed = true
    if (requestsPerSecond > LOW_SHARE * this.#peak) this.#lowSince = NaN
    else if (Number.isNaN(this.#lowSince)) this.#lowSince = time
    if (!this.#armed || !(time - this.#lowSince >= this.#after)) return false
    this.#armed = false
    return true
  }
}
