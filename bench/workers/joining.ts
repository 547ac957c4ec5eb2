/** A worker that joins later, while the connections of all clients are kept: what it gets, and what the latency is meanwhile. */
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { descendants } from '../cpu.js'
import { spread } from '../stats.js'
import { table, withSpread } from '../report.js'
import type { Answered } from './closed-loop.js'
import { startCommand, type Deployment } from './deployments.js'
import { behindNginx } from './front.js'
import { calibrate, figuresOf, measure } from './measure.js'
import type { WorkersContext } from './workers.js'

/** Within how long after it joins it must have its share, in ms; and the end of that time, in which the share is counted. */
const WITHIN = 10_000
const LAST = 2000

interface Joined {
  /** The p99 of all requests in ms: before it joins, in the time after, and after that time. */
  readonly before: number
  readonly within: number
  readonly after: number
  /** Its share of the requests in the last seconds of that time, and after it. */
  readonly shareWithin: number
  readonly shareAfter: number
}

export async function measureJoining(context: WorkersContext): Promise<void> {
  const perMillisecond = await calibrateAlone(context)
  const rows: string[][] = []
  for (const cost of context.costs) {
    const joined: Joined[] = []
    const fromStart: number[] = []
    for (let round = 0; round < context.rounds; round++) {
      joined.push(await joinLater(context, cost * perMillisecond))
      fromStart.push(await bothFromStart(context, cost * perMillisecond))
    }
    const of = (name: keyof Joined): string => withSpread(spread(joined.map((one) => one[name])))
    rows.push([`${String(cost)} ms`, of('before'), of('within'), of('after'), withSpread(spread(fromStart)), of('shareWithin'), of('shareAfter')])
  }
  const seconds = (milliseconds: number): string => `${String(milliseconds / 1000)} s`
  console.log(table([
    'handler', 'p99, ms: one worker', `the ${seconds(WITHIN)} from when another joins`, `the ${seconds(context.measured)} after`, 'two from the start',
    `its share in the last ${seconds(LAST)} of them`, 'after',
  ], rows))
}

/** Two workers, one of which has died; another takes its place, and is held up until the clients have connected to the first. */
async function joinLater(context: WorkersContext, iterations: number): Promise<Joined> {
  const gate = path.join(context.directory, 'gate')
  const deployment = await startCommand(context.directory, 2, { app: 'late-app', env: { BENCH_GATE: gate } })
  try {
    await writeFile(gate, '')
    const known = workersOf(deployment)
    process.kill(known[1] ?? NaN, 'SIGKILL')
    let late: number | undefined
    while (late === undefined) {
      await delay(20)
      late = workersOf(deployment).find((pid) => !known.includes(pid))
    }
    return await behindNginx(context.directory, deployment, 'kept', (socket) => loadWhileItJoins(context, socket, iterations, gate))
  } finally {
    await deployment.stop()
  }
}

async function loadWhileItJoins({ loop, clients, warmUp, measured }: WorkersContext, socket: string, iterations: number, gate: string): Promise<Joined> {
  const joins = warmUp + measured
  const running = loop.run({ socket, path: `/work?n=${String(Math.round(iterations))}`, clients, milliseconds: joins + WITHIN + measured })
  await delay(joins)
  await rm(gate)
  const { answered } = await running
  const first = answered[0]?.[2]
  const between = (begin: number, end: number): Answered[] => answered.filter(([at]) => at > begin && at <= end)
  const p99 = (begin: number, end: number): number => figuresOf(between(begin, end), end - begin).p99
  const share = (begin: number, end: number): number => between(begin, end).filter(([, , pid]) => pid !== first).length / between(begin, end).length
  const ends = joins + WITHIN
  return {
    before: p99(warmUp, joins),
    within: p99(joins, ends),
    after: p99(ends, ends + measured),
    shareWithin: share(ends - LAST, ends),
    shareAfter: share(ends, ends + measured),
  }
}

async function bothFromStart(context: WorkersContext, iterations: number): Promise<number> {
  const deployment = await startCommand(context.directory, 2)
  try {
    return (await measure(context, deployment, 'kept', iterations)).p99
  } finally {
    await deployment.stop()
  }
}

async function calibrateAlone(context: WorkersContext): Promise<number> {
  const deployment = await startCommand(context.directory, 1)
  try {
    return await calibrate(context, deployment)
  } finally {
    await deployment.stop()
  }
}

function workersOf(deployment: Deployment): number[] {
  return descendants(deployment.pid)
}
