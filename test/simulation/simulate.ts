/** Runs one scenario with one contender, and measures what its clients saw. */
import { quantile } from '../../bench/stats.js'
import type { ContenderKind } from './contender.js'
import { EventLoop } from './event-loop.js'
import { Random } from './random.js'
import { achievable, offered, type Scenario } from './scenarios.js'
import { World, type Settled } from './world.js'

export interface Span {
  /** Seconds before the first request that counts. */
  warmUp: number
  /** Seconds in which requests count, by when their clients meant to send them. */
  seconds: number
}

/** What the clients saw. Times in milliseconds, from the intended arrival. NaN where there is no such request. */
export interface Figures {
  /** Requests a second, as they came. */
  offered: number
  /** Requests a second that were answered in time. */
  goodput: number
  /** Goodput as a share of what could be achieved. */
  ofAchievable: number
  /** The share of requests that were answered in time. */
  accepted: number
  p50: number
  p99: number
  rejectedP99: number
  /** The limit at the end, of those that have one. */
  limit: number | undefined
}

/** What came of each request of a run, by the time of its intended arrival. */
export interface Run {
  settled: Settled[]
  /** The limit at the end of each second. */
  limits: (number | undefined)[]
}

/** Runs for so many seconds. */
export async function run(scenario: Scenario, kind: ContenderKind, seed: number, seconds: number): Promise<Run> {
  const random = new Random(seed)
  const loop = new EventLoop()
  const contender = kind.create(loop, random.fork())
  const settle = contender.settle?.bind(contender)
  if (settle !== undefined) loop.settleWith(settle)
  const settled: Settled[] = []
  const { load, newConnections, stamped } = scenario
  const options = { rate: offered(scenario), newConnections, stamped, slots: load.slots, work: load.work.bind(load) }
  const limits: (number | undefined)[] = []
  for (let second = 1; second <= seconds; second += 1) loop.at(second * 1000, () => limits.push(contender.limit?.()))
  new World(loop, options, contender, random, ({ intended, settledAt, outcome }) => settled.push({ intended, settledAt, outcome })).open()
  await loop.run(seconds * 1000)
  return { settled, limits }
}

/** What came of the requests whose clients meant to send them in this span, in seconds. */
export function figures(ran: Run, scenario: Scenario, from: number, until: number): Figures {
  const counted = ran.settled.filter(({ intended }) => intended >= from * 1000 && intended < until * 1000)
  const answered = times(counted, 'answered')
  const goodput = answered.length / (until - from)
  return {
    offered: counted.length / (until - from),
    goodput,
    ofAchievable: goodput / achievable(scenario),
    accepted: answered.length / counted.length,
    p50: quantile(answered, 0.5),
    p99: quantile(answered, 0.99),
    rejectedP99: quantile(times(counted, 'rejected'), 0.99),
    limit: ran.limits[Math.floor(until) - 1],
  }
}

/** Simulates and measures in one. A second more is run, in which the last clients have their answers or leave. */
export async function simulate(scenario: Scenario, kind: ContenderKind, seed: number, span: Span): Promise<Figures> {
  const until = span.warmUp + span.seconds
  return figures(await run(scenario, kind, seed, until + 1.1), scenario, span.warmUp, until)
}

function times(settled: readonly Settled[], outcome: Settled['outcome']): Float64Array {
  return Float64Array.from(settled.filter((one) => one.outcome === outcome), ({ intended, settledAt }) => settledAt - intended).sort()
}
