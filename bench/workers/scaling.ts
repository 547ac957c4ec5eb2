/** Two workers beside one: how many times as many requests they answer, and how evenly. */
import { ratio, scaled, spread } from '../stats.js'
import { table, withSpread } from '../report.js'
import { startCommand } from './deployments.js'
import { calibrate, measure, unevenness, type Figures } from './measure.js'
import type { WorkersContext } from './workers.js'

const PERCENT = 0.01

export async function measureScaling(context: WorkersContext): Promise<void> {
  const one = await startCommand(context.directory, 1)
  const two = await startCommand(context.directory, 2)
  try {
    const perMillisecond = await calibrate(context, one)
    const rows: string[][] = []
    for (const connections of context.connections) {
      for (const cost of context.costs) {
        const ofOne: Figures[] = []
        const ofTwo: Figures[] = []
        for (let round = 0; round < context.rounds; round++) {
          ofOne.push(await measure(context, one, connections, cost * perMillisecond))
          ofTwo.push(await measure(context, two, connections, cost * perMillisecond))
        }
        const rates = (figures: readonly Figures[]): number[] => figures.map(({ perSecond }) => perSecond)
        rows.push([
          `${connections}, ${String(cost)} ms`,
          withSpread(spread(rates(ofOne))),
          withSpread(spread(rates(ofTwo))),
          withSpread(ratio(rates(ofTwo), rates(ofOne))),
          `${withSpread(scaled(spread(ofTwo.map(unevenness)), PERCENT))} %`,
          `${withSpread(spread(ofOne.map(({ p99 }) => p99)))} and ${withSpread(spread(ofTwo.map(({ p99 }) => p99)))}`,
        ])
      }
    }
    console.log(table(['connections, CPU of the handler', 'one worker, requests/s', 'two workers', '×', 'apart', 'p99, ms, one and two'], rows))
  } finally {
    await Promise.all([one.stop(), two.stop()])
  }
}
