/** A cap that the worker processes of one machine share: each holds its part, so that together they hold the whole. */
import cluster from 'node:cluster'
import { optionChecks } from '../shared/options.js'

const checks = optionChecks('concurrencyLimit')

/** How many workers there are. */
export const WORKERS_VARIABLE = 'EXPRESS_RESPONDER_WORKERS'
/** Which of them this process is, from 0. Where it is not set, NODE_APP_INSTANCE tells it, as process managers set it. */
export const WORKER_VARIABLE = 'EXPRESS_RESPONDER_WORKER'
const INSTANCE_VARIABLE = 'NODE_APP_INSTANCE'
/** Far more than a machine runs. */
const MAX_WORKERS = 65_536

/** The option `split`, resolved. */
export interface Split {
  /** How many worker processes share the limit. */
  readonly workers: number
  /** Which of them this process is: from 0, and no two the same. A worker that takes another's place takes its number. */
  readonly worker: number
}

/** A process' environment. */
export type Environment = Readonly<Record<string, string | undefined>>

/** `'environment'`: as the variables say; a process that none of them speaks of is the only one. */
export function resolveSplit(given: Split | 'environment', environment: Environment = process.env, inCluster = cluster.isWorker): Split {
  if (given === 'environment') return fromEnvironment(environment, inCluster)
  if (typeof given !== 'object') throw checks.wrong('split', given, 'give { workers, worker } or \'environment\'')
  const split = checks.object('split', given, ['workers', 'worker'])
  const workers = checks.wholeNumber('split.workers', split.workers, 1, MAX_WORKERS)
  return { workers, worker: checks.wholeNumber('split.worker', split.worker, 0, workers - 1) }
}

/** What is this worker's of the whole. The first workers get what is left over, one each. */
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
