/** What happens to requests while a store fails, and when it is well again. */
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Logger } from 'express-rate-limit'
import { MemoryStore, rateLimit, type RateLimit, type RateLimitOptions, type Store } from '../../../middleware/rate-limit.js'
import type { AppServer } from '../../support/app-server.js'
import { type Setup, startLimited } from './support.js'

const apps: AppServer[] = []
const stores: TroubledStore[] = []

afterEach(() => {
  for (const app of apps.splice(0)) app.stop()
  for (const store of stores.splice(0)) store.memory.shutdown()
})

type Trouble = 'none' | 'error' | 'silence' | 'nonsense' | 'throw'

/** Counts in memory, and has the trouble that it is told to have. */
class TroubledStore implements Store {
  readonly memory = new MemoryStore()
  trouble: Trouble
  initialised = 0
  asked = 0

  constructor(trouble: Trouble = 'none') {
    this.trouble = trouble
    stores.push(this)
  }

  init(options: Parameters<MemoryStore['init']>[0]): Promise<void> | void {
    this.initialised += 1
    this.memory.init(options)
    return this.#answer(undefined)
  }

  get(key: string): ReturnType<MemoryStore['get']> {
    return this.memory.get(key)
  }

  async increment(key: string): ReturnType<MemoryStore['increment']> {
    this.asked += 1
    return this.#answer(this.trouble === 'none' ? await this.memory.increment(key) : { totalHits: NaN, resetTime: new Date() })
  }

  async decrement(key: string): Promise<void> {
    await this.memory.decrement(key)
    return this.#answer(undefined)
  }

  async resetKey(key: string): Promise<void> {
    await this.memory.resetKey(key)
    return this.#answer(undefined)
  }

  #answer<Answer>(answer: Answer): Promise<Answer> {
    if (this.trouble === 'throw') throw new Error('thrown by the store')
    if (this.trouble === 'error') return Promise.reject(new Error('the store is away'))
    return this.trouble === 'silence' ? new Promise(() => undefined) : Promise.resolve(answer)
  }
}

class Log implements Logger {
  readonly lines: string[] = []
  error = (error: unknown, message = ''): void => { this.lines.push(`error ${message}: ${String(error)}`) }
  warn = (error: unknown): void => { this.lines.push(`warning ${String(error)}`) }
}

interface Started {
  app: AppServer
  limit: RateLimit
  log: Log
  failures: unknown[]
}

async function start(store: RateLimitOptions['store'], options: RateLimitOptions = {}, setup: Setup = {}): Promise<Started> {
  const log = new Log()
  const limit = rateLimit({ windowMs: 3_600_000, limit: 2, logger: log, storeTimeout: 50, ...options, ...(store === undefined ? {} : { store }) })
  const failures: unknown[] = []
  limit.events.on('store-failure', (error) => failures.push(error))
  const app = await startLimited(limit, { carrier: 'Express 5 over HTTP', ...setup })
  apps.push(app)
  return { app, limit, log, failures }
}

/** Requests until the store is asked and answers again. */
async function untilRecovery({ app, limit }: Started): Promise<void> {
  const recovered = new AbortController()
  limit.events.once('store-recovery', () => { recovered.abort() })
  while (!recovered.signal.aborted) await app.ask({ from: '127.0.0.99' })
}

describe.each<[Trouble, string]>([
  ['error', 'Error: the store is away'],
  ['silence', 'ExpressResponderError: rateLimit: the store gave no answer within 50 ms. See express-responder/docs/reference/middleware-errors.md#err_rate_limit'],
  ['nonsense', 'ExpressResponderError: rateLimit: the store answered NaN instead of a number of hits. See express-responder/docs/reference/middleware-errors.md#err_rate_limit'],
  ['throw', 'Error: thrown by the store'],
])('a store with %s', (trouble, reason) => {
  it.each<[RateLimitOptions, number[], string]>([
    [{}, [200, 200, 429, 429], 'this process counts by itself'],
    [{ onStoreFailure: 'pass' }, [200, 200, 200, 200], 'all requests pass'],
    [{ passOnStoreError: true }, [200, 200, 200, 200], 'all requests pass'],
    [{ onStoreFailure: 'refuse' }, [503, 503, 503, 503], 'all requests are refused'],
    [{ passOnStoreError: false }, [503, 503, 503, 503], 'all requests are refused'],
  ])('%p', async (options, statuses, meanwhile) => {
    const store = new TroubledStore()
    const { app, log, failures } = await start(store, options)
    expect(await app.statuses(1, { from: '127.0.0.2' })).toEqual([200])
    store.trouble = trouble
    expect(await app.statuses(4)).toEqual(statuses)
    expect(log.lines).toEqual([`error rateLimit: the store does not answer; until it does, ${meanwhile}: ${reason}`])
    expect(failures.map(String)).toEqual([reason])
  })
})

