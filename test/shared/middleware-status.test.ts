/** What the middlewares tell as sources of status, and that they are taken back. */
import { afterEach, describe, expect, it } from '@jest/globals'
import express from 'express'
import supertest from 'supertest'
import { concurrencyLimit, memoryStats, rateLimit, recovery } from '../../middleware/index.js'
import { readStatusSources } from '../../shared/status-sources.js'

afterEach(() => {
  for (const each of [concurrencyLimit, memoryStats, rateLimit, recovery]) each.uninstall()
})

describe('a source of status', () => {
  it('is each middleware, with what it has counted', async () => {
    const app = express()
    app.use(recovery({ logger: { error: () => undefined } }))
    app.use('/capped', concurrencyLimit({ limit: 3, queue: { max: 2 } }))
    app.use('/limited', rateLimit({ windowMs: 60_000, limit: 1 }))
    app.use('/memory', memoryStats({ profiles: false }))
    app.get('/capped', (_request, response) => { response.end('ok') })
    app.get('/limited', (_request, response) => { response.end('ok') })
    app.get('/fails/:id', () => { throw new Error('as planned') })
    app.use(recovery.errors())
    for (const path of ['/capped', '/limited', '/limited', '/fails/7']) await supertest(app).get(path)
    expect(readStatusSources()).toEqual({
      concurrencyLimit: [{ active: 0, waiting: 0, limit: 3, keyed: false, observing: false, full: false, accepted: 1, rejected: expect.objectContaining({ 'queue-full': 0 }), leaked: 0, abandoned: 0 }],
      rateLimit: [{ passed: 1, limited: 1, failed: { key: 0, store: 0, other: 0 }, storeAway: false }],
      recovery: [{ total: 1, givenUp: false, counts: [{ route: '/fails/:id', kind: 'throw', count: 1 }] }, { total: 0, givenUp: false, counts: [] }],
      memoryStats: [{ state: 'warming', since: expect.any(Number), sentence: expect.stringMatching(/^Too early to tell/), rss: expect.any(Number), heapUsed: expect.any(Number), liveHeap: null }],
    })
  })

  it.each([
    ['concurrencyLimit', () => concurrencyLimit()],
    ['rateLimit', () => rateLimit()],
    ['recovery', () => recovery()],
    ['memoryStats', () => memoryStats()],
  ])('%s is taken back by close(), once', (name, make) => {
    const [one, other] = [make(), make()]
    expect(readStatusSources()[name]).toHaveLength(2)
    one.close()
    one.close()
    expect(readStatusSources()[name]).toHaveLength(1)
    other.close()
    expect(readStatusSources()[name]).toBeUndefined()
  })

  it('is none after uninstall(), recovery.errors() too', () => {
    const made = [concurrencyLimit(), rateLimit(), recovery(), memoryStats(), recovery.errors()]
    expect(Object.keys(readStatusSources())).toHaveLength(4)
    for (const each of [concurrencyLimit, memoryStats, rateLimit, recovery]) each.uninstall()
    expect(readStatusSources()).toEqual({})
    expect(made).toHaveLength(5)
  })

  it('does not keep a cap alive that the app has dropped', async () => {
    const collect = (globalThis as { gc?: () => void }).gc
    const { setFlagsFromString } = await import('node:v8')
    const { runInNewContext } = await import('node:vm')
    setFlagsFromString('--expose-gc')
    const gc = collect ?? runInNewContext('gc') as () => void
    for (let index = 0; index < 100; index++) concurrencyLimit({ limit: 1 })
    for (let round = 0; (readStatusSources()['concurrencyLimit']?.length ?? 0) > 10; round++) {
      if (round > 100) throw new Error('100 rounds of collections have left the sources')
      await new Promise(setImmediate)
      gc()
    }
    expect(readStatusSources()['concurrencyLimit']?.length ?? 0).toBeLessThanOrEqual(10)
  })

  it('says that a cap is full while it would turn a request away', async () => {
    const cap = concurrencyLimit({ limit: 1, queue: { max: 1, timeout: 60_000 } })
    const app = express()
    const held: (() => void)[] = []
    app.use(cap, (_request, response) => { held.push(() => { response.end() }) })
    const answers = [supertest(app).get('/').then(({ status }) => status), supertest(app).get('/').then(({ status }) => status)]
    while (cap.waiting === 0) await new Promise(setImmediate)
    expect(readStatusSources()['concurrencyLimit']).toEqual([expect.objectContaining({ active: 1, waiting: 1, full: true })])
    held[0]?.()
    while (held.length < 2) await new Promise(setImmediate)
    expect(readStatusSources()['concurrencyLimit']).toEqual([expect.objectContaining({ active: 1, waiting: 0, full: false })])
    held[1]?.()
    expect(await Promise.all(answers)).toEqual([200, 200])
  })
})
