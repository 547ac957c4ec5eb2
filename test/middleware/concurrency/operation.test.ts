/** concurrencyLimit() in operation: what can be observed, what can be changed while it runs, and options that are wrong. */
import { describe, expect, it } from '@jest/globals'
import express from 'express'
import { Registry } from 'prom-client'
import request from 'supertest'
import { concurrencyLimit, type ConcurrencyLimitOptions } from '../../../middleware/concurrency.js'
import { limit, start, until, NEVER } from './support.js'

describe('observing', () => {
  it('lets everybody in, and counts whom it would have turned away', async () => {
    const cap = limit({ limit: 1, queue: false, mode: 'observe' })
    const app = await start(cap)
    const answers = [1, 2, 3].map(() => app.open().answer)
    const visits = await app.entered(3)
    expect([cap.active, cap.limit, cap.rejected.limit, cap.rejectedShare]).toEqual([3, 1, 2, 2 / 3])
    for (const { response } of visits) response.end()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200])
    await until(() => cap.active === 0)
  })
})

describe('while it runs', () => {
  it('the limit can be set, and who waited starts', async () => {
    const cap = limit({ limit: 1, queue: { max: 9, timeout: NEVER } })
    const limits: number[] = []
    cap.events.on('limit', (changed) => limits.push(changed))
    const app = await start(cap)
    for (let index = 0; index < 4; index++) app.open()
    await until(() => cap.active === 1 && cap.waiting === 3)
    cap.limit = 4
    await app.entered(4)
    expect([cap.limit, cap.active, limits]).toEqual([4, 4, [4]])
    expect(() => { cap.limit = 0 }).toThrow('concurrencyLimit: option limit is 0: give a whole number of at least 1')
  })
  it('a limit that tunes itself is not set to what its bounds forbid', () => {
    const cap = limit({ limit: { min: 8, max: 50 } })
    for (const forbidden of [7, 51]) {
      expect(() => { cap.limit = forbidden }).toThrow(`concurrencyLimit: option limit is ${String(forbidden)}: give a whole number from 8 to 50`)
    }
    cap.limit = 50
    expect(cap.limit).toBe(50)
  })
  it('prom-client shows it', async () => {
    const registry = new Registry()
    const cap = limit({ limit: 1, queue: false })
    cap.registerMetrics(registry, { labels: { cap: 'all' } })
    const app = await start(cap)
    app.open()
    await app.entered(1)
    await app.open().answer
    const text = await registry.metrics()
    for (const line of [
      'concurrency_limit_active{cap="all"} 1', 'concurrency_limit_limit{cap="all"} 1', 'concurrency_limit_accepted_total{cap="all"} 1',
      'concurrency_limit_rejected_total{cap="all",reason="limit"} 1', 'concurrency_limit_wait_seconds_bucket{cap="all",le="+Inf"} 1',
      'concurrency_limit_wait_seconds_count{cap="all"} 1', '# TYPE concurrency_limit_wait_seconds histogram',
    ]) expect(text).toContain(line)
  })
  it('close() lets in who waits, and holds nobody back any more', async () => {
    const cap = limit({ limit: 1, queue: { max: 9, timeout: NEVER } })
    const app = await start(cap)
    app.open()
    app.open()
    await until(() => cap.waiting === 1)
    cap.close()
    app.open()
    await app.entered(3)
  })
  it('the limit that tunes itself holds and releases as well', async () => {
    const cap = limit({ limit: { min: 1, max: 2, initial: 2 }, queue: { max: 9, timeout: NEVER } })
    const app = await start(cap)
    const answers = [1, 2, 3].map(() => app.open().answer)
    await until(() => cap.active === 2 && cap.waiting === 1)
    for (let index = 0; index < 3; index++) (await app.entered(index + 1))[index]?.response.end()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200])
    await until(() => cap.active === 0)
    expect(cap.waiting).toBe(0)
  })
})

describe('wrong options', () => {
  it.each<[unknown, string]>([
    [{ limit: 0 }, 'option limit is 0: give a whole number of at least 1'],
    [{ limit: '10' }, "option limit is '10': give a whole number of at least 1, 'auto', { min, max, initial } or, with the option key, a function"],
    [{ limit: () => 1 }, 'a function needs the option key'],
    [{ limit: { min: 5, max: 2 } }, 'option limit.max is 2: give a whole number of at least 5'],
    [{ limit: { minimum: 5 } }, 'option limit.minimum: no such option'],
    [{ key: () => 'a' }, "option limit is 'auto': with the option key give a number or a function"],
    [{ queue: true }, 'option queue is true: give an object'],
    [{ queue: { timeout: -1 } }, 'option queue.timeout is -1'],
    [{ queue: { order: 'random' } }, "give 'adaptive' or 'fifo' or 'lifo'"],
    [{ priority: 'urgent' }, "option priority is 'urgent': give 'high' or 'normal' or 'low'"],
    [{ maxHold: 0 }, 'option maxHold is 0'],
    [{ releaseAt: 'start' }, 'option releaseAt is \'start\''],
    [{ handler: 'error' }, "option handler is 'error'"],
    [{ mode: 'dry-run' }, "give 'enforce' or 'observe'"],
    [{ trustRequestStart: 'yes' }, 'give true or false'],
    [{ limit: 5, trustRequestStart: true }, 'option trustRequestStart is true: only a limit that tunes itself looks at the time stamp'],
    [{ retryAfter: Infinity }, 'option retryAfter is Infinity'],
    [{ skip: '/health' }, "option skip is '/health': give a function"],
    [{ limits: 3 }, 'option limits: no such option'],
    [{ limit: null }, 'option limit is null: give an object'],
    [{ limit: [] }, 'option limit is []: give an object'],
    [{ limit: { max: null } }, 'option limit.max is null'],
    [{ queue: null }, 'option queue is null: give an object'],
    [{ queue: { max: null } }, 'option queue.max is null'],
    [{ maxHold: null }, 'option maxHold is null'],
    [{ retryAfter: null }, 'option retryAfter is null'],
    [{ mode: null }, 'option mode is null'],
  ])('%j', (options, message) => {
    expect(() => concurrencyLimit(options as ConcurrencyLimitOptions)).toThrow(expect.objectContaining({ name: 'OptionError', code: 'ERR_MIDDLEWARE_OPTION', message: expect.stringContaining(message) }))
  })
  it('the factory itself given to app.use()', async () => {
    const { text } = await request(express().use(concurrencyLimit as never)).get('/').expect(500)
    expect(text).toContain('app.use(concurrencyLimit())')
  })
})
