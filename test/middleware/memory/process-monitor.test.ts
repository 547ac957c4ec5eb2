/** What there is once in a process: who shares it, what its verdict and checks tell, and that it holds nothing open. */
import { execFileSync } from 'node:child_process'
import { afterEach, describe, expect, it } from '@jest/globals'
import { memoryStats, type MemoryStats, type MemoryStatsOptions, type SettleReport, type Verdict } from '../../../middleware/memory.js'
import { ProcessMonitor } from '../../../middleware/memory/process-monitor.js'

const endpoints: MemoryStats[] = []

afterEach(() => {
  for (const endpoint of endpoints.splice(0)) endpoint.close()
})

function endpoint(options: MemoryStatsOptions = {}): MemoryStats {
  const stats = memoryStats(options)
  endpoints.push(stats)
  return stats
}

/** The one that endpoints have, which must be there. */
function shared(): ProcessMonitor {
  const monitor = ProcessMonitor.acquire()
  ProcessMonitor.release()
  return monitor
}

const MB = 1_000_000

/** So many minutes, each with a collection and a sample. */
function live(monitor: ProcessMonitor, minutes: readonly [from: number, to: number], at: (minute: number) => { heap?: number; rate?: number }): void {
  const { latest } = monitor
  for (let minute = minutes[0]; minute < minutes[1]; minute++) {
    const { heap = 30 * MB, rate = 40 } = at(minute)
    const now = latest.now + minute * 60_000
    monitor.leakDetector.collection({ time: now, live: heap, external: MB })
    monitor.add({ ...latest, now, heapLimit: 2000 * MB, sample: { ...latest.sample, rss: heap + 60 * MB, heapTotal: heap + 10 * MB, external: MB, requestsPerSecond: rate, inFlight: 2 } })
  }
}

describe('the monitor', () => {
  it('is one for all endpoints, and ends with the last', () => {
    const [one, other] = [endpoint(), endpoint()]
    const monitor = shared()
    one.close()
    one.close()
    expect(shared()).toBe(monitor)
    other.close()
    endpoint()
    expect(shared()).not.toBe(monitor)
  })

  it('tells every endpoint of a new verdict, with times since 1970', async () => {
    const called: [Verdict, Verdict][] = []
    const heard: Verdict[] = []
    const [one, other] = [endpoint({ onVerdict: (...change) => called.push(change) }), endpoint()]
    other.events.on('verdict', (verdict) => { heard.push(verdict) })
    const twice = new Promise<void>((resolve) => {
      one.events.on('verdict', ({ state }) => {
        if (state === 'leak-suspected') resolve()
      })
    })
    live(shared(), [0, 120], (minute) => ({ heap: 30 * MB + minute * MB }))
    await twice
    expect(called.map(([now, before]) => `${before.state} → ${now.state}`)).toEqual(['warming → growing', 'growing → leak-suspected'])
    expect(heard).toEqual(called.map(([now]) => now))
    expect(one.verdict).toMatchObject({ state: 'leak-suspected', since: heard[1]?.since })
    expect(one.verdict.since).toBe(other.verdict.since)
    // Some minutes of the two hours that were made up.
    const minutes = heard.map(({ since }) => (since - Date.now()) / 60_000)
    expect(minutes.every((minute) => minute > 0 && minute < 120)).toBe(true)
  })

  it('two endpoints that check after load has dropped share one check', async () => {
    const reports: SettleReport[] = []
    const done = new Promise<void>((resolve) => {
      const onSettle = (report: SettleReport): void => { if (reports.push(report) === 2) resolve() }
      endpoint({ settleAfter: 300_000, onSettle })
      endpoint({ settleAfter: 300_000, onSettle })
    })
    endpoint()
    const monitor = shared()
    live(monitor, [0, 60], (minute) => ({ rate: minute < 30 ? 50 : 1 }))
    expect(monitor.operationLock.acquire('gc')).toMatchObject({ reason: 'busy', name: 'settle' })
    await done
    expect(reports[0]).toMatchObject({ trigger: 'load-drop' })
    expect(reports[1]).toBe(reports[0])
    expect(monitor.settleChecks.last).toBe(reports[0])
  })

  it('without an endpoint that wants it, nothing is checked after load has dropped', () => {
    endpoint()
    const monitor = shared()
    live(monitor, [0, 60], (minute) => ({ rate: minute < 30 ? 50 : 1 }))
    const turn = monitor.operationLock.acquire('gc')
    expect(turn).toBeInstanceOf(Function)
    expect(monitor.settleChecks.last).toBeUndefined()
  })

  it('does not keep the process alive', () => {
    const program = `
      import { memoryStats } from 'express-responder/memory'
      memoryStats()
      memoryStats({ settleAfter: 1000 })
      process.stdout.write('made')`
    expect(execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })).toBe('made')
  })

  it('can be had by require(), and nothing begins with that', () => {
    const program = `
      const { memoryStats } = require('express-responder/memory')
      const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
      process.stdout.write(typeof memoryStats + timers)`
    const flags = ['--disable-warning=ExperimentalWarning', '--eval', program]
    expect(execFileSync(process.execPath, flags, { encoding: 'utf8' })).toBe('function0')
  })
})
