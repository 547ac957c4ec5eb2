/** What clients see of rateLimit(): the same over every carrier, with the options of express-rate-limit. */
import { afterEach, describe, expect, it } from '@jest/globals'
import express from 'express'
import type http from 'node:http'
import request from 'supertest'
import { rateLimit, type RateLimit, type RateLimitOptions } from '../../../middleware/rate-limit.js'
import { runToEnd } from '../../proxies/support/child.js'
import { PACKAGE_ROOT } from '../../proxies/support/workspace.js'
import type { AppServer } from '../../support/app-server.js'
import { CARRIERS, type Setup, startLimited } from './support.js'

const apps: AppServer[] = []

afterEach(() => {
  for (const app of apps.splice(0)) app.stop()
})

async function start(limits: RateLimit | RateLimit[], setup: Setup): Promise<AppServer> {
  const app = await startLimited(limits, setup)
  apps.push(app)
  return app
}

/** Longer than any test. */
const WINDOW = 3_600_000

describe.each(CARRIERS)('%s', (carrier) => {
  const limited = (options: RateLimitOptions, setup: Setup = {}): Promise<AppServer> => start(rateLimit({ windowMs: WINDOW, ...options }), { carrier, ...setup })

  it('a client that is over the limit is told so and when to come again, and others are not', async () => {
    const app = await limited({ limit: 2 })
    expect(await app.statuses(2)).toEqual([200, 200])
    const { status, headers, body } = await app.ask()
    expect([status, headers['content-type'], JSON.parse(body)]).toEqual([429, 'application/problem+json', {
      title: 'Too Many Requests', status: 429, detail: 'Too many requests. Please try again later.',
    }])
    expect(Number(headers['retry-after'])).toBeGreaterThan(3500)
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(3600)
    expect(app.handled).toBe(2)
    expect(await app.statuses(3, { from: '127.0.0.2' })).toEqual([200, 200, 429])
  })

  it('HEAD gets the head of it', async () => {
    const app = await limited({ limit: 0 })
    const { status, headers, body } = await app.ask({ method: 'HEAD' })
    expect([status, headers['content-type'], body]).toEqual([429, 'application/problem+json', ''])
  })

  it('the headers of draft 8 are there by themselves, the old ones are not', async () => {
    const app = await limited({ limit: 2 })
    const { headers } = await app.ask()
    expect(headers['ratelimit']).toMatch(/^"2-in-1hr"; r=1; t=3[56]\d\d$/)
    expect(headers['ratelimit-policy']).toMatch(/^"2-in-1hr"; q=2; w=3600; pk=:.+:$/)
    expect([headers['x-ratelimit-limit'], headers['retry-after']]).toEqual([undefined, undefined])
  })

  it('two limits both tell theirs', async () => {
    const limits = [rateLimit({ windowMs: WINDOW, limit: 9, identifier: 'outer' }), rateLimit({ windowMs: WINDOW, limit: 1, identifier: () => 'inner' })]
    const app = await start(limits, { carrier })
    const { headers } = await app.ask()
    expect(String(headers['ratelimit'])).toMatch(/^"outer"; r=8; t=\d+, "inner"; r=0; t=\d+$/)
    expect(await app.statuses(1)).toEqual([429])
  })

  it.each([
    ['draft-7', { 'ratelimit-policy': '2;w=3600', 'ratelimit': /^limit=2, remaining=1, reset=3[56]\d\d$/ }],
    ['draft-6', { 'ratelimit-policy': '2;w=3600', 'ratelimit-limit': '2', 'ratelimit-remaining': '1' }],
    [true, { 'ratelimit-limit': '2', 'ratelimit-remaining': '1' }],
  ] as const)('the headers of %s', async (standardHeaders, expected) => {
    const app = await limited({ limit: 2, standardHeaders })
    const { headers } = await app.ask()
    for (const [name, value] of Object.entries(expected)) {
      if (typeof value === 'string') expect(headers[name]).toBe(value)
      else expect(headers[name]).toMatch(value as RegExp)
    }
  })

  it.each(['legacyHeaders', 'headers'])('the old headers, with %s', async (name) => {
    const app = await limited({ limit: 1, standardHeaders: false, [name]: true })
    const { headers } = await app.ask()
    expect([headers['x-ratelimit-limit'], headers['x-ratelimit-remaining'], headers['ratelimit']]).toEqual(['1', '0', undefined])
    expect(Number(headers['x-ratelimit-reset'])).toBeGreaterThan(Date.now() / 1000)
  })

  it('Retry-After is there without any other header, and is what the option says', async () => {
    const bare = await limited({ limit: 0, standardHeaders: false })
    expect(Number((await bare.ask()).headers['retry-after'])).toBeGreaterThan(3500)
    const given = await limited({ limit: 0, standardHeaders: false, retryAfter: 7 })
    expect((await given.ask()).headers['retry-after']).toBe('7')
    const asked = await limited({ limit: 0, retryAfter: () => Promise.resolve(8) })
    expect((await asked.ask()).headers['retry-after']).toBe('8')
  })

  it.each<[string, unknown, object]>([
    ['a text', 'Slow down.', { detail: 'Slow down.' }],
    ['members', { error: 'slow-down', status: 999 }, { error: 'slow-down' }],
    ['a function', (): Promise<object> => Promise.resolve({ type: 'https://example.org/slow', detail: 'Slower.' }), { type: 'https://example.org/slow', detail: 'Slower.' }],
    ['a function that gives nothing', (): undefined => undefined, { detail: 'Too many requests. Please try again later.' }],
  ])('message as %s, with another status', async (_, message, members) => {
    const app = await limited({ limit: 0, message, statusCode: 503 })
    const { status, body } = await app.ask()
    expect([status, JSON.parse(body)]).toEqual([503, { title: 'Service Unavailable', status: 503, ...members }])
  })

  it('a message that answers by itself, a handler, and a handler that lets pass', async () => {
    const answers = await limited({ limit: 0, message: (_request: unknown, response: http.ServerResponse) => { response.end('by itself') } })
    expect((await answers.ask()).body).toBe('by itself')
    const handles = await limited({ limit: 0, handler: (_request, response, _next, { statusCode }) => { response.writeHead(statusCode).end('handled') } })
    expect(await handles.ask()).toMatchObject({ status: 429, body: 'handled' })
    const passes = await limited({ limit: 0, handler: (_request, _response, next) => { next() } })
    expect((await passes.ask()).body).toBe('ok')
  })

  it('skip leaves requests out; keyGenerator and a limit of each request\'s own', async () => {
    const app = await limited({
      limit: ({ headers }) => headers['x-plan'] === 'paid' ? 2 : 1,
      skip: ({ url }) => url === '/health',
      keyGenerator: ({ headers }) => String(headers['x-user']),
    })
    expect(await app.statuses(2, { path: '/health' })).toEqual([200, 200])
    expect(await app.statuses(2, { headers: { 'x-user': 'ann' } })).toEqual([200, 429])
    expect(await app.statuses(3, { headers: { 'x-user': 'bob', 'x-plan': 'paid' } })).toEqual([200, 200, 429])
  })

  it('the handler sees its numbers on the request', async () => {
    const app = await limited({ limit: 5, requestPropertyName: 'quota' }, {
      handler: (asked, response) => { response.end(JSON.stringify(Reflect.get(asked, 'quota'))) },
    })
    expect(JSON.parse((await app.ask()).body)).toMatchObject({ limit: 5, used: 1, remaining: 4, key: '127.0.0.1' })
  })

  it('failed or successful requests are given back', async () => {
    const handler: Setup['handler'] = ({ url }, response) => { response.writeHead(url === '/fails' ? 500 : 200).end() }
    const failed = await limited({ limit: 1, skipFailedRequests: true }, { handler })
    expect(await failed.statuses(3, { path: '/fails' })).toEqual([500, 500, 500])
    expect(await failed.statuses(2)).toEqual([200, 429])
    const successful = await limited({ limit: 1, skipSuccessfulRequests: true, requestWasSuccessful: (_request, { statusCode }) => statusCode === 500 }, { handler })
    expect(await successful.statuses(3, { path: '/fails' })).toEqual([500, 500, 500])
    expect(await successful.statuses(2)).toEqual([200, 429])
  })

  it('a request whose client has left is given back', async () => {
    const limit = rateLimit({ windowMs: WINDOW, limit: 1, skipFailedRequests: true })
    const app = await start(limit, { carrier, handler: (_request, response) => { response.destroy() } })
    await app.ask().catch(() => undefined)
    while ((await limit.getKey('127.0.0.1'))?.totalHits !== 0) await new Promise(setImmediate)
    expect(app.handled).toBe(1)
  })

  it('getKey() tells a client\'s hits, resetKey() forgets them', async () => {
    const limit = rateLimit({ windowMs: WINDOW, limit: 1 })
    const app = await start(limit, { carrier })
    expect(await app.statuses(2)).toEqual([200, 429])
    expect(await limit.getKey('127.0.0.1')).toMatchObject({ totalHits: 2 })
    await limit.resetKey('127.0.0.1')
    expect(await app.statuses(1)).toEqual([200])
  })

  it.each([['limit', { limit: (): number => NaN }], ['identifier', { identifier: (): string => 'ünique' }], ['retryAfter', { limit: 0, retryAfter: (): number => -1 }]])(
    'a function that gives a wrong %s is an error, not a limit that is none', async (name, options) => {
      const app = await limited(options)
      const { status, body } = await app.ask()
      expect([status, JSON.parse(body)]).toEqual([500, { code: 'ERR_MIDDLEWARE_OPTION', message: expect.stringContaining(`rateLimit: option ${name} is `) }])
      expect(app.handled).toBe(0)
    })
})