it.each<[Trouble]>([['error'], ['nonsense'], ['throw']])('after %s, a store is asked again, and counts again where it left off', async (trouble) => {
  const store = new TroubledStore()
  const started = await start(store)
  expect(await started.app.statuses(1)).toEqual([200])
  store.trouble = trouble
  expect(await started.app.statuses(2)).toEqual([200, 200])
  store.trouble = 'none'
  await untilRecovery(started)
  expect(await started.app.statuses(2)).toEqual([200, 429])
  expect(started.log.lines[1]).toMatch(/^warning rateLimit: the store answers again, after \d+ s$/)
})

it('a refusal says when to come again, and what has happened', async () => {
  const { app } = await start(new TroubledStore('error'), { onStoreFailure: 'refuse' })
  const { status, headers, body } = await app.ask()
  expect([status, JSON.parse(body)]).toEqual([503, { code: 'ERR_RATE_LIMIT_STORE', message: 'rateLimit: the store does not count. See express-responder/docs/reference/middleware-errors.md#err_rate_limit_store' }])
  expect(['1', '2']).toContain(headers['retry-after'])
})

it('a store that could not be prepared at the start is prepared again', async () => {
  const store = new TroubledStore('error')
  const started = await start(store)
  expect(await started.app.statuses(3)).toEqual([200, 200, 429])
  store.trouble = 'none'
  await untilRecovery(started)
  expect(store.initialised).toBe(2)
  expect(started.log.lines).toHaveLength(2)
})

it('requests do not queue up for a store that does not answer', async () => {
  const store = new TroubledStore('silence')
  const { app } = await start(store, { limit: 1000 })
  await app.statuses(200)
  expect(store.asked).toBeLessThan(100)
})

it('hits are given back where they are counted, and a store that cannot is told once', async () => {
  const store = new TroubledStore()
  const { app, log } = await start(store, { limit: 1, skipFailedRequests: true }, {
    handler: ({ url }, response) => {
      if (url === '/trouble') store.trouble = 'error'
      response.writeHead(500).end()
    },
  })
  expect(await app.statuses(2)).toEqual([500, 500])
  expect(await app.statuses(1, { path: '/trouble' })).toEqual([500])
  expect(await app.statuses(3)).toEqual([500, 500, 500])
  expect(log.lines).toHaveLength(1)
})

it('getKey() and resetKey() answer in time', async () => {
  const store = new TroubledStore()
  const { app, limit } = await start(store)
  await app.statuses(2)
  expect(await limit.getKey('127.0.0.1')).toMatchObject({ totalHits: 2 })
  await limit.resetKey('127.0.0.1')
  expect(await limit.getKey('127.0.0.1')).toBeUndefined()
  store.trouble = 'silence'
  await expect(limit.resetKey('127.0.0.1')).rejects.toThrow('no answer within 50 ms')
  await app.statuses(1)
  expect(await limit.getKey('127.0.0.1')).toMatchObject({ totalHits: 1 })
})

it('stores of old, which answer by a callback', async () => {
  const hits = new Map<string, number>()
  const errors: Error[] = []
  const { app, limit, log } = await start({
    incr: (key, callback) => {
      hits.set(key, (hits.get(key) ?? 0) + 1)
      callback(errors[0], hits.get(key) ?? 0, undefined)
    },
    decrement: (key) => { hits.set(key, (hits.get(key) ?? 0) - 1) },
    resetKey: (key) => { hits.delete(key) },
  }, { standardHeaders: 'draft-6' })
  expect(await app.statuses(3)).toEqual([200, 200, 429])
  await limit.resetKey('127.0.0.1')
  expect(await app.statuses(1)).toEqual([200])
  await expect(limit.getKey('127.0.0.1')).rejects.toThrow('does not support')
  errors.push(new Error('of old'))
  expect(await app.statuses(3)).toEqual([200, 200, 429])
  expect(log.lines).toEqual([expect.stringContaining('Error: of old')])
})

it('two limits that count a request twice in one kind of store are told apart from two that do not', async () => {
  class Shared extends TroubledStore {
    readonly prefix: string
    constructor(prefix: string) {
      super()
      this.prefix = prefix
    }
  }
  const lines = async (first: string, second: string): Promise<string[]> => {
    const log = new Log()
    const limits = [first, second].map((prefix) => rateLimit({ store: new Shared(prefix), logger: log }))
    const app = await startLimited(limits)
    apps.push(app)
    await app.ask()
    return log.lines
  }
  expect(await lines('a', 'b')).toEqual([])
  expect(await lines('a', 'a')).toEqual([expect.stringContaining('ERR_ERL_DOUBLE_COUNT')])
})
