/** Measures servers in turn, round after round, so that what disturbs the machine disturbs all of them. */
import { CASES } from './cases.js'
import type { CaseName } from './cases.js'
import { cpuMicroseconds } from './cpu.js'
import type { Generator } from './generator.js'
import type { Address, Job } from './load.js'
import type { Protocol } from './wire.js'

/** A server as the rounds see it. */
export interface Target {
  /** The process whose CPU time counts, with all that it started. */
  pid: number
  /** Where the load generator connects, and what it speaks there; a web server's, if one stands in front. */
  address: Address
  protocol: Protocol
  /** Whether the load generator may keep connections. */
  keeps: boolean
  scriptFilename?: string
}

/** What is measured, and how long. */
export interface RoundsOptions {
  case: CaseName
  /** Whether connections are kept, where the server does. */
  keep: boolean
  clients: number
  rounds: number
  /** How long a server is measured in each round. */
  seconds: number
}

/** The measurements of one server, one entry a round. */
export interface Samples {
  /** CPU time of the server a request, in microseconds. */
  cpuMicroseconds: number[]
  requestsPerSecond: number[]
  /** The part of the time that the load generator was busy, 0 to 1. */
  generatorBusy: number[]
  failures: number
  firstFailure?: string
}

const MOST_WARM_UP_SECONDS = 3

/** Warms every target up, then measures them in turn. The result stands in the order of the targets. */
export async function measureRounds(
  generator: Generator,
  targets: readonly Target[],
  options: RoundsOptions,
): Promise<Samples[]> {
  const samples: Samples[] = []
  for (const target of targets) samples.push(await warmUp(generator, target, options))
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [index, target] of targets.entries()) {
      const own = samples[index]
      if (own?.failures === 0) await measureOnce(generator, target, options, own)
    }
  }
  return samples
}

async function warmUp(generator: Generator, target: Target, options: RoundsOptions): Promise<Samples> {
  const first = await generator.run({ ...job(target, options), clients: 1, requests: 1, seconds: 10, check: true })
  const samples: Samples = { cpuMicroseconds: [], requestsPerSecond: [], generatorBusy: [], failures: first.failures }
  if (first.firstFailure !== undefined) samples.firstFailure = first.firstFailure
  if (first.failures === 0) {
    await generator.run({
      ...job(target, options),
      requests: CASES[options.case].warmUp,
      seconds: MOST_WARM_UP_SECONDS,
    })
  }
  return samples
}

async function measureOnce(
  generator: Generator,
  target: Target,
  options: RoundsOptions,
  samples: Samples,
): Promise<void> {
  const before = cpuMicroseconds(target.pid)
  const result = await generator.run({ ...job(target, options), seconds: options.seconds })
  const used = cpuMicroseconds(target.pid) - before
  samples.failures += result.failures
  if (result.firstFailure !== undefined) samples.firstFailure ??= result.firstFailure
  samples.cpuMicroseconds.push(used / result.requests)
  samples.requestsPerSecond.push(result.requests / result.seconds)
  samples.generatorBusy.push(result.generatorMicroseconds / 1e6 / result.seconds)
}

function job(target: Target, options: RoundsOptions): Job {
  return {
    address: target.address,
    protocol: target.protocol,
    case: options.case,
    keep: options.keep && target.keeps,
    clients: options.clients,
    ...(target.scriptFilename === undefined ? {} : { scriptFilename: target.scriptFilename }),
  }
}
