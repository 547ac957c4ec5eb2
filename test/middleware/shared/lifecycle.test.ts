/** What all four middlewares have alike: close(), uninstall() and registerMetrics(). */
import { channel } from 'node:diagnostics_channel'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import express from 'express'
import { concurrencyLimit, memoryStats, MemoryStore, rateLimit, recovery, type MetricsOptions, type MetricsRegistry } from 'express-responder/middleware'
import { AggregatorRegistry, Gauge, Registry } from 'prom-client'
import request from 'supertest'

interface Middleware {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void
  registerMetrics(registry: MetricsRegistry, options?: MetricsOptions): void
  close(): void
}

interface Factory {
  readonly name: string
  /** What it would not let pass. */
  readonly make: () => Middleware
  readonly uninstall: () => void
  readonly prefix: string
  /** One of its metrics, without prefix, and another label than it has of its own. */
  readonly metric: string
  readonly ownLabel: string
  /** The status of a request, while it is open. */
  readonly status: number
}

const FACTORIES: readonly Factory[] = [
  { name: 'concurrencyLimit', make: () => concurrencyLimit({ limit: 1, queue: false, skip: () => false }), uninstall: concurrencyLimit.uninstall, prefix: 'concurrency_limit', metric: 'accepted_total', ownLabel: 'reason', status: 200 },
  { name: 'rateLimit', make: () => rateLimit({ limit: 0 }), uninstall: rateLimit.uninstall, prefix: 'rate_limit', metric: 'limited_total', ownLabel: 'reason', status: 429 },
  { name: 'recovery', make: () => recovery({ logger: false }), uninstall: () => { recovery.uninstall() }, prefix: 'recovery', metric: 'given_up', ownLabel: 'route', status: 200 },
  { name: 'memoryStats', make: () => memoryStats({ profiles: false, authorize: () => false }), uninstall: memoryStats.uninstall, prefix: 'express_responder', metric: 'requests_total', ownLabel: 'space', status: 403 },
]

beforeEach(() => { jest.spyOn(process, 'emitWarning').mockReturnValue() })
afterEach(() => {
  for (const { uninstall } of FACTORIES) uninstall()
  jest.restoreAllMocks()
})

const app = (middleware: Middleware): express.Express => express().use('/memstats', middleware).use((_req, res) => { res.send('the app') })
const ask = async (middleware: Middleware): Promise<number> => (await request(app(middleware)).get('/memstats')).status
const emitOfProcess = (): unknown => Reflect.get(process, 'emit') as unknown
const namesIn = (registry: Registry): string[] => registry.getMetricsAsArray().map(({ name }) => name)