it('without any option: 600 a minute', async () => {
  const app = await start(rateLimit(), {})
  expect((await app.ask()).headers['ratelimit-policy']).toMatch(/^"600-in-1min"; q=600; w=60; /)
})

it('app.use(rateLimit), not called, says what to write', async () => {
  const app = express().set('env', 'test').use(rateLimit as never)
  const { text } = await request(app).get('/').expect(500)
  expect(text).toContain('app.use(rateLimit())')
})

it('rateLimit() for each request is an error, as it would never count to two', async () => {
  const app = express().set('env', 'test').use((asked, response, next) => { rateLimit()(asked, response, next) })
  const { text } = await request(app).get('/').expect(500)
  expect(text).toContain('call it once, where the app is made')
})

it('what a handler throws is thrown once, as it would be without the limit', async () => {
  const program = `
    import http from 'node:http'
    import { rateLimit } from ${JSON.stringify(`${PACKAGE_ROOT}/dist/middleware/rate-limit.js`)}
    const limit = rateLimit()
    const server = http.createServer((request, response) => limit(request, response, (error) => {
      console.log('called with', error)
      throw new Error('of the handler')
    }))
    process.on('uncaughtException', ({ message }) => { console.log('thrown', message); process.exit() })
    server.listen(0, '127.0.0.1', () => http.get({ port: server.address().port, host: '127.0.0.1' }).on('error', () => {}))`
  const { stdout } = await runToEnd(process.execPath, ['--input-type=module', '--eval', program])
  expect(stdout.toString()).toBe('called with undefined\nthrown of the handler\n')
})
