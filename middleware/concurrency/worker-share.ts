/** A limit that the worker processes of one machine share: each has its part, and the parts add up to the limit. */
import cluster from 'node:cluster'
import { optionChecks } from '../shared/options.js'

const checks = optionChecks('concurrencyLimit')

/** How many workers there are. */
export const WORKERS_VARIABLE = 'EXPRESS_RESPONDER_WORKERS'
/**
 * This worker's number, from 0. Where it is not set, NODE_APP_INSTANCE counts, which process managers such as pm2 set.
 */
export const WORKER_VARIABLE = 'EXPRESS_RESPONDER_WORKER'
const INSTANCE_VARIABLE = 'NODE_APP_INSTANCE'
/** Far more workers than a machine runs. */
const MAX_WORKERS = 65_536

/** The option `split`, resolved. */
export interface Split {
  /** How many worker processes share the limit. */
  readonly workers: number
  /** This worker's number, from 0. No two have the same; a worker that replaces another takes its number. */
  readonly worker: number
}

/** A process' environment. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * `'environment'`: as the variables say. Where none is set, and outside of a cluster, the process is the only worker.
 */
export function resolveSplit(given: Split | 'environment', environment: Environment = process.env, inCluster = cluster.isWorker): Split {
  if (given === 'environment') return fromEnvironment(environment, inCluster)
  if (typeof given !== 'object') throw checks.wrong('split', given, 'give { workers, worker } or \'environment\'')
  const split = checks.object('split', given, ['workers', 'worker'])
  const workers = checks.wholeNumber('split.workers', split.workers, 1, MAX_WORKERS)
  return { workers, worker: checks.wholeNumber('split.worker', split.worker, 0, workers - 1) }
}

/** This worker's part of the whole. What cannot be divided evenly goes to the first workers, one each. */
export function shareOf(whole: number, { workers, worker }: Split): number {
  if (whole < workers) {
    throw checks.wrong('limit', whole, `${String(workers)} workers cannot share it: give at least ${String(workers)}, or lease it, limit: redisLease({ … })`)
  }
  return Math.floor(whole / workers) + (worker < whole % workers ? 1 : 0)
}

function fromEnvironment(environment: Environment, inCluster: boolean): Split {
  const workers = environment[WORKERS_VARIABLE]
  const name = environment[WORKER_VARIABLE] === undefined ? INSTANCE_VARIABLE : WORKER_VARIABLE
  const worker = environment[name]
  if (workers === undefined && worker === undefined && !inCluster) return { workers: 1, worker: 0 }
  const count = numberIn(WORKERS_VARIABLE, workers, 1, MAX_WORKERS, 'set it to how many workers share the limit')
  return { workers: count, worker: numberIn(name, worker, 0, count - 1, `set ${WORKER_VARIABLE} in each worker to its number, from 0`) }
}

function numberIn(name: string, text: string | undefined, least: number, most: number, remedy: string): number {
  const number = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : NaN
  if (number >= least && number <= most) return number
  const is = text === undefined ? 'is not set' : `is ${JSON.stringify(text)}, not a whole number from ${String(least)} to ${String(most)}`
  throw checks.wrong('split', 'environment', `the variable ${name} ${is}: ${remedy}`)
}
