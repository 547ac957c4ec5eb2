/**
 * Judges made-up apps, or recorded ones of a working day, by the verdict as it is:
 *
 *   npm run series -- judge fitting|judging|wide|fresh|varied|slow|busy-fitting|busy [--rounds 4] [--from 0] [--all]
 *
 * Of a recorded leak it counts how much it has grown in fact: one that grew by less than 3 % an hour, or where the machine was too busy for
 * its load to arrive, is named, and counts neither as found nor as missed.
 * A leak counts as found if it is told within eight hours after it began; any suspicion of what is harmless is a false alarm, also one
 * that is taken back. With --all, the states of each are printed. --from leaves out the rounds before it, as those that were scored before.
 */
import { parseArgs } from 'node:util'
import { LeakDetector } from '../../middleware/memory/leak-detector/leak-detector.js'
import { median } from '../../middleware/memory/leak-detector/regression.js'
import { readSet, SETS, type Series } from './archive.js'
import { replay, type Listener } from './replay.js'
import { play, syntheticSet, SYNTHETIC_SETS } from './synthetic.js'

interface Judged {
  name: string
  kind: 'leak' | 'harmless'
  begins: number
  /** Growth an hour, as a share of the level at the beginning. */
  pace: number
  play: (listener: Listener) => void
}

const HOUR = 3_600_000
const WITHIN = 8
const LEAST_PACE = 0.03

function candidates(set: string | undefined, rounds: number, from: number): Judged[] {
  const madeUp = SYNTHETIC_SETS.find((name) => name === set)
  if (madeUp !== undefined) return syntheticSet(madeUp, rounds, from).map((synthetic) => ({ ...synthetic, pace: Infinity, play: (listener) => { play(synthetic, listener) } }))
  const recorded = SETS.find((name) => name === set)
  if (recorded === undefined) throw new Error(`name a set: ${[...SYNTHETIC_SETS, ...SETS].join(', ')}`)
  return readSet(recorded).map((series) => ({ name: series.name, kind: series.kind, begins: 0, pace: paceOf(series), play: (listener) => { replay(series, listener) } }))
}

/** Of the live heap and external memory after collections: the last eighth of the recording, beside its first. */
function paceOf({ collections: { time, live, external }, recipe: { duration } }: Series): number {
  const held = live.map((heap, index) => heap + (external[index] ?? 0))
  const within = (from: number, to: number): number => median(held.filter((_, index) => (time[index] ?? 0) / 1000 >= from * duration && (time[index] ?? 0) / 1000 <= to * duration))
  const [first, last] = [within(0, 1 / 8), within(7 / 8, 1)]
  return (last - first) / first / (duration * 120 / 3600 * 7 / 8)
}

/** Hours, from the beginning of what is judged to every change, and what it was to. */
function changesOf({ begins, play: playTo }: Judged): [hour: number, state: string][] {
  const verdict = new LeakDetector()
  const changes: [number, string][] = []
  verdict.on('change', ({ since, state }) => changes.push([since / HOUR - begins, state]))
  playTo({ collection: (input) => { verdict.collection(input) }, sample: (input) => { verdict.sample(input) } })
  return changes
}

/** What became of one: changes of the verdict, and whether they are right. */
interface Judgement {
  name: string
  kind: 'leak' | 'harmless'
  right: boolean
  /** The leak grew by less than what must be found. */
  tooSlow: boolean
  changes: readonly [hour: number, state: string][]
}

/** All of a set, `rounds` of each made-up shape, those before `from` left out. */
export function judgeSet(set: string | undefined, rounds = 4, from = 0): Judgement[] {
  return candidates(set, rounds, from).map((candidate): Judgement => {
    const { name, kind, pace } = candidate
    const tooSlow = kind === 'leak' && pace < LEAST_PACE
    const changes = changesOf(candidate)
    const alarm = changes.find(([, state]) => state === 'leak-suspected' || state === 'native-growth')
    return { name, kind, tooSlow, changes, right: kind === 'leak' ? alarm !== undefined && alarm[0] > 0 && alarm[0] <= WITHIN : alarm === undefined }
  })
}

export function run(args: readonly string[]): void {
  const { values, positionals } = parseArgs({
    args: [...args], allowPositionals: true, options: { rounds: { type: 'string', default: '4' }, from: { type: 'string', default: '0' }, all: { type: 'boolean', default: false } },
  })
  const [set] = positionals
  const all = judgeSet(set, Number(values.rounds), Number(values.from))
  for (const { name, right, tooSlow, changes } of all) {
    const said = `${name}: ${changes.map(([hour, state]) => `${hour.toFixed(1)} h ${state}`).join(', ')}\n`
    if (!right || values.all) process.stdout.write(`${tooSlow ? 'too slow' : right ? 'right' : 'wrong'} ${said}`)
  }
  const count = (kind: Judgement['kind']): string => {
    const counted = all.filter((one) => one.kind === kind && !one.tooSlow)
    return `${String(counted.filter(({ right }) => right).length)} of ${String(counted.length)}`
  }
  process.stdout.write(`${String(set)}: ${count('leak')} leaks found, ${count('harmless')} harmless ones without a suspicion\n`)
}
