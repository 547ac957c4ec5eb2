/** `npm run bench -- simulate`: the whole table, every contender in every scenario, as Markdown. */
import type { ContenderKind } from '../test/simulation/contender.js'
import { others, ours } from '../test/simulation/contenders.js'
import { LOADS, MIXTURES, fresh, kept, meanOf, ofCapacity, partly, title } from '../test/simulation/rows.js'
import { heterogeneous, pool, routes, synchronous, type Scenario } from '../test/simulation/scenarios.js'
import type { Figures } from '../test/simulation/simulate.js'
import { SITUATIONS, play } from '../test/simulation/situations.js'
import { drift, step } from '../test/simulation/steps.js'

const SEEDS = [201, 202, 203]
const SPAN = { warmUp: 20, seconds: 30 }
const kinds: readonly ContenderKind[] = [...others, ours]

const OVERLOADS: readonly Scenario[] = [
  kept(synchronous, 2),
  kept(synchronous, 10),
  kept(pool, 2),
  ...MIXTURES.map((load) => kept(load, 2)),
  kept(heterogeneous, 2),
  fresh(synchronous, 2),
  fresh(synchronous, 10),
  fresh(synchronous, 2, true),
  partly(synchronous, 2),
  partly(synchronous, 5),
  fresh(routes, 2),
]

function print(cells: readonly string[]): void {
  process.stdout.write(`| ${cells.join(' | ')} |\n`)
}

function head(first: string, names: readonly string[]): void {
  print([first, ...names])
  print([first, ...names].map(() => '---'))
}

function percent(share: number): string {
  return (share * 100).toFixed(share > 0.995 ? 0 : 1)
}

function milliseconds(time: number): string {
  return Number.isNaN(time) ? '–' : time.toFixed(0)
}

async function table(first: string, scenarios: readonly Scenario[], cell: (figures: Figures, scenario: Scenario) => string): Promise<void> {
  process.stdout.write('\n')
  head(first, kinds.map(({ name }) => name))
  for (const scenario of scenarios) {
    const cells: string[] = []
    for (const kind of kinds) cells.push(cell(await meanOf(scenario, kind, SEEDS, SPAN), scenario))
    print([title(scenario), ...cells])
  }
}

function outcome({ ofAchievable, p50, p99, rejectedP99 }: Figures): string {
  return `${percent(ofAchievable)} · ${milliseconds(p50)} / ${milliseconds(p99)} · ${milliseconds(rejectedP99)}`
}

export async function run(): Promise<void> {
  await table('% of achievable · p50 / p99 · p99 of rejections', OVERLOADS, outcome)
  for (const times of [0.7, 0.9]) {
    await table('% accepted · p99', LOADS.map((load) => kept(load, times)), ({ accepted, p99 }) => `${percent(accepted)} · ${milliseconds(p99)}`)
  }
  await table('% of capacity · p99', LOADS.map((load) => kept(load, 1.1)), (figures, scenario) => {
    return `${percent(ofCapacity(figures, scenario))} · ${milliseconds(figures.p99)}`
  })

  process.stdout.write('\n')
  head('16 minutes at 2×, pool', ['p99 second minute', 'p99 last minute'])
  for (const kind of [...others.slice(-2), ours]) {
    const { second, last } = await drift(pool, kind, 204)
    print([kind.name, milliseconds(second.p99), milliseconds(last.p99)])
  }

  process.stdout.write('\n')
  head('latency behind the handlers, at 1.5×', ['limit before', 'after 3 minutes', 'had it been so', 'goodput of possible', 'p99', 'had it been so'])
  for (const [factor, slots] of [[3, 10], [5, 10], [1 / 3, 10], [3, 40]] as const) {
    const { before, after, settled } = await step(factor, slots, ours, 205)
    const name = `× ${factor.toFixed(2)}, ${String(slots)} slots`
    print([name, ...[before, after, settled].map(({ limit }) => limit.toFixed(0)), percent(after.goodput), milliseconds(after.p99), milliseconds(settled.p99)])
  }

  process.stdout.write('\n')
  head('turned away where nobody needs to be, of all', kinds.map(({ name }) => name))
  for (const situation of SITUATIONS) {
    const cells: string[] = []
    for (const kind of kinds) {
      const { asked, rejected } = await play(situation, kind, 206)
      cells.push(`${String(rejected)} / ${String(asked)}`)
    }
    print([situation.name, ...cells])
  }
}
