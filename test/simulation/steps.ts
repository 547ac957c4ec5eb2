/** Long runs: a drift, and a lasting step in the latency of what is behind the handlers. */
import { mean } from '../../bench/stats.js'
import type { ContenderKind } from './contender.js'
import { kept } from './rows.js'
import { pool, type Load, type Scenario } from './scenarios.js'
import { figures, run, type Figures } from './simulate.js'

const MINUTE = 60

/** The second and the last of 16 minutes at twice the capacity. */
export async function drift(load: Load, kind: ContenderKind, seed: number): Promise<{ second: Figures; last: Figures }> {
  const scenario = kept(load, 2)
  const ran = await run(scenario, kind, seed, 16 * MINUTE + 1.1)
  return {
    second: figures(ran, scenario, MINUTE, 2 * MINUTE),
    last: figures(ran, scenario, 15 * MINUTE, 16 * MINUTE),
  }
}

/** What a lasting step did: before it, and in the third minute after it. Goodput is relative to what can be done then. */
export interface Step {
  before: { goodput: number; p99: number; limit: number }
  after: { goodput: number; p99: number; limit: number }
  /** The same at the new latency from the start: where the limit should come to. */
  settled: { goodput: number; p99: number; limit: number }
}

const STEP_AT = 2 * MINUTE
const SERVICE = 20

/** Half as much again as the greater of both capacities comes all the time; after two minutes each service takes `factor` times as long. */
export async function step(factor: number, slots: number, kind: ContenderKind, seed: number): Promise<Step> {
  const service = (changed: boolean): number => SERVICE * (changed ? factor : 1)
  const load = (changes: (now: number) => boolean): Load => ({
    ...pool,
    slots,
    cpu: 0,
    work: (random, now) => ({ cpu: 0, downstream: random.exponential(service(changes(now))) }),
  })
  const scenario = { ...kept(load((now) => now >= STEP_AT * 1000), 1.5 * Math.max(1, 1 / factor)) }
  const ran = await run(scenario, kind, seed, STEP_AT + 3 * MINUTE + 1.1)
  const settled = { ...kept(load(() => true), scenario.times) }
  const settledRun = await run(settled, kind, seed, 3 * MINUTE + 1.1)
  const look = (of: typeof ran, how: Scenario, until: number, possible: number): Step['after'] => {
    const { goodput, p99 } = figures(of, how, until - MINUTE, until)
    const limits = of.limits.slice(until - MINUTE, until).map((limit) => limit ?? 0)
    return { goodput: goodput / possible, p99, limit: mean(limits) }
  }
  const possible = (changed: boolean): number => (slots * 1000) / service(changed)
  return {
    before: look(ran, scenario, STEP_AT, possible(false)),
    after: look(ran, scenario, STEP_AT + 3 * MINUTE, possible(true)),
    settled: look(settledRun, settled, 3 * MINUTE, possible(true)),
  }
}
