/** `suite()`: one layer that does what its middlewares do one by one, on every carrier. */
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import { Registry } from 'prom-client'
import express from 'express'
import supertest from 'supertest'
import { concurrencyLimit, memoryStats, rateLimit, recovery } from '../../middleware/index.js'
import { suite, type Suite, type SuiteOptions } from '../../middleware/suite.js'
import { runToEnd } from '../proxies/support/child.js'
import { PACKAGE_ROOT } from '../proxies/support/workspace.js'
import { AppServer, CARRIERS, type AppServerOptions } from '../support/app-server.js'

const apps: AppServer[] = []
const suites: Suite[] = []

afterEach(() => {
  for (const app of apps.splice(0)) app.stop()
  for (const one of suites.splice(0)) one.close()
})

// Other tests of this process look at what is changed of Node's.
afterAll(() => {
  for (const middleware of [concurrencyLimit, memoryStats, rateLimit, recovery]) middleware.uninstall()
})

function make(options?: SuiteOptions): Suite {
  const made = suite(options)
  suites.push(made)
  return made
}

async function start(options: SuiteOptions, setup: AppServerOptions = {}): Promise<AppServer> {
  const app = await AppServer.start({ handler: (_request, response) => { response.end('ok') }, ...setup, middleware: make(options) })
  apps.push(app)
  return app
}

const WINDOW = 3_600_000

describe.each(CARRIERS)('%s', (carrier) => {
  it('limits rates, and tells of it', async () => {
    const app = await start({ rateLimit: { windowMs: WINDOW, limit: 2 } }, { carrier })
    const { headers } = await app.ask()
    expect(headers['ratelimit']).toMatch(/^"2-in-1hr"; r=1; t=\d+$/)
    expect(await app.statuses(2)).toEqual([200, 429])
    expect(app.handled).toBe(2)
  })

  it('caps concurrency before it counts for the rate limit', async () => {
    const guard = make({ concurrency: { limit: 1, queue: { max: 0 } }, rateLimit: { windowMs: WINDOW, limit: 2 } })
    const app = await AppServer.start({ carrier, middleware: guard })
    apps.push(app)
    const first = app.ask()
    const [visit] = await app.entered(1)
    expect((await app.ask()).status).toBe(503)
    visit?.response.end('ok')
    const { status, headers } = await first
    expect([status, String(headers['ratelimit']).replace(/t=\d+/, 't')]).toEqual([200, '"2-in-1hr"; r=1; t'])
    expect([guard.concurrency?.accepted, guard.concurrency?.active]).toEqual([1, 0])
  })

  it.each([
    ['/debug/pprof/memstats', 200],
    ['/debug/pprof/memstats?x=1', 200],
    ['/DEBUG/pprof/memstats', 200],
    ['/debug/pprofile', 418],
    ['/debug', 418],
    ['/', 418],
  ])('has the memory endpoint on its path alone: %s', async (path, status) => {
    const app = await start({ memory: { authorize: () => true }, concurrency: false }, { carrier, handler: (_request, response) => { response.writeHead(418).end() } })
    expect((await app.ask({ path })).status).toBe(status)
  })

  it('gives the app the URL that came where the memory endpoint is closed', async () => {
    const guard = make({ memory: { path: '/stats', authorize: () => true } })
    const app = await AppServer.start({ carrier, middleware: guard, handler: (request, response) => { response.end(request.url) } })
    apps.push(app)
    expect((await app.ask({ path: '/stats/memstats' })).headers['content-type']).toMatch('json')
    guard.memory?.close()
    expect((await app.ask({ path: '/stats/memstats?a=b' })).body).toBe('/stats/memstats?a=b')
  })
})

/** Jest's process is a copy, of which Node knows nothing: late failures are for a process of their own. */
const FAILS_LATER = `
  import express from 'express'
  import { suite } from 'express-responder/middleware'
  const guard = suite({ recovery: { onRecover: () => undefined }, rateLimit: {}, memory: {} })
  const app = express()
  app.use(guard)
  app.get('/', () => { setTimeout(() => { throw new Error('late') }, 1) })
  app.use(guard.errors)
  const server = app.listen(0, '127.0.0.1', async () => {
    const statuses = []
    for (let count = 0; count < 3; count++) statuses.push((await fetch('http://127.0.0.1:' + server.address().port)).status)
    console.log(JSON.stringify([statuses, guard.recovery.total]))
    process.exit(0)
  })`

it('answers what fails later, and goes on', async () => {
  const { stdout, stderr } = await runToEnd(process.execPath, ['--input-type=module', '-e', FAILS_LATER], { cwd: PACKAGE_ROOT })
  expect([stdout.toString().trim(), stderr]).toEqual(['[[500,500,500],3]', ''])
})

