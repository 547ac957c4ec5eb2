/** Made-up answers of the memory endpoint, realistic ones and hostile ones. */
import { describeParts, settleSentence } from '../../../../middleware/memory/settle-check.js'
import type { SettleReport } from '../../../../middleware/memory/settle-check.js'
import { sentenceFor } from '../../../../middleware/memory/leak-detector/sentence.js'
import type { Evidence, Verdict, VerdictState } from '../../../../middleware/memory/leak-detector/verdict.js'
import { COLUMN_NAMES, type CallSites, type Columns, type History, type Row, type Sample, type Space } from '../../../../middleware/memory/page/browser/api.js'
import { seeded } from '../../../support/seeded.js'

export const MB = 1_000_000
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** The newest sample of every history: 2026-11-25 14:03:20 UTC. */
export const NOW = Date.UTC(2026, 10, 25, 14, 3, 20)
export const PID = 4217

/** What an app looks like at a time, which is ms since the start of the day that is held. */
type Behaviour = (time: number, random: () => number) => Omit<Row, 'time'>

/** Load in waves; memory that follows it, and a live heap that leaks where `leak` bytes an hour are given. */
export function busy(leak = 0): Behaviour {
  let [live, garbage, arrays, held] = [0, 0, 0, 0]
  return (time, random) => {
    const wave = 0.5 + 0.35 * Math.sin(time / (3.1 * MINUTE)) * Math.cos(time / (19 * MINUTE)) + 0.15 * Math.sin(time / (71 * MINUTE))
    const load = Math.max(0, 15 + 190 * wave + 16 * random())
    const target = 36 * MB + 22 * MB * wave + (leak * time) / HOUR
    garbage += (load / 60) * MB * random()
    if (garbage > 34 * MB || live === 0) {
      garbage = 0
      live = target + 3 * MB * random()
      arrays = 16 * MB * wave * (0.6 + 0.8 * random())
    }
    const heapUsed = live + garbage
    held = Math.max(heapUsed * 1.12, held - 0.02 * MB)
    const external = 6 * MB + arrays + 2 * MB * random()
    const rss = 58 * MB + held + external + 2 * MB * random()
    return {
      rss, liveHeap: live, heapUsed, heapTotal: held, external, arrayBuffers: external * 0.7, cgroup: rss * 1.06,
      loopDelay: 3 + 24 * random() ** 4, inFlight: Math.round((load / 12) * random()), requestsPerSecond: load,
    }
  }
}

export function columnsOf(rows: readonly Row[]): Columns {
  const columns = { time: rows.map(({ time }) => time) } as Partial<Columns>
  for (const name of COLUMN_NAMES) columns[name] = rows.map((row) => row[name])
  return columns as Columns
}

/** A day of samples, each `step` ms, up to `NOW`. */
function rowsOf(behaviour: Behaviour, held: number, step: number, seed: number): Row[] {
  const random = seeded(seed)
  return Array.from({ length: held / step }, (_, index) => {
    const time = NOW - held + (index + 1) * step
    return { time, ...behaviour(24 * HOUR - (NOW - time), random) }
  })
}

export interface HistoryOptions {
  leak?: number
  /** ms for which there are samples. */
  held?: number
  verdict?: Verdict
  cgroup?: number | null
  pid?: number
}

export function history({ leak = 0, held = 24 * HOUR, verdict = verdictOf('ok'), cgroup = 768 * MB, pid = PID }: HistoryOptions = {}): History {
  const fine = rowsOf(busy(leak), Math.min(held, HOUR), SECOND, 7)
  const collected = fine.filter(({ liveHeap }, index) => index > 0 && liveHeap !== fine[index - 1]?.liveHeap)
  return {
    process: { pid, worker: null, node: 'v24.21.0', uptime: held / SECOND, argv: 'node /srv/shop/server.js' },
    limits: { heap: 2197 * MB, cgroup },
    fine: columnsOf(fine),
    coarse: columnsOf(rowsOf(busy(leak), held, 30 * SECOND, 7)),
    gc: {
      time: collected.map(({ time }) => time).slice(-256),
      durationMs: collected.map((_, index) => 3 + ((index * 7) % 11)).slice(-256),
      forced: collected.map((_, index) => index % 31 === 20).slice(-256),
    },
    spaces: SPACES,
    verdict,
    settle: null,
    allowed: { gc: false, snapshot: false, profiles: true },
  }
}

