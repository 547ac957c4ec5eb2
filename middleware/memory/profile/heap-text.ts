/**
 * The heap profile as text, in the form of Go's page (runtime/pprof, writeHeapInternal, of Go 1.19): samples by call
 * stack, then MemStats under Go's names. `go tool pprof` reads it too, and asks `/symbol` for the names of functions.
 */
import { MEM_STATS_SOURCES, type MemStats } from '../sampling/mem-stats.js'
import type { Frame, FrameStack } from './stacks.js'
import type { SymbolTable } from './symbols.js'

/** What the text page is made of. */
export interface HeapTextInput {
  /** Values: samples, bytes. */
  stacks: readonly FrameStack[]
  symbols: SymbolTable
  /** As they were before the collection that the samples took. */
  before: { stats: MemStats; rss: number }
  /** HeapAlloc after it. */
  liveHeap: number
  /** For how long it held everything up, ms. */
  pauseMs: number
  /** Bytes between two samples on average. */
  interval: number
  /** Seconds since it was taken, where it was for somebody else. */
  age?: number | undefined
}

/** Width of a tab. */
const TAB = 8
/** From where a function begins to the return address that stands for it. */
const OFFSET = 1

/** The live heap as Go's net/http/pprof writes it with `debug=1`. */
export function heapText(input: HeapTextInput): string {
  const stacks = [...input.stacks].sort((one, other) => (other.values[1] ?? 0) - (one.values[1] ?? 0))
  const sum = (index: number): number => stacks.reduce((total, { values }) => total + (values[index] ?? 0), 0)
  // pprof would scale sizes by the interval that follows the slash, halved: 2 stands for sizes that are whole already.
  const lines = [`heap profile: ${figures(sum(0), sum(1))} @ heap/2`]
  for (const stack of stacks) lines.push(...recordOf(stack, input.symbols))
  lines.push('', '# runtime.MemStats', ...statsLines(input.before.stats), ...notes(input), '')
  return lines.join('\n')
}

/** What was allocated is not known: as in other heaps of live objects alone, it is given as what is in use. */
function figures(samples: number, bytes: number): string {
  const inUse = `${String(samples)}: ${String(bytes)}`
  return `${inUse} [${inUse}]`
}

/** pprof takes bytes without a count for an error. */
function recordOf({ frames, values: [samples = 1, bytes = 0] }: FrameStack, symbols: SymbolTable): string[] {
  const addressed = frames.map((frame) => [`0x${(symbols.entryOf(frame) + OFFSET).toString(16)}`, frame] as const)
  const addresses = addressed.map(([address]) => ` ${address}`).join('')
  const rows = addressed.map(([address, frame]) => ['#', address, `${frame.name}+0x${OFFSET.toString(16)}`, placeOf(frame)])
  return [`${figures(Math.max(1, samples), bytes)} @${addresses}`, ...aligned(rows), '']
}

function placeOf({ file, line }: Frame): string {
  return `${file === '' ? 'v8' : file}:${String(line)}`
}

/** Columns padded with tabs to the widest cell, as Go's text/tabwriter does. */
function aligned(rows: readonly string[][]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => { widths[column] = Math.max(widths[column] ?? 0, (Math.floor(cell.length / TAB) + 1) * TAB) })
  }
  return rows.map((row) => row
    .map((cell, column) => (column === row.length - 1 ? cell : cell + '\t'.repeat(Math.ceil(((widths[column] ?? 0) - cell.length) / TAB))))
    .join(''))
}

/** The lines of Go's page in its order. */
function statsLines(stats: MemStats): string[] {
  const one = (...names: (keyof MemStats)[]): string[] => names.map((name) => `# ${name} = ${valueOf(stats[name])}`)
  const pair = (name: string, inUse: keyof MemStats, sys: keyof MemStats): string => `# ${name} = ${valueOf(stats[inUse])} / ${valueOf(stats[sys])}`
  return [
    ...one('Alloc', 'TotalAlloc', 'Sys', 'Lookups', 'Mallocs', 'Frees'),
    ...one('HeapAlloc', 'HeapSys', 'HeapIdle', 'HeapInuse', 'HeapReleased', 'HeapObjects'),
    pair('Stack', 'StackInuse', 'StackSys'),
    pair('MSpan', 'MSpanInuse', 'MSpanSys'),
    pair('MCache', 'MCacheInuse', 'MCacheSys'),
    ...one('BuckHashSys', 'GCSys', 'OtherSys', 'NextGC', 'LastGC', 'PauseNs', 'PauseEnd', 'NumGC', 'NumForcedGC'),
    ...one('GCCPUFraction', 'DebugGC', 'MaxRSS'),
  ]
}

function valueOf(value: MemStats[keyof MemStats]): string {
  if (value === null) return 'none'
  return typeof value === 'object' ? `[${value.join(' ')}]` : String(value)
}

function notes({ before, liveHeap, pauseMs, interval, age }: HeapTextInput): string[] {
  return [
    '',
    ...(age === undefined ? [] : [`# Samples were taken ${String(age)} s before they were sent, for another request; MemStats are from now.`]),
    '# A full garbage collection was forced for the samples, since V8 has no other way. With it, everything was held up',
    `# for ${pauseMs.toFixed(1)} ms. ${age === undefined ? 'MemStats are from before it. After it, and before it:' : 'After it, and now:'}`,
    `# HeapAlloc after collection = ${String(liveHeap)}`,
    `# RSS = ${String(before.rss)}`,
    '#',
    `# Sampled is one allocation in ${String(interval)} bytes on average, since sampling began. Bytes are estimates of all that`,
    '# is alive, by V8. Counts are of samples: V8 does not say how many objects they stand for. In brackets is the same',
    '# again: what was collected is not kept. Buffers, ArrayBuffers and native memory are outside of the heap.',
    '# A line is the one where the function begins. What a function allocates that V8 has inlined into its caller counts',
    '# for the caller (node --no-turbo-inlining --no-maglev-inlining tells them apart). Addresses are made up; symbol',
    '# knows them.',
    '#',
    '# MemStats in Node:',
    ...Object.entries(MEM_STATS_SOURCES).map(([name, source]) => `# ${name}: ${source}`),
  ]
}
