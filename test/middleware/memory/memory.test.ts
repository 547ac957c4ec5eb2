/** What an app sees of memoryStats() wherever it is mounted: the registry, the gauges, the inspector, operations that keep others out. */
import http from 'node:http'
import { Session } from 'node:inspector/promises'
import { describe, expect, it, jest } from '@jest/globals'
import express from 'express'
import express4 from 'express4'
import { Gauge, Registry, type OpenMetricsContentType } from 'prom-client'
import request from 'supertest'
import type { SettleReport } from '../../../middleware/memory.js'
import { start, endpoint, problem, JSON_ONLY } from './support.js'

describe('requests that are given up', () => {
  it('are in flight no longer, though they were never answered', async () => {
    let left: () => void = () => undefined
    const gone = new Promise<void>((resolve) => { left = resolve })
    let entered: () => void = () => undefined
    const inside = new Promise<void>((resolve) => { entered = resolve })
    const server = await start('plain http', {}, (_request, response) => {
      response.on('close', left)
      entered()
    })
    const { request: client } = server.request('GET', '', {}, '/never')
    await inside
    client.destroy()
    await gone
    expect((await server.get('metrics')).body).toMatch(/^express_responder_requests_in_flight 0$/m)
  })
})

it('a wrong parameter forces nothing, says so, and is no scrape that the next one has to wait for', async () => {
  const app = express().use('/debug', endpoint({ authorize: () => true }))
  for (const path of ['heap?seconds=x', 'heap?seconds=1&debug=1', 'heap?debug=3']) {
    const { headers } = await request(app).get(`/debug/${path}`).expect(400)
    expect(headers['forced-gc']).toBeUndefined()
  }
  await request(app).get('/debug/heap').expect(200).expect('Forced-GC', 'true')
  await request(app).get('/debug/heap?seconds=1').expect(429)
  await request(app).get('/debug/heap?debug=9').expect(400)
})

it('says of a path that cannot be one of its own that there is none', async () => {
  const app = express().use('/debug', endpoint({ authorize: () => true }))
  const { text } = await request(app).get('/debug/heap/').set(JSON_ONLY).expect(404)
  expect((JSON.parse(text) as { detail: string }).detail).toMatch(/^There is no such path\. There are allocs, callsites, /)
})

describe('where the inspector may not be used', () => {
  it.each([['GET', 'heap'], ['GET', 'callsites'], ['POST', 'mark'], ['GET', 'profile?seconds=1']] as const)('%s %s is a 503 that says why, and forces nothing', async (method, path) => {
    jest.spyOn(process, 'emitWarning').mockReturnValue()
    jest.spyOn(Session.prototype, 'connect').mockImplementation(() => { throw new Error('Access to this API has been restricted') })
    const app = express().use('/debug', endpoint({ authorize: () => true, gc: true }))
    const { text, headers } = await (method === 'GET' ? request(app).get(`/debug/${path}`) : request(app).post(`/debug/${path}`)).set(JSON_ONLY).expect(503)
    expect((JSON.parse(text) as { detail: string }).detail).toContain('Access to this API has been restricted')
    expect(headers['forced-gc']).toBeUndefined()
  })

  it.each(['settle', 'gc'])('POST %s collects all the same', async (path) => {
    jest.spyOn(process, 'emitWarning').mockReturnValue()
    jest.spyOn(Session.prototype, 'connect').mockImplementation(() => { throw new Error('Access to this API has been restricted') })
    const app = express().use('/debug', endpoint({ authorize: () => true, gc: true }))
    await request(app).post(`/debug/${path}`).expect(200).expect('Forced-GC', 'true')
  })

  it('one line says so at the start, and what to do', async () => {
    const warnings: string[] = []
    const warned = new Promise<void>((resolve) => {
      jest.spyOn(process, 'emitWarning').mockImplementation((text) => { warnings.push(String(text)); resolve() })
    })
    jest.spyOn(Session.prototype, 'connect').mockImplementation(() => { throw new Error('Access to this API has been restricted') })
    endpoint()
    await warned
    expect(warnings).toEqual(['memoryStats: the heap cannot be sampled: Access to this API has been restricted. '
      + 'Allow the inspector (--allow-inspector with Node\'s permission model), or do without profiles: memoryStats({ profiles: false }). See express-responder/docs/reference/middleware-errors.md#err_memory_stats_sampling'])
  })
})

