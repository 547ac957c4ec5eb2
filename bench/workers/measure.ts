/** One measurement: the clients ask a deployment through nginx, and what they got is made into figures. */
import { get } from 'node:http'
import { cpuMicroseconds } from '../cpu.js'
import { mean, quantile } from '../stats.js'
import type { Answered } from './closed-loop.js'
import type { Deployment } from './deployments.js'
import { behindNginx, type Connections } from './front.js'
import type { WorkersContext } from './workers.js'

/** The figures of one measurement. */
export interface Figures {
  readonly perSecond: number
  /** Latencies, in ms. */
  readonly mean: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** CPU time of the deployment's processes for a request, in ms. */
  readonly cpu: number
  /** Requests of each process, most first. */
  readonly shares: readonly number[]
}

/** How far apart the process with the most and the one with the fewest requests are, in proportion to their mean. */
export function unevenness({ shares }: Figures): number {
  return (Math.max(...shares) - Math.min(...shares)) / mean(shares)
}

/** Figures of answers that took `milliseconds` all in all. */
export function figuresOf(answered: readonly Answered[], milliseconds: number): Omit<Figures, 'cpu'> {
  const times = answered.map(([, took]) => took)
  const counts = new Map<number, number>()
  for (const [, , process] of answered) counts.set(process, (counts.get(process) ?? 0) + 1)
  return {
    perSecond: times.length / milliseconds * 1000,
    mean: mean(times),
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    max: quantile(times, 1),
    shares: [...counts.values()].sort((one, other) => other - one),
  }
}

/** Loads a deployment, with `iterations` of work for each request, and measures after the warm-up. */
export async function measure(context: WorkersContext, deployment: Deployment, connections: Connections, iterations: number): Promise<Figures> {
  const { directory, loop, clients, warmUp, measured } = context
  return behindNginx(directory, deployment, connections, async (socket) => {
    const before = cpuMicroseconds(deployment.pid)
    const { answered } = await loop.run({ socket, path: `/work?n=${String(Math.round(iterations))}`, clients, milliseconds: warmUp + measured })
    const cpu = (cpuMicroseconds(deployment.pid) - before) / answered.length / 1000
    return { ...figuresOf(answered.filter(([at]) => at > warmUp && at <= warmUp + measured), measured), cpu }
  })
}

/** How many iterations of the work take a millisecond of CPU time there, when it does nothing else. */
export async function calibrate({ directory }: WorkersContext, deployment: Deployment): Promise<number> {
  return Number(await behindNginx(directory, deployment, 'new', (socketPath) => fetchText(socketPath, '/work')))
}

function fetchText(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => {
        resolve(text)
      })
    }).on('error', reject)
  })
}
