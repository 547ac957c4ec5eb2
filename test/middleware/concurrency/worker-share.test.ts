/** A cap shared by the workers of a machine: the arithmetic, where the numbers come from, and real worker processes. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { concurrencyLimit, type ConcurrencyLimitOptions } from '../../../middleware/concurrency.js'
import { resolveSplit, shareOf } from '../../../middleware/concurrency/worker-share.js'
import type { Report } from './programs/split-workers.js'

describe('the parts', () => {
  it('make the whole, and differ by one at most', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 64 }), fc.nat(10_000), (workers, more) => {
      const whole = workers + more
      const parts = Array.from({ length: workers }, (_, worker) => shareOf(whole, { workers, worker }))
      expect(parts.reduce((sum, part) => sum + part, 0)).toBe(whole)
      expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1)
      expect(parts[0]).toBe(Math.max(...parts))
    }))
  })
  it('are what the gauges tell; what is set is the whole', () => {
    const cap = concurrencyLimit({ limit: 42, split: { workers: 4, worker: 1 } })
    expect(cap.limit).toBe(11)
    cap.limit = 64
    expect(cap.limit).toBe(16)
    expect(() => { cap.limit = 3 }).toThrow('option limit is 3: 4 workers cannot share it')
    expect(cap.limit).toBe(16)
  })
})

describe('from the environment', () => {
  it.each<[Record<string, string>, [number, number]]>([
    [{ EXPRESS_RESPONDER_WORKERS: '4', EXPRESS_RESPONDER_WORKER: '3' }, [4, 3]],
    [{ EXPRESS_RESPONDER_WORKERS: '4', NODE_APP_INSTANCE: '2' }, [4, 2]],
    [{ EXPRESS_RESPONDER_WORKERS: '4', EXPRESS_RESPONDER_WORKER: '0', NODE_APP_INSTANCE: '9' }, [4, 0]],
    [{}, [1, 0]],
  ])('%j', (environment, [workers, worker]) => {
    expect(resolveSplit('environment', environment, false)).toEqual({ workers, worker })
  })
  it.each<[Record<string, string>, boolean, string]>([
    [{ EXPRESS_RESPONDER_WORKERS: '4' }, false, 'the variable NODE_APP_INSTANCE is not set: set EXPRESS_RESPONDER_WORKER in each worker to its number, from 0'],
    [{ EXPRESS_RESPONDER_WORKERS: '4', EXPRESS_RESPONDER_WORKER: '4' }, false, 'the variable EXPRESS_RESPONDER_WORKER is "4", not a whole number from 0 to 3'],
    [{ EXPRESS_RESPONDER_WORKERS: 'many', EXPRESS_RESPONDER_WORKER: '1' }, false, 'the variable EXPRESS_RESPONDER_WORKERS is "many"'],
    [{ NODE_APP_INSTANCE: '1' }, false, 'the variable EXPRESS_RESPONDER_WORKERS is not set: set it to how many workers share the limit'],
    [{}, true, 'the variable EXPRESS_RESPONDER_WORKERS is not set'],
  ])('%j, in a worker of node:cluster: %s', (environment, inCluster, message) => {
    expect(() => resolveSplit('environment', environment, inCluster)).toThrow(expect.objectContaining({ name: 'OptionError', message: expect.stringContaining(message) }))
  })
})

describe('wrong options', () => {
  it.each<[unknown, string]>([
    [{ limit: 3, split: { workers: 4, worker: 0 } }, 'option limit is 3: 4 workers cannot share it: give at least 4, or lease it, limit: redisLease({ … })'],
    [{ limit: 'auto', split: { workers: 4, worker: 0 } }, 'only a number is split: leave it out, for a limit that tunes itself does so in each worker'],
    [{ split: 'environment' }, 'only a number is split'],
    [{ limit: () => 4, key: () => 'a', split: { workers: 4, worker: 0 } }, 'let the function give each worker its part'],
    [{ limit: 8, split: { workers: 4, worker: 4 } }, 'option split.worker is 4: give a whole number from 0 to 3'],
    [{ limit: 8, split: { workers: 0, worker: 0 } }, 'option split.workers is 0: give a whole number from 1'],
    [{ limit: 8, split: { workers: 4 } }, 'option split.worker: give a whole number from 0 to 3'],
    [{ limit: 8, split: 4 }, "option split is 4: give { workers, worker } or 'environment'"],
    [{ limit: 8, split: { workers: 4, id: 0 } }, 'option split.id: no such option'],
  ])('%j', (options, message) => {
    expect(() => concurrencyLimit(options as ConcurrencyLimitOptions)).toThrow(expect.objectContaining({ name: 'OptionError', message: expect.stringContaining(message) }))
  })
})

describe('workers of node:cluster', () => {
  it('together run as many at once as the whole says, and never more', async () => {
    const [limit, workers, requests] = [7, 3, 60]
    const program = fork(fileURLToPath(new URL('./programs/split-workers.js', import.meta.url)), [limit, workers, requests].map(String))
    const exit = once(program, 'exit')
    const [report] = await once(program, 'message') as [Report]
    expect(report).toEqual({ answered: requests, most: limit })
    expect(await exit).toEqual([0, null])
  })
})
