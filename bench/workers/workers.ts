/**
 * `npm run bench -- workers`: figures of the command's workers under load, behind nginx, with the clients on the same processors.
 *
 *   scaling   requests a second of two workers and of one
 *   joining   what a worker gets that joins later, and the latency of all meanwhile
 *   peers     latency beside php-fpm and pm2's cluster mode
 *   cost      CPU time and instructions of a request, beside serve() in a script
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { versionOf } from '../programs.js'
import { ClosedLoop } from './closed-loop.js'
import { measureCost } from './cost.js'
import { compareWithPeers } from './peers.js'
import { measureJoining } from './joining.js'
import { measureScaling } from './scaling.js'
import type { Connections } from './front.js'

/** What is measured, and for how long. */
export interface WorkersContext {
  readonly directory: string
  readonly loop: ClosedLoop
  readonly clients: number
  readonly rounds: number
  /** How long a load runs before it counts, and how long it counts then, in ms. */
  readonly warmUp: number
  readonly measured: number
  /** CPU time of the handlers, in ms. */
  readonly costs: readonly number[]
  readonly connections: readonly Connections[]
  /** The Node binary of the servers whose cost is measured. */
  readonly node: string
  /** Whether instructions are counted, too, by valgrind. */
  readonly countsInstructions: boolean
}

const CASES: Readonly<Record<string, (context: WorkersContext) => Promise<void>>> = { scaling: measureScaling, joining: measureJoining, peers: compareWithPeers, cost: measureCost }

const USAGE = `npm run bench -- workers <${Object.keys(CASES).join('|')}> [options]

  --rounds <n>            measurements of each, in turn (5)
  --seconds <n>           length of a measurement (5)
  --warm-up <n>           seconds that a load runs before (5)
  --clients <n>           clients of the closed loop (16)
  --costs <a,b>           CPU time of the handlers, in ms (10,2)
  --connections <a,b>     kept, new: those from nginx to the app (both)
  --node <file>           cost: the Node binary of the servers (this one)
  --instructions          cost: counts instructions, too (needs valgrind; minutes)

The variable BENCH_PM2 names a folder in which pm2 is, or is to be, installed; else it is installed anew for each run.
`

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals: [name = ''] } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      'warm-up': { type: 'string', default: '5' },
      clients: { type: 'string', default: '16' },
      costs: { type: 'string', default: '10,2' },
      connections: { type: 'string', default: 'kept,new' },
      node: { type: 'string', default: process.execPath },
      instructions: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
  })
  const measure = Object.hasOwn(CASES, name) ? CASES[name] : undefined
  if (values.help === true || measure === undefined) {
    if (values.help !== true) process.exitCode = 1
    console.log(USAGE)
    return
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'bench-workers-'))
  const loop = new ClosedLoop()
  try {
    console.log(`Node ${versionOf(values.node)}, ${String(cpus().length)} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}; ${values.clients} clients; `
      + `medians of ${values.rounds} rounds of ${values.seconds} s in turn, after ${values['warm-up']} s, with least and most`)
    await measure({
      directory,
      loop,
      clients: Number(values.clients),
      rounds: Number(values.rounds),
      warmUp: Number(values['warm-up']) * 1000,
      measured: Number(values.seconds) * 1000,
      node: values.node,
      countsInstructions: values.instructions,
      costs: values.costs.split(',').map(Number),
      connections: (['kept', 'new'] as const).filter((kind) => values.connections.split(',').includes(kind)),
    })
  } finally {
    loop.end()
    await rm(directory, { recursive: true, force: true })
  }
}