describe.each(FACTORIES)('$name', ({ name, make, uninstall, prefix, metric, ownLabel, status }) => {
  it('passes requests on once it is closed, and a second close() changes nothing', async () => {
    const [one, other] = [make(), make()]
    expect(await ask(one)).toBe(status)
    one.close()
    one.close()
    expect((await request(app(one)).get('/memstats')).text).toBe('the app')
    expect(await ask(other)).toBe(status)
  })

  it('uninstall() closes all that it has made, may be called again, and lets new ones be made', async () => {
    const before = [make(), make()]
    expect(await ask(before[0] as Middleware)).toBe(status)
    uninstall()
    uninstall()
    for (const middleware of before) expect((await request(app(middleware)).get('/memstats')).text).toBe('the app')
    const after = make()
    expect(await ask(after)).toBe(status)
    for (const middleware of before) {
      middleware.close()
      expect((await request(app(middleware)).get('/memstats')).text).toBe('the app')
    }
    expect(await ask(after)).toBe(status)
  })

  it('registerMetrics() puts its metrics on a registry, a second time changes nothing, close() takes them off', async () => {
    const registry = new Registry()
    const middleware = make()
    middleware.registerMetrics(registry)
    const names = namesIn(registry)
    expect(names).toContain(`${prefix}_${metric}`)
    expect(names.filter((each) => !each.startsWith(`${prefix}_`))).toEqual([])
    middleware.registerMetrics(registry)
    middleware.registerMetrics(registry, {})
    expect(namesIn(registry)).toEqual(names)
    expect((await registry.metrics()).match(new RegExp(`^${prefix}_${metric} `, 'gm'))).toHaveLength(1)
    middleware.close()
    expect(namesIn(registry)).toEqual([])
    middleware.registerMetrics(registry)
    expect(namesIn(registry)).toEqual([])
  })

  it('registerMetrics() takes a prefix and labels, and each of them goes by itself', async () => {
    const registry = new Registry()
    const [one, other] = [make(), make()]
    one.registerMetrics(registry, { prefix: 'app', labels: { part: 'one' } })
    other.registerMetrics(registry, { prefix: 'app', labels: { part: 'other' } })
    expect(await registry.metrics()).toMatch(new RegExp(`^app_${metric}\\{part="one"\\} \\d+\\napp_${metric}\\{part="other"\\} \\d+$`, 'm'))
    one.close()
    expect(await registry.metrics()).not.toContain('part="one"')
    expect(await registry.metrics()).toContain(`app_${metric}{part="other"}`)
    uninstall()
    expect(namesIn(registry)).toEqual([])
  })

  it('registerMetrics() begins anew once the app has cleared the registry', () => {
    const registry = new Registry()
    const middleware = make()
    middleware.registerMetrics(registry)
    const names = namesIn(registry)
    registry.clear()
    middleware.registerMetrics(registry)
    expect(namesIn(registry)).toEqual(names)
    middleware.close()
    expect(namesIn(registry)).toEqual([])
  })

  it('registerMetrics() leaves alone what the app itself has by these names', () => {
    const registry = new Registry()
    registry.registerMetric(new Gauge({ name: `${prefix}_${metric}`, help: 'Of the app.', registers: [] }))
    const middleware = make()
    expect(() => { middleware.registerMetrics(registry) }).toThrow(expect.objectContaining({
      code: 'ERR_MIDDLEWARE_OPTION',
      message: expect.stringMatching(new RegExp(`^${name}\\.registerMetrics: option prefix is '${prefix}': the registry has a metric ${prefix}_${metric} of something else already: give another prefix`)),
    }))
    middleware.registerMetrics(registry, { prefix: 'other' })
    middleware.close()
    expect(namesIn(registry)).toEqual([`${prefix}_${metric}`])
  })

  it.each<[unknown, unknown, string]>([
    [{}, {}, 'option registry is {}: give a Registry of prom-client'],
    [undefined, {}, "option registry is 'undefined': give a Registry of prom-client"],
    [new Registry(), { prefix: 'my-app' }, "option prefix is 'my-app': give letters, digits and underscores"],
    [new Registry(), { label: {} }, 'option label: no such option; there are prefix, labels'],
    [new Registry(), { labels: { part: 1 } }, 'option labels.part is 1: give a string'],
    [new Registry(), { labels: { [ownLabel]: 'x' } }, 'option labels is'],
    [new Registry(), 'app', "option options is 'app': give an object"],
  ])('registerMetrics() refuses what is wrong, with name, value and remedy: %#', (registry, options, message) => {
    const middleware = make()
    expect(() => { middleware.registerMetrics(registry as never, options as never) }).toThrow(expect.objectContaining({
      name: 'OptionError', code: 'ERR_MIDDLEWARE_OPTION', message: expect.stringContaining(`${name}.registerMetrics: ${message}`),
    }))
  })

  it('workers of a cluster: counts are added up', async () => {
    const worker = async (): Promise<object> => {
      const registry = new Registry()
      make().registerMetrics(registry, { prefix: 'app', labels: { part: 'one' } })
      return registry.getMetricsAsJSON()
    }
    const aggregated = AggregatorRegistry.aggregate([await worker()] as object[])
    expect(await aggregated.metrics()).toMatch(new RegExp(`^app_${metric}\\{part="one"\\} \\d+$`, 'm'))
  })
})

