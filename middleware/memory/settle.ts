/**
 * The settle check: when load drops, does memory? One forced collection, a short wait in which V8 gives pages back, and
 * then RSS split into what is alive, what is external, what V8 keeps free, and what the allocator holds.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { collectGarbage } from './collection.js'
import { describeParts, settleSentence, type SettlePart } from './settle/words.js'

export { collectGarbage } from './collection.js'

/** The process' memory at a moment, octets. */
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

/** The parts of RSS, octets; together they are RSS. */
export interface RssParts {
  liveHeap: number
  external: number
  /** Pages that V8 holds and that have nothing alive in them. */
  freePages: number
  /** Held by the allocator (malloc), in use by native code or free. The program itself too where the system does not tell them apart. */
  allocator: number
  mapped: number | null
}

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

export interface SettleOptions {
  trigger: SettleReport['trigger']
  /** Forces a full collection. Default: one, of V8's `gc()`; needs no flag. */
  collect?: () => Promise<void>
  /** ms between the collection and the measurement: V8 gives pages back in the background. Default 1000. */
  wait?: number
}

const WAIT = 1000

export async function settle({ trigger, collect = collectGarbage, wait = WAIT }: SettleOptions): Promise<SettleReport> {
  const before = memoryNow()
  const start = performance.now()
  await collect()
  const collectionMs = Math.round((performance.now() - start) * 10) / 10
  await delay(wait)
  const after = memoryNow()
  const parts = partsOf(after, emptied(before, after))
  const peakRss = Math.max(process.resourceUsage().maxRSS * 1024, before.rss)
  const report = { trigger, collectionMs, peakRss, before, after, parts, explained: describeParts(parts) }
  return { ...report, sentence: settleSentence(report) }
}

export function memoryNow(): MemoryNow {
  const { rss, external } = process.memoryUsage()
  const heap = getHeapStatistics()
  return { rss, usedHeap: heap.used_heap_size, physicalHeap: heap.total_physical_size, external, mapped: mappedNow() }
}

/**
 * Pages that the collection has taken out of the heap and that are resident still: V8 keeps them in a pool, which none of its
 * figures has.
 */
function emptied(before: MemoryNow, after: MemoryNow): number {
  return Math.max(0, before.physicalHeap - after.physicalHeap - Math.max(0, before.rss - after.rss))
}

/** External memory that was never touched is not resident: no part is larger than what the others leave of RSS. */
export function partsOf({ rss, usedHeap, physicalHeap, external, mapped }: MemoryNow, pooled = 0): RssParts {
  let left = rss
  const take = (octets: number): number => {
    const taken = Math.min(left, Math.max(0, octets))
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