describe('the registry', () => {
  it('of the app serves its metrics and ours, once for all endpoints, until the last is closed', async () => {
    const registry = new Registry()
    const [one, other] = [endpoint({ authorize: () => true, registry }), endpoint({ authorize: () => true, registry })]
    const app = express().use('/debug', one)
    registry.registerMetric(new Gauge({ name: 'of_the_app', help: 'Its own.', registers: [] }))
    const { text } = await request(app).get('/debug/metrics').expect(200)
    expect(text).toMatch(/^of_the_app 0$/m)
    expect(text).toMatch(/^express_responder_heap_used_bytes \d+$/m)
    one.close()
    expect(await registry.metrics()).toContain('express_responder_heap_used_bytes')
    other.close()
    expect(await registry.metrics()).not.toContain('express_responder')
  })

  it('that the app has cleared gets them again with the next endpoint, until the last of all is closed', async () => {
    const registry = new Registry()
    const one = endpoint({ registry })
    registry.clear()
    registry.registerMetric(new Gauge({ name: 'of_the_app', help: 'Its own.', registers: [] }))
    const other = endpoint({ registry })
    expect(await registry.metrics()).toMatch(/^express_responder_heap_used_bytes \d+$/m)
    one.close()
    expect(await registry.metrics()).toMatch(/^express_responder_heap_used_bytes \d+$/m)
    other.close()
    expect(registry.getMetricsAsArray()).toHaveLength(1)
  })

  it('that lacks some of them gets those, each once', async () => {
    const registry = new Registry<OpenMetricsContentType>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    endpoint({ registry })
    const names = async (): Promise<string[]> => (await registry.metrics()).split('\n').filter((line) => line.startsWith('# TYPE'))
    const all = await names()
    registry.removeSingleMetric('express_responder_heap_used_bytes')
    endpoint({ registry })
    expect((await names()).sort()).toEqual(all.sort())
  })

  it('keeps what the app itself has registered by these names since it cleared it', () => {
    const registry = new Registry()
    const stats = endpoint({ registry })
    registry.clear()
    registry.registerMetric(new Gauge({ name: 'express_responder_heap_used_bytes', help: 'Of the app.', registers: [] }))
    expect(() => endpoint({ registry })).toThrow(/^memoryStats: option registry: it has metrics of these names already/)
    stats.close()
    expect(registry.getMetricsAsArray()).toHaveLength(1)
  })

  it('may speak OpenMetrics', async () => {
    const registry = new Registry<OpenMetricsContentType>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    const app = express().use('/debug', endpoint({ authorize: () => true, registry }))
    const { text, headers } = await request(app).get('/debug/metrics').expect(200)
    expect(headers['content-type']).toContain('openmetrics')
    expect(text).toMatch(/^# TYPE express_responder_gc_forced counter\nexpress_responder_gc_forced_total \d+$/m)
  })

  it('that has such names already is refused, with what to do', () => {
    const registry = new Registry()
    registry.registerMetric({ name: 'express_responder_heap_used_bytes' } as never)
    expect(() => endpoint({ registry })).toThrow(/^memoryStats: option registry: it has metrics of these names already/)
    expect(registry.getMetricsAsArray()).toHaveLength(1)
  })
})

describe('where it is mounted', () => {
  it('it shows the page, whose addresses need a slash at the end', async () => {
    const app = express().use('/debug/pprof', endpoint())
    await request(app).get('/debug/pprof?since=1').expect(307).expect('Location', './pprof/?since=1')
    const { text } = await request(app).get('/debug/pprof/').expect(200).expect('Content-Security-Policy', /^default-src 'self'/)
    expect(text).toContain('<script type="module" src="page.js"')
    await request(app).get('/debug/pprof/page.js').expect(200).expect('Content-Type', /^text\/javascript/)
  })

  it('profiles and call sites are of this process', async () => {
    const app = express().use('/debug/pprof', endpoint({ scrapeInterval: 0 }))
    // Enough for several samples, whatever else is alive.
    const kept = Array.from({ length: 200_000 }, (_, index) => ({ index }))
    const { text, headers } = await request(app).get('/debug/pprof/heap?debug=1').expect(200)
    expect(text).toMatch(/^heap profile: \d+: \d+ \[\d+: \d+\] @ heap\/2$/m)
    expect(headers['forced-gc']).toBe('true')
    const { body } = await request(app).post('/debug/pprof/mark').set('Sec-Fetch-Site', 'same-origin').expect(200) as { body: { mark: number; sites: unknown[] } }
    expect([typeof body.mark, body.sites.length > 0, kept.length]).toEqual(['number', true, 200_000])
    await request(express().use('/debug/pprof', endpoint({ profiles: false }))).get('/debug/pprof/heap').expect(404)
  })

  it('without a path of its own it leaves the app alone', async () => {
    const app = express().use(endpoint()).get('/', (_request, response) => { response.send('home') }).get('/shop/history', (_request, response) => { response.send('shop') })
    expect((await request(app).get('/')).text).toBe('home')
    expect((await request(app).get('/shop/history')).text).toBe('shop')
    await request(app).get('/memstats').expect(200).expect('Content-Type', 'application/json')
  })

  it.each([['Express 5', express, '/debug/pprof/*path'], ['Express 4', express4, '/debug/pprof/*']] as const)('as a route it passes everything on: %s', async (_name, create, path) => {
    const app = create()
    app.all(path, endpoint()).use((_request, response) => { response.send('next') })
    for (const name of ['', 'memstats', 'nothing']) expect((await request(app).get(`/debug/pprof/${name}`)).text).toBe('next')
  })

  it('plain http with next: what it does not know is the next one\'s', async () => {
    const stats = endpoint()
    const server = http.createServer((incoming, response) => { stats(incoming, response, () => { response.end('next') }) })
    expect((await request(server).get('/elsewhere')).text).toBe('next')
    await request(server).get('/any/memstats').expect(200)
  })

  it('a closed one passes requests on', async () => {
    const stats = endpoint()
    const app = express().use('/debug', stats).use((_request, response) => { response.send('next') })
    stats.close()
    stats.close()
    expect((await request(app).get('/debug/memstats')).text).toBe('next')
    await request(http.createServer((incoming, response) => { stats(incoming, response) })).get('/memstats').expect(404)
  })
})

describe('the gauges', () => {
  it('verdict, settle() and events are on the function', async () => {
    const stats = endpoint()
    expect(stats.name).toBe('memoryStatsMiddleware')
    expect(stats.verdict).toMatchObject({ state: 'warming', evidence: { collections: 0 } })
    const heard: SettleReport[] = []
    stats.events.on('settle', (report) => { heard.push(report) })
    const report = await stats.settle()
    expect(report.sentence).toContain('RSS is')
    expect(heard).toEqual([report])
  })

  it('a callback that throws becomes a warning, and the others are still called', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    const stats = endpoint({ onSettle: () => { throw new Error('of the app') } })
    const heard = jest.fn()
    stats.events.on('settle', heard)
    await stats.settle()
    expect(heard).toHaveBeenCalledTimes(1)
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('of the app'), { code: 'ERR_MEMORY_STATS_LISTENER' })
  })
})

describe('an expensive operation', () => {
  it('keeps others out while it runs', async () => {
    const server = await start('Express 5 over HTTP', { gc: true })
    const settling = server.stats.settle()
    const refused = await server.post('gc')
    expect(problem(refused)).toMatchObject({ status: 429, reason: 'busy', detail: 'One expensive operation at a time: settle is running.' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect(refused.headers['forced-gc']).toBeUndefined()
    await settling
    expect((await server.post('gc')).status).toBe(200)
  })

  it('of one endpoint keeps out those of another', async () => {
    const [one, other] = [await start('Express 5 over HTTP', { gc: true }), await start('plain http', { gc: true })]
    const settling = one.stats.settle()
    expect((await other.post('gc')).status).toBe(429)
    await settling
  })
})
