/**
 * Judges made-up apps, or recorded ones of a working day, by the verdict as it is:
 *
 *   npm run series -- judge fitting|judging|slow [--rounds 4] [--all]
 *
 * A leak counts as found if it is told within eight hours after it began; any suspicion of what is harmless is a false alarm, also one
 * that is taken back. With --all, the states of each are printed.
 */
import { parseArgs } from 'node:util'
import { LeakDetector } from '../../middleware/memory/leak-detector/leak-detector.js'
import { readSet } from './archive.js'
import { replay, type Listener } from './replay.js'
import { play, syntheticSet } from './synthetic.js'

interface Judged {
  name: string
  kind: 'leak' | 'harmless'
  begins: number
  play: (listener: Listener) => void
}

const HOUR = 3_600_000
const WITHIN = 8

function candidates(set: string | undefined, rounds: number): Judged[] {
  if (set === 'fitting' || set === 'judging') {
    return syntheticSet(set, rounds).map((synthetic) => ({ ...synthetic, play: (listener) => { play(synthetic, listener) } }))
  }
  if (set !== 'slow') throw new Error('name a set: fitting, judging or slow')
  return readSet('slow').map((series) => ({ name: series.name, kind: series.kind, begins: 0, play: (listener) => { replay(series, listener) } }))
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
    const changes = changesOf(judged)
    const alarm = changes.find(([, state]) => state === 'leak-suspected' || state === 'native-growth')
    const right = judged.kind === 'leak' ? alarm !== undefined && alarm[0] > 0 && alarm[0] <= WITHIN : alarm === undefined
    score[judged.kind].right += Number(right)
    score[judged.kind].of++
    if (!right || values.all) process.stdout.write(`${right ? 'right' : 'wrong'} ${judged.name}: ${changes.map(([hour, state]) => `${hour.toFixed(1)} h ${state}`).join(', ')}\n`)
  }
  process.stdout.write(`${String(set)}: ${String(score.leak.right)} of ${String(score.leak.of)} leaks found, ${String(score.harmless.right)} of ${String(score.harmless.of)} harmless ones without a suspicion\n`)
}
