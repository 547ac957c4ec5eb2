/** When a worker that works is replaced: its own limits, spread by chance, and which of them it has reached. */
import { describe, expect, it } from '@jest/globals'
import type { RecyclingLimits } from '../../lib/workers/options.js'
import { ownLimits, recyclingReason, type OwnLimits } from '../../lib/workers/recycling.js'
import type { WorkerReport } from '../../lib/workers/reports.js'
import { seeded } from '../support/seeded.js'

const DRAWS = 2000
const ALMOST_ONE = 1 - Number.EPSILON

const limits = (given: Partial<RecyclingLimits>): RecyclingLimits => ({ maxRequests: undefined, maxRss: undefined, maxLifetime: undefined, jitter: 0.1, ...given })
const own = (given: Partial<OwnLimits>): OwnLimits => ({ maxRequests: Infinity, maxRss: Infinity, maxLifetime: Infinity, ...given })
const report = (given: Partial<WorkerReport>): WorkerReport => ({
  requests: 0, healthChecks: 0, active: 0, connections: 0, serverErrors: 0, timedOut: 0, released: 0, closedKept: 0, utilization: 0, waiting: 0, rss: 0, heapUsed: 0, cpu: 0, ...given,
})

/** The limits of many workers. */
function drawn(given: Partial<RecyclingLimits>): OwnLimits[] {
  const random = seeded(16)
  return Array.from({ length: DRAWS }, () => ownLimits(limits(given), random()))
}

describe('the limits of one worker', () => {
  it('are those that were given where chance wants nothing, and without jitter', () => {
    const given = { maxRequests: 1000, maxRss: 200 * 1024 ** 2, maxLifetime: 60_000 }
    expect(ownLimits(limits(given), 0)).toMatchObject(given)
    expect(ownLimits(limits({ ...given, jitter: 0 }), ALMOST_ONE)).toMatchObject(given)
  })

  it('are lower by as much as jitter allows where chance wants all', () => {
    const { maxRequests, maxLifetime } = ownLimits(limits({ maxRequests: 1000, maxLifetime: 60_000, jitter: 0.25 }), ALMOST_ONE)
    expect(maxRequests).toBeGreaterThanOrEqual(750)
    expect(maxRequests).toBeLessThanOrEqual(751)
    expect(maxLifetime).toBeCloseTo(45_000, 3)
  })

  it.each([0.1, 0.5, 1])('with a jitter of %d are spread from there up to what was given, evenly, and never above', (jitter) => {
    const workers = drawn({ maxRequests: 1000, maxRss: 200_000_000, maxLifetime: 60_000, jitter })
    for (const [name, most] of [['maxRequests', 1000], ['maxRss', 200_000_000], ['maxLifetime', 60_000]] as const) {
      const values = workers.map((worker) => worker[name])
      const mean = values.reduce((sum, value) => sum + value, 0) / DRAWS
      const width = most * jitter
      expect(Math.max(...values)).toBeLessThanOrEqual(most)
      expect(Math.max(...values)).toBeGreaterThan(most - 0.01 * width)
      expect(Math.min(...values)).toBeGreaterThanOrEqual(most - width)
      expect(Math.min(...values)).toBeLessThan(most - 0.98 * width)
      expect(Math.abs(mean - (most - width / 2))).toBeLessThan(0.02 * width + 1)
    }
  })

  it('lower both limits of one worker by the same share', () => {
    for (const { maxRequests, maxLifetime } of drawn({ maxRequests: 100_000, maxLifetime: 100_000, jitter: 0.3 })) expect(Math.abs(maxRequests - maxLifetime)).toBeLessThanOrEqual(1)
  })

  it('are whole requests, and one at least', () => {
    const counts = drawn({ maxRequests: 3, jitter: 1 }).map(({ maxRequests }) => maxRequests)
    expect(new Set(counts)).toEqual(new Set([1, 2, 3]))
    expect(ownLimits(limits({ maxRequests: 1, jitter: 1 }), ALMOST_ONE).maxRequests).toBe(1)
  })

  it('that are off stay off', () => {
    for (const worker of drawn({ jitter: 1 })) expect(worker).toMatchObject({ maxRequests: Infinity, maxLifetime: Infinity })
  })
})

describe('a worker is recycled', () => {
  it('not before it has reached a limit', () => {
    const all = own({ maxRequests: 100, maxRss: 5000, maxLifetime: 60_000 })
    expect(recyclingReason(all, report({ requests: 99, rss: 4999 }), 59_999)).toBeUndefined()
    expect(recyclingReason(own({}), report({ requests: 1e9, rss: 1e12 }), 1e12)).toBeUndefined()
  })

  it('at max-requests; health checks do not count', () => {
    const some = own({ maxRequests: 100 })
    expect(recyclingReason(some, report({ requests: 100 }), 0)).toEqual({ limit: 'max-requests', reached: 100, value: 100 })
    expect(recyclingReason(some, report({ requests: 1099, healthChecks: 1000 }), 0)).toBeUndefined()
    expect(recyclingReason(some, report({ requests: 1103, healthChecks: 1000 }), 0)).toEqual({ limit: 'max-requests', reached: 103, value: 100 })
  })

  it('at max-rss, by the memory of the process', () => {
    const some = own({ maxRss: 5000 })
    expect(recyclingReason(some, report({ rss: 5000 }), 0)).toEqual({ limit: 'max-rss', reached: 5000, value: 5000 })
    expect(recyclingReason(some, report({ rss: 4999, heapUsed: 6000 }), 0)).toBeUndefined()
  })

  it('at max-lifetime, by the time since it was ready', () => {
    expect(recyclingReason(own({ maxLifetime: 60_000 }), report({}), 60_000)).toEqual({ limit: 'max-lifetime', reached: 60_000, value: 60_000 })
  })
})
