/** What is simulated: what requests cost, and what is the most that can be done of it. */
import type { Random } from './random.js'
import { ACCEPT_MILLISECONDS, REQUEST_MILLISECONDS, type Work } from './world.js'

/** Requests of one kind of server. */
export interface Load {
  name: string
  work(random: Random, now: number): Work
  /** Mean CPU time of a handler, in milliseconds. */
  cpu: number
  /** Mean time of downstream service over all requests, in milliseconds; 0 where there is none. */
  downstream: number
  slots: number
}

const SLOTS = 10
const SERVICE = 20
const GLUE = 0.1

/** Templates, JSON, bcrypt: nothing but JavaScript. */
export const synchronous: Load = {
  name: 'synchronous',
  work: () => ({ cpu: 2, downstream: 0 }),
  cpu: 2,
  downstream: 0,
  slots: SLOTS,
}

/** A database behind a pool of 10. */
export const pool: Load = {
  name: 'pool',
  work: (random) => ({ cpu: GLUE, downstream: random.exponential(SERVICE) }),
  cpu: GLUE,
  downstream: SERVICE,
  slots: SLOTS,
}

/** One half of the requests is synchronous, the other half uses the pool; both are exhausted at about the same rate. */
export const routes: Load = {
  name: 'mixture of routes',
  work: (random) => (random.next() < 0.5 ? { cpu: 1.8, downstream: 0 } : { cpu: GLUE, downstream: random.exponential(SERVICE) }),
  cpu: (1.8 + GLUE) / 2,
  downstream: SERVICE / 2,
  slots: SLOTS,
}

/** Each request computes and then asks the pool; both are exhausted at about the same rate. */
export const both: Load = {
  name: 'mixture in each request',
  work: (random) => ({ cpu: random.exponential(1.8), downstream: random.exponential(SERVICE) }),
  cpu: 1.8,
  downstream: SERVICE,
  slots: SLOTS,
}

/** Most are light; some hold the pool, or the loop, for long. */
export const heterogeneous: Load = {
  name: 'heterogeneous',
  work: (random) => ({
    cpu: random.next() < 0.02 ? 20 : 0.3,
    downstream: random.exponential(random.next() < 0.1 ? 110 : 10),
  }),
  cpu: 0.02 * 20 + 0.98 * 0.3,
  downstream: SERVICE,
  slots: SLOTS,
}

export interface Scenario {
  load: Load
  /** Times of what the server can do. */
  times: number
  /** The share of requests on connections of their own. */
  newConnections: number
  /** Whether the proxy's time stamp is there and trusted. */
  stamped: boolean
}

function everyRequest(scenario: Pick<Scenario, 'newConnections'>): number {
  return REQUEST_MILLISECONDS + scenario.newConnections * ACCEPT_MILLISECONDS
}

/** Requests a second that the server can do if no other ones come. */
export function capacity(scenario: Pick<Scenario, 'load' | 'newConnections'>): number {
  const { cpu, downstream, slots } = scenario.load
  return Math.min(1000 / (cpu + everyRequest(scenario)), downstream === 0 ? Infinity : (slots * 1000) / downstream)
}

/** Requests a second that come. */
export function offered(scenario: Scenario): number {
  return scenario.times * capacity(scenario)
}

/** Requests a second that an oracle would answer: to reject the others costs time, too. */
export function achievable(scenario: Scenario): number {
  const { cpu, downstream, slots } = scenario.load
  const rate = offered(scenario)
  const byLoop = (1000 - rate * everyRequest(scenario)) / cpu
  return Math.max(0, Math.min(rate, byLoop, downstream === 0 ? Infinity : (slots * 1000) / downstream))
}