export const SPACES: Space[] = [
  { name: 'read_only_space', used: 0, size: 0, available: 0, physical: 0 },
  { name: 'new_space', used: 5.2 * MB, size: 33.6 * MB, available: 11.3 * MB, physical: 19.4 * MB },
  { name: 'old_space', used: 38.4 * MB, size: 52.2 * MB, available: 12.9 * MB, physical: 50.1 * MB },
  { name: 'code_space', used: 2.1 * MB, size: 2.6 * MB, available: 0.3 * MB, physical: 2.4 * MB },
  { name: 'shared_space', used: 0, size: 0, available: 0, physical: 0 },
  { name: 'trusted_space', used: 3.9 * MB, size: 4.7 * MB, available: 0.6 * MB, physical: 4.6 * MB },
  { name: 'new_large_object_space', used: 0, size: 0, available: 16.8 * MB, physical: 0 },
  { name: 'large_object_space', used: 7.1 * MB, size: 7.3 * MB, available: 0, physical: 7.3 * MB },
]

const EVIDENCE: Evidence = {
  quantity: 'heap', bytesPerSecond: 0, growth: 0, span: 0, noise: 1.4 * MB, level: 48.2 * MB, points: 31, pointsNeeded: 12,
  leastGrowth: 4_000_000, collections: 214, likeLoad: true, timeToLimit: null, limit: null, callSites: [],
}
const GROWTH = { bytesPerSecond: (21.6 * MB) / 3600, growth: 25.2 * MB, span: 70 * 60, timeToLimit: 31 * 3600, limit: 'cgroup' } as const
const BY_STATE: Readonly<Record<VerdictState, Partial<Evidence>>> = {
  warming: { points: 5, collections: 17, likeLoad: false },
  ok: { bytesPerSecond: -(0.3 * MB) / 3600, growth: -0.35 * MB, span: 70 * 60 },
  growing: { ...GROWTH, likeLoad: false },
  'leak-suspected': {
    ...GROWTH,
    callSites: [
      { name: 'remember', url: 'file:///srv/shop/dist/session-store.js', line: 88, growth: 17.9 * MB },
      { name: 'Cart.addItem', url: 'file:///srv/shop/dist/cart.js', line: 31, growth: 4.2 * MB },
      { name: '', url: 'node:events', line: 511, growth: 0.9 * MB },
    ],
  },
  'native-growth': { ...GROWTH, quantity: 'remainder', level: 131 * MB },
}

export function verdictOf(state: VerdictState): Verdict {
  const evidence = { ...EVIDENCE, ...BY_STATE[state] }
  return { state, since: NOW - 40 * MINUTE, sentence: sentenceFor(state, evidence), evidence }
}

export function sampleAfter(seconds: number, changes: Partial<Sample> = {}): Sample & { pid: number } {
  const { fine } = history()
  const row = Object.fromEntries(COLUMN_NAMES.map((name) => [name, fine[name].at(-1) ?? null])) as Omit<Row, 'time'>
  return { pid: PID, time: NOW + seconds * SECOND, ...row, spaces: SPACES, ...changes }
}

