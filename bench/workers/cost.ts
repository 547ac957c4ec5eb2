/** What the command costs: CPU time and instructions of a request, beside serve() in a script. Without a web server: the load is the generator's. */
import { Stage } from '../compare.js'
import { Generator } from '../generator.js'
import { countInstructions, missingForCallgrind } from '../instructions.js'
import { table, withSpread } from '../report.js'
import { measureRounds } from '../rounds.js'
import { serverKind, type ServerName } from '../roster.js'
import { medianInterval, ratio, spread } from '../stats.js'
import type { WorkersContext } from './workers.js'

const COMPARED = ['serve', 'command'] as const satisfies ServerName[]
/** The N of the shorter of two runs under valgrind, and how often both are made. */
const INSTRUCTION_REQUESTS = 2000
const INSTRUCTION_ROUNDS = 5
const MILLISECONDS = 1000

export async function measureCost(context: WorkersContext): Promise<void> {
  const generator = Generator.start()
  try {
    await compareCpu(context, generator)
    if (context.countsInstructions) await compareInstructions(context, generator)
  } finally {
    generator.stop()
  }
}

async function compareCpu({ directory, node, clients, rounds, measured }: WorkersContext, generator: Generator): Promise<void> {
  const stage = await Stage.open(COMPARED, { directory, node, clients, behindNginx: false })
  try {
    const targets = stage.servers.map((server) => stage.target(server, 'hello'))
    const samples = await measureRounds(generator, targets, { case: 'hello', keep: true, clients, rounds, seconds: measured / MILLISECONDS })
    const reference = samples[0]?.cpuMicroseconds ?? []
    console.log(table(['hello, connections kept', 'CPU, µs a request', '× serve()', 'its median is within, in 95 of 100 cases'], samples.map((sample, index) => {
      const ratios = sample.cpuMicroseconds.map((cpu, round) => cpu / (reference[round] ?? NaN))
      const { min, max } = medianInterval(ratios)
      return [stage.servers[index]?.kind.title ?? '', withSpread(spread(sample.cpuMicroseconds)), withSpread(ratio(sample.cpuMicroseconds, reference)), `${min.toFixed(3)}–${max.toFixed(3)}`]
    })))
  } finally {
    await stage.close()
  }
}

async function compareInstructions({ directory, node }: WorkersContext, generator: Generator): Promise<void> {
  const missing = missingForCallgrind()
  if (missing !== undefined) throw new Error(`valgrind is not installed: ${missing}`)
  const counts = []
  for (const name of COMPARED) {
    counts.push(await countInstructions(generator, name, { directory, node, case: 'hello', requests: INSTRUCTION_REQUESTS, rounds: INSTRUCTION_ROUNDS }))
  }
  const reference = counts[0]?.instructions.median ?? NaN
  console.log(table(['hello, connections kept', 'instructions a request', '× serve()'], counts.map(({ server, instructions }) =>
    [serverKind(server).title, withSpread(instructions), (instructions.median / reference).toFixed(3)])))
}
