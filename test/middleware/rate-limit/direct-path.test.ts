/** A known client's requests pass without express-rate-limit being asked: nobody is to notice, but for the time that it takes. */
import { createHook } from 'node:async_hooks'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import { HitCounts } from '../../../middleware/rate-limit/hit-counts.js'
import { MemoryStore, rateLimit, type RateLimit, type RateLimitInfo, type RateLimitOptions } from '../../../middleware/rate-limit.js'
import type { AppServer } from '../../support/app-server.js'
import { CARRIERS, startLimited, type Setup } from './support.js'

const WINDOW = 3_600_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Octets on the heap and beside it, after a collection. */
function memoryInUse(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const apps: AppServer[] = []

afterEach(() => {
  for (const app of apps.splice(0)) app.stop()
})

async function start(limits: RateLimit | RateLimit[], setup: Setup = {}): Promise<AppServer> {
  const app = await startLimited(limits, setup)
  apps.push(app)
  return app
}

/** What the app is told of each of some requests, and the headers that their answers bear. */
async function told(options: RateLimitOptions, requests: number, setup: Setup = {}): Promise<{ info: unknown; headers: (string | undefined)[] }[]> {
  const seen: { info: unknown; headers: (string | undefined)[] }[] = []
  const property = options.requestPropertyName ?? 'rateLimit'
  const app = await start(rateLimit({ windowMs: WINDOW, ...options }), {
    ...setup,
    handler: (request, response) => {
      const info = Reflect.get(request, property) as RateLimitInfo & { current: number }
      response.end(JSON.stringify([info, info.current, info.resetTime instanceof Date, Object.keys(info)]))
    },
  })
  for (let count = 0; count < requests; count++) {
    const { body, headers } = await app.ask()
    const shown = [headers['ratelimit'], headers['ratelimit-policy'], headers['retry-after']].map((header) => header === undefined ? undefined : String(header))
    seen.push({ info: JSON.parse(body) as unknown, headers: shown })
  }
  return seen
}

describe.each(CARRIERS)('%s: later requests are told as the first', (carrier) => {
  it.each<[string, RateLimitOptions]>([
    ['the defaults', {}],
    ['a name and a property of its own', { identifier: 'mine; q=1', requestPropertyName: 'budget' }],
    ['no headers', { standardHeaders: false }],
    ['a key of its own', { keyGenerator: () => 'one' }],
    ["express-rate-limit's own store", { store: new MemoryStore() }],
  ])('%s', async (_what, options) => {
    const [first, ...later] = await told({ limit: 9, ...options }, 4, { carrier })
    const [info, current, isDate, names] = first?.info as [RateLimitInfo, number, boolean, string[]]
    expect([info.used, current, isDate]).toEqual([1, 1, true])
    for (const [index, { info: shown, headers }] of later.entries()) {
      const used = index + 2
      expect(shown).toEqual([{ ...info, used, remaining: 9 - used }, used, true, names])
      expect(headers.map((header) => header?.replace(/t=\d+/, 't'))).toEqual(first?.headers.map((header) => header?.replace('r=8;', `r=${String(9 - used)};`).replace(/t=\d+/, 't')))
    }
  })
})

describe('the limit', () => {
  it('is reached by the same request as before, by each client by itself', async () => {
    const app = await start(rateLimit({ windowMs: WINDOW, limit: 3 }))
    expect(await app.statuses(5)).toEqual([200, 200, 200, 429, 429])
    expect(await app.statuses(4, { from: '127.0.0.2' })).toEqual([200, 200, 200, 429])
  })

  it('begins anew when the window is over', async () => {
    const app = await start(rateLimit({ windowMs: 400, limit: 2 }))
    expect(await app.statuses(3)).toEqual([200, 200, 429])
    const { headers } = await app.ask()
    await delay(1000 * Number(headers['retry-after']))
    expect(await app.statuses(3)).toEqual([200, 200, 429])
  })

  it('begins anew when a key is reset', async () => {
    const limit = rateLimit({ windowMs: WINDOW, limit: 2 })
    const app = await start(limit)
    expect(await app.statuses(3)).toEqual([200, 200, 429])
    await limit.resetKey('127.0.0.1')
    expect(await app.statuses(3)).toEqual([200, 200, 429])
    expect(await limit.getKey('127.0.0.1')).toMatchObject({ totalHits: 3 })
  })
})

describe('functions of the app', () => {
  it.each<[string, (asked: string[]) => RateLimitOptions]>([
    ['that answer at once', (asked) => ({ skip: () => { asked.push('skip'); return false }, keyGenerator: () => { asked.push('key'); return 'one' } })],
    ['that answer later', (asked) => ({ skip: async () => { asked.push('skip'); return Promise.resolve(false) }, keyGenerator: async () => { asked.push('key'); return Promise.resolve('one') } })],
  ])('%s are called once a request, over the limit, too', async (_what, options) => {
    const asked: string[] = []
    const app = await start(rateLimit({ windowMs: WINDOW, limit: 2, ...options(asked) }))
    expect(await app.statuses(4)).toEqual([200, 200, 429, 429])
    expect(asked).toEqual(['skip', 'key', 'skip', 'key', 'skip', 'key', 'skip', 'key'])
  })

  it.each<[string, RateLimitOptions['skip']]>([
    ['throws', () => { throw new Error('from skip') }],
    ['rejects', () => Promise.reject(new Error('from skip'))],
  ])('skip that %s gives its error to next()', async (_what, skip) => {
    const app = await start(rateLimit({ windowMs: WINDOW, skip }))
    for (let count = 0; count < 2; count++) expect(JSON.parse((await app.ask()).body)).toMatchObject({ message: 'from skip' })
  })

  it('skip lets pass without a count', async () => {
    const app = await start(rateLimit({ windowMs: WINDOW, limit: 1, skip: ({ method }) => method === 'HEAD' }))
    expect(await app.statuses(1)).toEqual([200])
    expect(await app.statuses(2, { method: 'HEAD' })).toEqual([200, 200])
    expect(await app.statuses(1)).toEqual([429])
  })
})

describe('its cost', () => {
  it('a known client\'s request makes no promise', async () => {
    let promises = 0
    const hook = createHook({ init: (_id, type) => { if (type === 'PROMISE') promises += 1 } })
    const limit = rateLimit({ windowMs: WINDOW })
    const made: number[] = []
    const measured = ((request, response, next) => {
      const before = promises
      limit(request, response, (error) => {
        made.push(promises - before)
        next(error)
      })
    }) as RateLimit
    const app = await start(measured)
    hook.enable()
    await app.statuses(3)
    hook.disable()
    expect(made[0]).toBeGreaterThan(0)
    expect(made.slice(1)).toEqual([0, 0])
    limit.close()
  })

  it.each<[string, RateLimitOptions]>([
    ['an address', {}],
    ["an app's own key", { keyGenerator: (request) => Reflect.get(request, 'ip') as string }],
  ])('%s keeps nothing else of its request', async (_what, options) => {
    const clients = 2000
    const limit = rateLimit({ windowMs: WINDOW, ...options })
    const before = memoryInUse()
    for (let client = 0; client < clients; client++) {
      // Cut from a text of 8000 characters, as params and headers are.
      const ip = Buffer.from(`${'x'.repeat(8000)}127.100.${String(100 + (client >> 7))}.${String(100 + (client & 127))}`, 'latin1').toString('latin1').slice(8000)
      const request = Object.assign(new IncomingMessage(new Socket()), { ip })
      expect(await new Promise((resolve) => { limit(request, new ServerResponse(request), resolve) })).toBeUndefined()
    }
    expect(memoryInUse() - before).toBeLessThan(clients * 8000 / 2)
    limit.close()
  })

  it('a million keys take less than 120 MB', () => {
    const counts = new HitCounts()
    counts.init({ windowMs: WINDOW })
    const before = memoryInUse()
    for (let client = 0; client < 1_000_000; client++) counts.increment(`10.${String(client >> 16)}.${String((client >> 8) & 255)}.${String(client & 255)}`)
    const taken = memoryInUse() - before
    expect(counts.increment('10.0.0.0').totalHits).toBe(2)
    counts.shutdown()
    expect(taken).toBeLessThan(120e6)
    expect(taken).toBeGreaterThan(40e6)
  })
})