export function settleReport(trigger: SettleReport['trigger'] = 'request'): SettleReport {
  const before = { rss: 246 * MB, usedHeap: 78 * MB, physicalHeap: 118 * MB, external: 14 * MB, mapped: 47 * MB }
  const after = { rss: 188 * MB, usedHeap: 44 * MB, physicalHeap: 61 * MB, external: 9 * MB, mapped: 47 * MB }
  const parts = { liveHeap: 44 * MB, external: 9 * MB, freePages: 17 * MB, allocator: 71 * MB, mapped: 47 * MB }
  const report = { trigger, collectionMs: 152.3, peakRss: 312 * MB, before, after, parts, explained: describeParts(parts) }
  return { ...report, sentence: settleSentence(report) }
}

export const CALL_SITES: CallSites = {
  mark: NOW - 9 * MINUTE,
  sites: [
    { name: 'compile', url: 'file:///srv/shop/node_modules/handlebars/dist/cjs/handlebars/compiler/compiler.js', line: 474, octets: 9.6 * MB, growth: 0 },
    { name: 'remember', url: 'file:///srv/shop/dist/session-store.js', line: 88, octets: 8.1 * MB, growth: 5.3 * MB },
    { name: 'Cart.addItem', url: 'file:///srv/shop/dist/cart.js', line: 31, octets: 2.4 * MB, growth: 1.1 * MB },
    { name: 'wrapSafe', url: 'node:internal/modules/cjs/loader', line: 1464, octets: 4.2 * MB, growth: 0 },
    { name: '', url: 'file:///srv/shop/dist/catalogue.js', line: 12, octets: 1.9 * MB, growth: -0.4 * MB },
    { name: '(V8 API)', url: '', line: 0, octets: 0.8 * MB, growth: 16_400 },
  ],
}

export const MARKUP = '<img src=x onerror="window.injected=1"><script>window.injected=1</script>'

/** Everywhere where a name or a text of the server's is shown. */
export function withMarkup(): History {
  const verdict = verdictOf('leak-suspected')
  return {
    ...history(),
    process: { pid: PID, worker: MARKUP, node: MARKUP, uptime: 5, argv: MARKUP },
    spaces: [{ name: MARKUP, used: 1, size: 2, available: 3, physical: 4 }],
    verdict: { ...verdict, sentence: MARKUP, evidence: { ...verdict.evidence, callSites: [{ name: MARKUP, url: `javascript:${MARKUP}`, line: 1, growth: MB }] } },
    settle: { ...settleReport(), sentence: MARKUP, explained: [{ part: 'liveHeap', octets: 1, meaning: MARKUP, remedy: MARKUP }] },
  }
}

export function emptyHistory(): History {
  const nothing = columnsOf([])
  return {
    ...history({ held: MINUTE }),
    process: { pid: PID, worker: null, node: 'v20.20.0', uptime: 0, argv: 'node app.js' },
    limits: null, fine: nothing, coarse: nothing, gc: { time: [], durationMs: [], forced: [] }, spaces: [],
    verdict: { state: 'warming', since: 0, sentence: sentenceFor('warming', { ...EVIDENCE, points: 0 }), evidence: { ...EVIDENCE, points: 0, collections: 0, level: 0, noise: 0 } },
  }
}

export function oneSample(): History {
  const row = { time: NOW, ...busy()(0, seeded(1)), liveHeap: null, cgroup: null }
  return { ...emptyHistory(), fine: columnsOf([row]), coarse: columnsOf([row]), limits: { heap: null, cgroup: null } }
}

/** Nulls wherever there may be one, a gap of ten minutes, and a value beyond all others. */
export function nulls(): History {
  const whole = history({ cgroup: null })
  const rows = whole.fine.time.flatMap((time, index): Row[] => {
    if (index > 1200 && index < 1800) return []
    const row = { time } as Partial<Row>
    for (const name of COLUMN_NAMES) row[name] = index % 5 === 0 ? null : whole.fine[name][index] ?? null
    return [{ ...(row as Row), liveHeap: null, cgroup: null, rss: index === 2000 ? 9e15 : row.rss ?? null }]
  })
  return { ...whole, limits: { heap: null, cgroup: null }, fine: columnsOf(rows), coarse: columnsOf(rows.filter((_, index) => index % 30 === 0)) }
}