describe('the memory endpoint', () => {
  it('answers while the cap is reached', async () => {
    const app = await AppServer.start({ middleware: make({ memory: { authorize: () => true }, concurrency: { limit: 1, queue: { max: 0 } } }) })
    apps.push(app)
    const first = app.ask()
    const [visit] = await app.entered(1)
    expect([(await app.ask()).status, (await app.ask({ path: '/debug/pprof/memstats' })).status]).toEqual([503, 200])
    visit?.response.end()
    await first
  })

  it('is found below the path of a router, too', async () => {
    const app = express()
    app.use('/ops', make({ memory: { authorize: () => true } }))
    await supertest(app).get('/ops/debug/pprof/memstats').expect(200)
    await supertest(app).get('/debug/pprof/memstats').expect(404)
  })
})

describe('what it is made of', () => {
  it('recovery and the cap by themselves, the others when they are asked for', () => {
    const usual = make()
    expect([usual.recovery, usual.concurrency, usual.rateLimit, usual.memory].map((part) => part !== undefined)).toEqual([true, true, false, false])
    const other = make({ recovery: false, concurrency: false, rateLimit: {}, memory: {} })
    expect([other.recovery, other.concurrency, other.rateLimit, other.memory].map((part) => part !== undefined)).toEqual([false, false, true, true])
  })

  it('errors answers what the app throws, with what recovery was given', async () => {
    const seen: unknown[] = []
    const guard = make({ recovery: { onRecover: ({ error }) => { seen.push(error) } } })
    const app = express()
    app.use(guard)
    app.get('/', () => { throw new Error('at once') })
    app.use(guard.errors)
    await supertest(app).get('/').expect(500)
    expect(seen).toEqual([expect.objectContaining({ message: 'at once' })])
  })

  it('without recovery, errors passes errors on', async () => {
    const guard = make({ recovery: false })
    const app = express()
    app.use(guard)
    app.get('/', () => { throw new Error('at once') })
    app.use(guard.errors)
    // Express asks for four parameters.
    // eslint-disable-next-line @typescript-eslint/no-unused-vars
    app.use(((error: Error, _request, response, _next) => { response.status(418).send(error.message) }) as express.ErrorRequestHandler)
    expect((await supertest(app).get('/').expect(418)).text).toBe('at once')
  })

  it('puts the figures of all on a registry, and takes them off', () => {
    const registry = new Registry()
    const guard = make({ rateLimit: {}, memory: {} })
    guard.registerMetrics(registry)
    const names = registry.getMetricsAsArray().map(({ name }) => name)
    for (const part of ['recovery', 'concurrency_limit', 'rate_limit', 'memory']) expect(names.join(' ')).toContain(part)
    guard.close()
    guard.close()
    expect(registry.getMetricsAsArray()).toEqual([])
  })

  it('once closed, lets all pass', async () => {
    const guard = make({ rateLimit: { windowMs: WINDOW, limit: 1 }, memory: { authorize: () => true } })
    const app = await AppServer.start({ middleware: guard, handler: (_request, response) => { response.end('ok') } })
    apps.push(app)
    expect(await app.statuses(2)).toEqual([200, 429])
    guard.close()
    expect(await app.statuses(2, { path: '/debug/pprof/memstats' })).toEqual([200, 200])
    expect(app.handled).toBe(3)
  })
})

describe('wrong options', () => {
  it.each<[string, unknown, RegExp]>([
    ['an unknown name', { ratelimit: {} }, /suite: .*ratelimit/],
    ['a flag', { concurrency: true }, /^suite: option concurrency is true: give an object of options, or false\./],
    ['a part of a middleware', { concurrency: { limit: 0 } }, /^concurrencyLimit: option limit is 0: /],
    ['a path that is a pattern', { memory: { path: '/debug/*rest' } }, /^suite: option memory\.path is '.*without patterns\./],
    ['a path with a slash at its end', { memory: { path: '/debug/' } }, /^suite: option memory\.path is /],
    ['a number', 5, /^suite: option options is 5: /],
  ])('%s', (_what, options, message) => {
    expect(() => make(options as SuiteOptions)).toThrow(expect.objectContaining({ code: 'ERR_MIDDLEWARE_OPTION', message: expect.stringMatching(message) as unknown }))
  })

  it('app.use(suite), uncalled, says what to write', async () => {
    const app = express()
    app.use(suite as unknown as express.RequestHandler)
    const { text } = await supertest(app).get('/')
    expect(text).toContain('app.use(suite())')
  })
})
