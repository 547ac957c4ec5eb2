/** The settle check in plain words: what each part of RSS is, what to do about it, and the answer as a page of text. */
import type { RssParts, SettleReport } from '../settle.js'
import { octets } from '../units.js'

export interface SettlePart {
  part: keyof RssParts
  octets: number
  /** What it is. */
  meaning: string
  /** What to do about it where it is large. */
  remedy: string
}

const WORDS: Readonly<Record<keyof RssParts, Pick<SettlePart, 'meaning' | 'remedy'>>> = {
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
const FALLEN = 0.2

/** Largest first. */
export function describeParts(parts: RssParts): SettlePart[] {
  const names = Object.keys(WORDS) as (keyof RssParts)[]
  return names.map((part) => ({ part, octets: parts[part] ?? 0, ...WORDS[part] }))
    .filter(({ part }) => parts[part] !== null)
    .sort((one, other) => other.octets - one.octets)
}

export function settleSentence({ before, after, parts, peakRss }: Pick<SettleReport, 'before' | 'after' | 'parts' | 'peakRss'>): string {
  const collected = Math.max(0, before.usedHeap - after.usedHeap)
  const start = `The collection freed ${octets(collected)}: ${octets(after.usedHeap)} of the heap are alive.`
  const rss = `RSS is ${octets(after.rss)}, ${octets(before.rss)} before, ${octets(peakRss)} at its peak.`
  return `${start} ${rss} ${answer(before.rss, after.rss, peakRss, parts)}`
}

function answer(before: number, after: number, peak: number, parts: RssParts): string {
  if (after <= (1 - FALLEN) * Math.max(before, peak)) return 'Memory has fallen.'
  const kept = parts.freePages + parts.allocator
  const alive = parts.liveHeap + parts.external
  if (kept > alive) return 'Memory has not fallen, and most of it is not alive: it is kept for the next load, and is no leak of objects.'
  return 'Memory has not fallen, and most of it is alive: something refers to it.'
}

/** The report as text. */
export function settleText({ sentence, trigger, collectionMs, explained }: SettleReport): string {
  const cause = trigger === 'request' ? 'on request' : 'because load had dropped'
  const lines = explained.map(({ part, octets: size, meaning, remedy }) => `${octets(size).padStart(10)}  ${part.padEnd(10)} ${meaning}\n${' '.repeat(24)}${remedy}`)
  return `A collection was forced ${cause}; it took ${String(collectionMs)} ms.\n${sentence}\n\n${lines.join('\n')}\n`
}
