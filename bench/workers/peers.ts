/** The same load on two workers, on php-fpm with two children, and on two processes of pm2's cluster mode: latency. */
import { spread } from '../stats.js'
import { table, withSpread } from '../report.js'
import { startCommand, startPhpFpm, startPm2, type Deployment } from './deployments.js'
import type { Connections } from './front.js'
import { calibrate, measure, type Figures } from './measure.js'
import type { WorkersContext } from './workers.js'

export async function compareWithPeers(context: WorkersContext): Promise<void> {
  const deployments: Deployment[] = []
  try {
    for (const start of [startCommand, startPhpFpm, startPm2]) deployments.push(await start(context.directory, 2))
    const perMillisecond = new Map<Deployment, number>()
    for (const deployment of deployments) perMillisecond.set(deployment, await calibrate(context, deployment))
    const rows: string[][] = []
    for (const cost of context.costs) {
      const subjects = deployments.flatMap((deployment) => context.connections.filter((kind) => deployment.keeps || kind === 'new')
        .map((connections) => ({ deployment, connections, figures: [] as Figures[] })))
      for (let round = 0; round < context.rounds; round++) {
        for (const { deployment, connections, figures } of subjects) {
          figures.push(await measure(context, deployment, connections, cost * (perMillisecond.get(deployment) ?? NaN)))
        }
      }
      for (const { deployment, connections, figures } of subjects) rows.push(row(deployment, connections, cost, figures))
    }
    console.log(table(['', 'handler', 'connections', 'p99, ms', 'median, ms', 'longest, ms', 'requests/s', 'CPU, ms a request'], rows))
  } finally {
    await Promise.all(deployments.map((deployment) => deployment.stop()))
  }
}

function row({ title }: Deployment, connections: Connections, cost: number, figures: readonly Figures[]): string[] {
  const of = (name: 'p99' | 'p50' | 'max' | 'perSecond' | 'cpu'): string => withSpread(spread(figures.map((one) => one[name])))
  return [title, `${String(cost)} ms`, connections, of('p99'), of('p50'), of('max'), of('perSecond'), of('cpu')]
}
