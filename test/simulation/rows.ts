/** The rows of the table: scenarios by name, and how several seeds of one are taken together. */
import { mean } from '../../bench/stats.js'
import type { ContenderKind } from './contender.js'
import { both, capacity, heterogeneous, pool, routes, synchronous, type Load, type Scenario } from './scenarios.js'
import { simulate, type Figures, type Span } from './simulate.js'

/** Connections kept by a proxy, as with nginx's `fastcgi_keep_conn on`. */
export function kept(load: Load, times: number): Scenario {
  return { load, times, newConnections: 0, stamped: false }
}

/** A connection a request; with the proxy's time stamp or without. */
export function fresh(load: Load, times: number, stamped = false): Scenario {
  return { load, times, newConnections: 1, stamped }
}

/** One half of the requests on new connections, the other half on kept ones. */
export function partly(load: Load, times: number): Scenario {
  return { load, times, newConnections: 0.5, stamped: false }
}

export const LOADS: readonly Load[] = [synchronous, pool, routes, both, heterogeneous]
export const MIXTURES: readonly Load[] = [routes, both]

export function title({ load, times, newConnections, stamped }: Scenario): string {
  const connections = newConnections === 0 ? '' : newConnections === 1 ? ', new connections' : ', new and kept connections'
  return `${load.name} ${String(times)}×${connections}${stamped ? ', stamped' : ''}`
}

/** Means over the seeds: a single run of half a minute differs from the next by a per cent. */
export async function meanOf(scenario: Scenario, kind: ContenderKind, seeds: readonly number[], span: Span): Promise<Figures> {
  const all: Figures[] = []
  for (const seed of seeds) all.push(await simulate(scenario, kind, seed, span))
  const meanBy = (pick: (figures: Figures) => number): number => mean(all.map(pick))
  return {
    offered: meanBy(({ offered }) => offered),
    goodput: meanBy(({ goodput }) => goodput),
    ofAchievable: meanBy(({ ofAchievable }) => ofAchievable),
    accepted: meanBy(({ accepted }) => accepted),
    p50: meanBy(({ p50 }) => p50),
    p99: meanBy(({ p99 }) => p99),
    rejectedP99: meanBy(({ rejectedP99 }) => rejectedP99),
    limit: all.at(-1)?.limit,
  }
}

/** What the server does, as a share of what it could do if no other requests came. */
export function ofCapacity(figures: Figures, scenario: Scenario): number {
  return figures.goodput / capacity(scenario)
}