describe('uninstall() of all', () => {
  it('puts back what was changed of Node’s', async () => {
    const { prototype } = http.ServerResponse
    const changed = (): unknown[] => [
      // Other tests of the same process may have changed them as well: what counts is by whom.
      Object.getOwnPropertyDescriptor(prototype, 'writeHead')?.value, Object.getOwnPropertyDescriptor(prototype, 'on')?.value, emitOfProcess(),
      channel('http.server.response.finish').hasSubscribers, channel('http.server.request.start').hasSubscribers,
    ]
    for (const { uninstall } of FACTORIES) uninstall()
    const before = changed()
    const chain = express()
    for (const { make } of FACTORIES) chain.use(make())
    await request(chain).get('/')
    const during = changed()
    expect(during.map((each, index) => each === before[index]).slice(0, 3)).toEqual([false, false, false])
    expect(during.slice(3)).toEqual([true, true])
    for (const { uninstall } of FACTORIES) uninstall()
    expect(changed()).toEqual(before)
  })

  it('a cap that is made later counts as before', async () => {
    concurrencyLimit.uninstall()
    const cap = concurrencyLimit({ limit: 1, queue: false })
    for (let times = 0; times < 3; times++) expect(await ask(cap)).toBe(200)
    expect([cap.accepted, cap.active]).toEqual([3, 0])
  })
})

describe('what they count', () => {
  it('rateLimit: who passed, who was limited, who was given an error', async () => {
    const registry = new Registry()
    let isWrong = false
    const limit = rateLimit({ limit: 2, keyGenerator: () => isWrong ? '' : 'a', logger: { error: () => undefined, warn: () => undefined } })
    limit.registerMetrics(registry)
    const server = express().use(limit).use((_req, res) => { res.send('the app') })
    const statuses = []
    for (let times = 0; times < 3; times++) statuses.push((await request(server).get('/')).status)
    isWrong = true
    statuses.push((await request(server).get('/')).status)
    expect(statuses).toEqual([200, 200, 429, 500])
    const text = await registry.metrics()
    expect(text).toContain('\nrate_limit_passed_total 2\n')
    expect(text).toContain('\nrate_limit_limited_total 1\n')
    expect(text).toContain('rate_limit_failed_total{reason="key"} 1\n')
    expect(text).toContain('rate_limit_failed_total{reason="store"} 0\n')
    expect(text).toContain('\nrate_limit_store_away 0\n')
  })

  it('recovery: failures by route and kind', async () => {
    const registry = new Registry()
    const recoverer = recovery({ logger: false })
    recoverer.registerMetrics(registry)
    const server = express().use(recoverer).get('/thrown/:id', () => { throw new Error('by intention') }).use(recovery.errors({ logger: false }))
    await request(server).get('/thrown/1').expect(500)
    await request(server).get('/thrown/2').expect(500)
    expect(await registry.metrics()).toContain('recovery_failures_total{route="/thrown/:id",kind="throw"} 2\n')
  })
})

it('a closed rateLimit lets another one have its store, whose timers are the app’s', async () => {
  const store = new MemoryStore()
  const shutdown = jest.spyOn(store, 'shutdown')
  const one = rateLimit({ store, limit: 1 })
  expect(() => rateLimit({ store })).toThrow('it counts for another rateLimit() already')
  one.close()
  expect(shutdown).not.toHaveBeenCalled()
  expect(await ask(rateLimit({ store, limit: 1 }))).toBe(200)
  store.shutdown()
})

it('uninstall() finds an endpoint that nobody has mounted and nobody remembers', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const registry = new Registry()
  memoryStats({ profiles: false, onVerdict: () => undefined }).registerMetrics(registry)
  for (let times = 0; times < 3; times++) {
    await setImmediate()
    collect()
  }
  expect(namesIn(registry).length).toBeGreaterThan(10)
  memoryStats.uninstall()
  expect(namesIn(registry)).toEqual([])
})

it('recovery puts back what was changed of Node’s with the last that is closed, unless there is an error boundary', () => {
  const emit = emitOfProcess()
  const [one, other] = [recovery({ logger: false }), recovery({ logger: false })]
  one.close()
  expect(emitOfProcess()).not.toBe(emit)
  other.close()
  expect(emitOfProcess()).toBe(emit)
  recovery.errors({ logger: false })
  recovery({ logger: false }).close()
  expect(emitOfProcess()).not.toBe(emit)
  recovery.uninstall()
  expect(emitOfProcess()).toBe(emit)
})
