/** Workers that leak, behind nginx under load: how large they get until they are replaced, and whether a request fails. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { servers } from '../proxies/support/servers.js'
import type { LogLine } from './command.js'
import { underLoad } from './under-load.js'

const APP = fileURLToPath(new URL('programs/leaking.js', import.meta.url))
const SAMPLE_MS = 50
const RECYCLED = 'worker has reached max-rss'

/** What became of it. */
export interface LeakOutcome {
  readonly requests: number
  readonly failures: readonly string[]
  /** What each had when its replacement was begun, in bytes. */
  readonly reached: readonly number[]
  /** The most memory that each worker has had that was replaced, in bytes: the kernel keeps it (VmHWM). */
  readonly peaks: readonly number[]
}

/** Lets workers leak until so many were replaced. `limit` is max-rss in bytes. */
export async function leakBehindNginx({ workers, megabytesPerMinute, limit, recycles, pause = 5 }: {
  workers: number, megabytesPerMinute: number, limit: number, recycles: number, pause?: number,
}): Promise<LeakOutcome> {
  const args = [APP, '--workers', String(workers), '--max-rss', String(limit)]
  const environment = (): Record<string, string> => ({ LEAK: String(megabytesPerMinute) })
  return underLoad({ server: servers.nginx, args, environment, load: { pause } }, async ({ command, load }) => {
    const peaks = new Map<number, number>()
    const lines = (): LogLine[] => command.log.filter(({ msg }) => msg.startsWith(RECYCLED))
    const recycled = (): number[] => lines().map(({ pid }) => pid ?? 0)
    const gone = (): boolean => recycled().length >= recycles && recycled().every((pid) => peakOf(pid) === undefined)
    while (!gone()) {
      for (const pid of childrenOf(command.child.process.pid)) peaks.set(pid, Math.max(peaks.get(pid) ?? 0, peakOf(pid) ?? 0))
      await delay(SAMPLE_MS)
    }
    await load.end()
    return { requests: load.requests, failures: load.failures, reached: lines().map((line) => Number(line['reached'])), peaks: recycled().map((pid) => peaks.get(pid) ?? 0) }
  })
}

function childrenOf(pid = 0): number[] {
  return read(`/proc/${String(pid)}/task/${String(pid)}/children`).split(' ').filter((text) => text !== '').map(Number)
}

function peakOf(pid: number): number | undefined {
  const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(read(`/proc/${String(pid)}/status`)) ?? []
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return ''
  }
}
