/**
 * Judges made-up apps, or recorded ones of a working day, by the verdict as it is:
 *
 *   npm run series -- judge fitting|judging|wide|fresh|slow|busy-fitting|busy [--rounds 4] [--all]
 *
 * Of a recorded leak it counts how much it has grown in fact: one that grew by less than 3 % an hour, or where the machine was too busy for
 * its load to arrive, is named, and counts neither as found nor as missed.
 * A leak counts as found if it is told within eight hours after it began; any suspicion of what is harmless is a false alarm, also one
 * that is taken back. With --all, the states of each are printed.
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

function candidates(set: string | undefined, rounds: number): Judged[] {
  const madeUp = SYNTHETIC_SETS.find((name) => name === set)
  if (madeUp !== undefined) return syntheticSet(madeUp, rounds).map((synthetic) => ({ ...synthetic, pace: Infinity, play: (listener) => { play(synthetic, listener) } }))
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

export function run(args: readonly string[]): void {
  const { values, positionals } = parseArgs({
    args: [...args], allowPositionals: true, options: { rounds: { type: 'string', default: '4' }, all: { type: 'boolean', default: false } },
  })
  const [set] = positionals
  const score = { leak: { right: 0, of: 0 }, harmless: { right: 0, of: 0 } }
  for (const judged of candidates(set, Number(values.rounds))) {
    if (judged.kind === 'leak' && judged.pace < LEAST_PACE) {
      process.stdout.write(`too slow ${judged.name}: ${(100 * judged.pace).toFixed(1)} % an hour\n`)
      continue
    }
    const changes = changesOf(judged)
    const alarm = changes.find(([, state]) => state === 'leak-suspected' || state === 'native-growth')
    const right = judged.kind === 'leak' ? alarm !== undefined && alarm[0] > 0 && alarm[0] <= WITHIN : alarm === undefined
    score[judged.kind].right += Number(right)
    score[judged.kind].of++
    if (!right || values.all) process.stdout.write(`${right ? 'right' : 'wrong'} ${judged.name}: ${changes.map(([hour, state]) => `${hour.toFixed(1)} h ${state}`).join(', ')}\n`)
  }
  process.stdout.write(`${String(set)}: ${String(score.leak.right)} of ${String(score.leak.of)} leaks found, ${String(score.harmless.right)} of ${String(score.harmless.of)} harmless ones without a suspicion\n`)
}
