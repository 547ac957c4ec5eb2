/** What a site sees of concurrencyLimit(): real connections, and handlers that end when the test says so. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import express from 'express'
import { Registry } from 'prom-client'
import request from 'supertest'
import { concurrencyLimit, type ConcurrencyLimit, type ConcurrencyLimitOptions, type Leak } from '../../../middleware/concurrency.js'
import { CARRIERS, Subject, type Carrier, type Handler } from './subject.js'

const subjects: Subject[] = []
const caps: ConcurrencyLimit[] = []

afterEach(() => {
  for (const subject of subjects.splice(0)) subject.stop()
  for (const cap of caps.splice(0)) cap.close()
})

function limit(options?: ConcurrencyLimitOptions): ConcurrencyLimit {
  const cap = concurrencyLimit(options)
  caps.push(cap)
  return cap
}

async function start(cap: ConcurrencyLimit | ConcurrencyLimit[], carrier: Carrier = 'Express 5 over HTTP', handler?: Handler): Promise<Subject> {
  const subject = await Subject.start(carrier, cap, handler)
  subjects.push(subject)
  return subject
}

/** Turn after turn of the event loop until it holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

const answerOk: Handler = (_request, response) => {
  response.end('ok')
}
/** Long enough for nobody to wait for it in a test. */
const NEVER = 600_000

describe.each(CARRIERS)('%s', (carrier) => {
  it('so many at a time, the others wait, in order', async () => {
    const cap = limit({ limit: 2, queue: { max: 2, timeout: NEVER, order: 'fifo' } })
    const subject = await start(cap, carrier)
    const first = [subject.get('/1'), subject.get('/2')]
    const visits = await subject.entered(2)
    const third = subject.get('/3')
    await until(() => cap.waiting === 1)
    const fourth = subject.get('/4')
    await until(() => cap.waiting === 2)
    expect([cap.active, subject.visits.length]).toEqual([2, 2])
    visits[0]?.response.end('one')
    await subject.entered(3)
    expect(subject.visits[2]?.request.url).toBe('/3')
    for (let index = 1; index < 4; index++) (await subject.entered(index + 1))[index]?.response.end('ok')
    expect((await Promise.all([...first, third, fourth].map(({ answer }) => answer))).map(({ status }) => status)).toEqual([200, 200, 200, 200])
    await until(() => cap.active === 0)
    expect([cap.waiting, cap.accepted, cap.waitTime.count]).toEqual([0, 4, 4])
  })

  it('who finds no place is told at once, with the reason and when to come again', async () => {
    const cap = limit({ limit: 1, queue: false })
    const subject = await start(cap, carrier)
    subject.get()
    await subject.entered(1)
    const { status, headers, body } = await subject.get().answer
    expect([status, headers['content-type'], JSON.parse(body)]).toEqual([503, 'application/problem+json', {
      title: 'Service Unavailable', status: 503, reason: 'limit', detail: 'As many requests as allowed are being answered.',
    }])
    expect(['1', '2']).toContain(headers['retry-after'])
    expect(cap.rejected).toMatchObject({ 'limit': 1, 'queue-full': 0 })
  })

  it('a client that leaves while it waits is never handled', async () => {
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER } })
    const subject = await start(cap, carrier)
    subject.get('/first')
    const [first] = await subject.entered(1)
    const leaving = subject.get('/leaving')
    await until(() => cap.waiting === 1)
    leaving.request.destroy()
    await until(() => cap.waiting === 0)
    first?.response.end()
    await until(() => cap.active === 0)
    subject.get('/last')
    await subject.entered(2)
    expect([subject.visits.map(({ request: { url } }) => url), cap.abandoned]).toEqual([['/first', '/last'], 1])
  })

  it('a client that leaves while it is answered frees its slot', async () => {
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER } })
    const subject = await start(cap, carrier)
    const leaving = subject.get('/leaving')
    await subject.entered(1)
    subject.get('/next')
    await until(() => cap.waiting === 1)
    leaving.request.destroy()
    await subject.entered(2)
    expect([cap.active, cap.waiting]).toEqual([1, 0])
  })

  it('server-sent events count until their head is sent', async () => {
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER } })
    const subject = await start(cap, carrier)
    subject.get('/events')
    const [events] = await subject.entered(1)
    subject.get('/next')
    await until(() => cap.waiting === 1)
    events?.response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    events?.response.write('data: hello\n\n')
    await subject.entered(2)
    expect(events?.response.writableEnded).toBe(false)
    await until(() => cap.active === 1)
  })

  it('AsyncLocalStorage is the request\'s own after a wait', async () => {
    const storage = new AsyncLocalStorage<string>()
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER } })
    const inContext = ((req, res, next) => { storage.run(req.url ?? '', () => { cap(req, res, next) }) }) as ConcurrencyLimit
    const seen: [string | undefined, string | undefined][] = []
    const releases: (() => void)[] = []
    const subject = await start(inContext, carrier, (req, res) => {
      seen.push([req.url, storage.getStore()])
      releases.push(() => res.end())
    })
    const answers = ['/a', '/b', '/c'].map((path) => subject.get(path).answer)
    for (let index = 0; index < 3; index++) {
      await until(() => releases.length > index)
      releases[index]?.()
    }
    await Promise.all(answers)
    expect(seen.map(([url, store]) => url === store)).toEqual([true, true, true])
  })

  it('mounted twice, it takes one slot', async () => {
    const cap = limit({ limit: 1, queue: false })
    const subject = await start([cap, cap], carrier, answerOk)
    expect((await subject.get().answer).status).toBe(200)
    expect(cap.accepted).toBe(1)
  })

  it('two caps, one inside the other, both hold and both release', async () => {
    const outer = limit({ limit: 2 })
    const inner = limit({ limit: 1, queue: false })
    const subject = await start([outer, inner], carrier)
    subject.get()
    const [visit] = await subject.entered(1)
    expect((await subject.get().answer).status).toBe(503)
    expect([outer.active, inner.active]).toEqual([1, 1])
    visit?.response.end()
    await until(() => outer.active + inner.active === 0)
  })
})

describe('the queue', () => {
  it('is bounded: the oldest gives way', async () => {
    const cap = limit({ limit: 1, queue: { max: 1, timeout: NEVER } })
    const subject = await start(cap)
    subject.get()
    await subject.entered(1)
    const oldest = subject.get('/oldest')
    await until(() => cap.waiting === 1)
    subject.get('/newest')
    const { status, body } = await oldest.answer
    expect([status, JSON.parse(body)]).toMatchObject([503, { reason: 'queue-full' }])
    expect(cap.waiting).toBe(1)
  })
  it('is left after its timeout', async () => {
    const cap = limit({ limit: 1, queue: { max: 1, timeout: 5 } })
    const subject = await start(cap)
    subject.get()
    await subject.entered(1)
    expect(JSON.parse((await subject.get().answer).body)).toMatchObject({ reason: 'queue-timeout' })
    expect(cap.waiting).toBe(0)
  })
  it('last in, first out, if told so; and high before low whatever the order', async () => {
    const cap = limit({ limit: 1, queue: { max: 9, timeout: NEVER, order: 'lifo' }, priority: ({ headers }) => headers['x-priority'] === 'high' ? 'high' : 'low' })
    const subject = await start(cap)
    subject.get('/0')
    await subject.entered(1)
    for (const [index, path] of ['/1', '/2', '/high', '/3'].entries()) {
      subject.get(path, path === '/high' ? { 'x-priority': 'high' } : {})
      await until(() => cap.waiting === index + 1)
    }
    for (let index = 0; index < 5; index++) (await subject.entered(index + 1))[index]?.response.end()
    expect(subject.visits.map(({ request: { url } }) => url)).toEqual(['/0', '/high', '/3', '/2', '/1'])
  })
  it('a low one does not push a high one out', async () => {
    const cap = limit({ limit: 1, queue: { max: 1, timeout: NEVER }, priority: ({ url }) => url === '/high' ? 'high' : 'low' })
    const subject = await start(cap)
    subject.get('/0')
    await subject.entered(1)
    subject.get('/high')
    await until(() => cap.waiting === 1)
    expect((await subject.get('/low').answer).status).toBe(503)
    expect(cap.waiting).toBe(1)
  })
})

describe('slots', () => {
  it('are free again after a pipelining client has gone', async () => {
    const cap = limit({ limit: 4, queue: { max: 100, timeout: NEVER } })
    const subject = await start(cap)
    const socket = subject.connect()
    socket.write('GET /pipelined HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20))
    await until(() => cap.active === 4 && cap.waiting === 16)
    socket.destroy()
    await until(() => cap.active === 0)
    expect([cap.waiting, cap.abandoned, subject.visits.length]).toEqual([0, 16, 4])
  })
  it('are taken back from a handler that never answers, which is named', async () => {
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER }, maxHold: 10 })
    const leaks: Leak[] = []
    cap.events.on('leak', (leak) => leaks.push(leak))
    const subject = await start(cap)
    subject.get('/route/7?x=1')
    await subject.entered(1)
    subject.get('/next')
    await subject.entered(2)
    expect([leaks[0], cap.leaked]).toMatchObject([{ method: 'GET', route: '/route/:id' }, 1])
    subject.visits[0]?.response.end()
    subject.visits[1]?.response.end()
    await until(() => cap.active === 0)
  })
  it('are released at end() if told so, though the client does not read', async () => {
    const cap = limit({ limit: 1, releaseAt: 'end' })
    const subject = await start(cap)
    const socket = subject.connect().pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    const [visit] = await subject.entered(1)
    visit?.response.end(Buffer.alloc(50_000_000))
    await until(() => cap.active === 0)
    expect(visit?.response.writableFinished).toBe(false)
  })
  it('are released when the handler throws and Express answers', async () => {
    const cap = limit({ limit: 1, queue: false })
    const subject = await start(cap, 'Express 5 over HTTP', () => { throw Object.assign(new Error('by intention'), { status: 418 }) })
    expect((await subject.get().answer).status).toBe(418)
    await until(() => cap.active === 0)
    expect((await subject.get().answer).status).toBe(418)
  })
  it('are not held for an upgraded connection', async () => {
    const cap = limit({ limit: 1, queue: false })
    const subject = await start(cap)
    const socket = subject.connect()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    const [visit] = await subject.entered(1)
    visit?.response.writeHead(101, { Connection: 'Upgrade', Upgrade: 'echo' })
    visit?.response.flushHeaders()
    await until(() => cap.active === 0)
  })
  it('over HTTP/2, each stream has its own', async () => {
    const cap = limit({ limit: 2, queue: { max: 5, timeout: NEVER } })
    const responses: http2.Http2ServerResponse[] = []
    const server = http2.createServer((req, res) => { cap(req as never, res as never, () => { responses.push(res) }) })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = http2.connect(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
    const streams = [1, 2, 3].map((index) => session.request({ ':path': `/${String(index)}` }).on('error', () => undefined))
    await until(() => responses.length === 2 && cap.waiting === 1)
    streams[0]?.close(http2.constants.NGHTTP2_CANCEL)
    await until(() => responses.length === 3)
    expect([cap.active, cap.waiting]).toEqual([2, 0])
    for (const response of responses.slice(1)) response.end('ok')
    await until(() => cap.active === 0)
    session.destroy()
    server.close()
  })
})

describe('what is capped', () => {
  it('health checks are not, unless skip says otherwise', async () => {
    const cap = limit({ limit: 1, queue: false })
    const subject = await start(cap)
    subject.get()
    await subject.entered(1)
    const check = subject.get('/healthz?verbose')
    const [, health] = await subject.entered(2)
    health?.response.end('fine')
    expect((await check.answer).body).toBe('fine')
    const strict = limit({ limit: 1, skip: () => false })
    expect((await request(express().use(strict, answerOk)).get('/healthz')).status).toBe(200)
    expect([cap.accepted, strict.accepted]).toEqual([1, 1])
  })
  it('each key by itself: 429', async () => {
    const cap = limit({ limit: 1, queue: false, key: ({ headers }) => headers['x-tenant'] as string | undefined })
    const subject = await start(cap)
    for (const [index, tenant] of ['a', 'b'].entries()) {
      subject.get('/', { 'x-tenant': tenant })
      await subject.entered(index + 1)
    }
    const { status, body } = await subject.get('/', { 'x-tenant': 'a' }).answer
    expect([status, JSON.parse(body)]).toMatchObject([429, { reason: 'key' }])
    subject.get('/')
    await subject.entered(3)
    expect(cap.active).toBe(2)
    for (const { response } of subject.visits) response.end()
    await until(() => cap.active === 0)
  })
  it('by a function, each key its own number', async () => {
    const cap = limit({ limit: ({ url }) => url === '/wide' ? 2 : 1, queue: false, key: ({ url }) => url })
    const subject = await start(cap)
    subject.get('/wide')
    subject.get('/wide')
    subject.get('/narrow')
    await subject.entered(3)
    expect((await subject.get('/narrow').answer).status).toBe(429)
    expect((await subject.get('/wide').answer).status).toBe(429)
  })
})

describe('the proxy\'s time stamp', () => {
  const stamp = (unit: number): string => `t=${((Date.now() - 10_000) * unit).toFixed(unit < 1 ? 3 : 0)}`
  it.each([['seconds', 0.001], ['milliseconds', 1], ['microseconds', 1000]])('in %s: who has waited too long there is turned away', async (_name, unit) => {
    const trusting = express().use(limit({ trustRequestStart: true }), answerOk)
    const { status, text } = await request(trusting).get('/').set('X-Request-Start', stamp(unit)).buffer(true)
    expect([status, JSON.parse(text)]).toMatchObject([503, { reason: 'proxy-queue' }])
  })
  it('counts for nothing unless it is trusted', async () => {
    expect((await request(express().use(limit(), answerOk)).get('/').set('X-Request-Start', stamp(1))).status).toBe(200)
  })
  it.each(['', 't=', 'yesterday', 't=12e99', 't=1', 't=99999999999999999999'])('nonsense is no stamp: %j', async (text) => {
    expect((await request(express().use(limit({ trustRequestStart: true }), answerOk)).get('/').set('X-Request-Start', text)).status).toBe(200)
  })
})

describe('answers', () => {
  it('by a handler of one\'s own', async () => {
    const cap = limit({ limit: 1, queue: false, handler: (_request, response, _next, { reason }) => { response.writeHead(529).end(reason) } })
    const subject = await start(cap)
    subject.get()
    await subject.entered(1)
    expect(await subject.get().answer).toMatchObject({ status: 529, body: 'limit' })
  })
  it('by Express\'s error handlers', async () => {
    const cap = limit({ limit: 1, queue: false, handler: 'next' })
    const subject = await start(cap)
    subject.get()
    await subject.entered(1)
    const { status, headers } = await subject.get().answer
    expect(status).toBe(503)
    expect(['1', '2']).toContain(headers['retry-after'])
  })
})

describe('what an app throws', () => {
  it.each(['fixed', 'auto'])('%s limit: a handler that throws when its turn comes keeps nobody else from theirs', async (kind) => {
    const program = fileURLToPath(new URL('programs/throws.js', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [program, kind])
    expect(JSON.parse(stdout)).toEqual({ body: 'fine', thrown: ['by intention'], waiting: 0 })
  })
  it('a listener that throws is a warning, and the client gets its answer', async () => {
    const cap = limit({ limit: 1, queue: { max: 1, timeout: 5 } })
    cap.events.on('reject', () => { throw new Error('by intention') })
    const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const subject = await start(cap)
    subject.get()
    await subject.entered(1)
    expect((await subject.get().answer).status).toBe(503)
    expect(emitWarning).toHaveBeenCalledWith(expect.stringContaining('by intention'), { code: 'ERR_CONCURRENCY_LIMIT_LISTENER' })
    emitWarning.mockRestore()
  })
})

describe('observing', () => {
  it('lets everybody in, and counts whom it would have turned away', async () => {
    const cap = limit({ limit: 1, queue: false, mode: 'observe' })
    const subject = await start(cap)
    const answers = [1, 2, 3].map(() => subject.get().answer)
    const visits = await subject.entered(3)
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
    const subject = await start(cap)
    for (let index = 0; index < 4; index++) subject.get()
    await until(() => cap.active === 1 && cap.waiting === 3)
    cap.limit = 4
    await subject.entered(4)
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
    const subject = await start(cap)
    subject.get()
    await subject.entered(1)
    await subject.get().answer
    const text = await registry.metrics()
    for (const line of [
      'concurrency_limit_active{cap="all"} 1', 'concurrency_limit_limit{cap="all"} 1', 'concurrency_limit_accepted_total{cap="all"} 1',
      'concurrency_limit_rejected_total{cap="all",reason="limit"} 1', 'concurrency_limit_wait_seconds_bucket{cap="all",le="+Inf"} 1',
      'concurrency_limit_wait_seconds_count{cap="all"} 1', '# TYPE concurrency_limit_wait_seconds histogram',
    ]) expect(text).toContain(line)
  })
  it('close() lets in who waits, and holds nobody back any more', async () => {
    const cap = limit({ limit: 1, queue: { max: 9, timeout: NEVER } })
    const subject = await start(cap)
    subject.get()
    subject.get()
    await until(() => cap.waiting === 1)
    cap.close()
    subject.get()
    await subject.entered(3)
  })
  it('the limit that tunes itself holds and releases as well', async () => {
    const cap = limit({ limit: { min: 1, max: 2, initial: 2 }, queue: { max: 9, timeout: NEVER } })
    const subject = await start(cap)
    const answers = [1, 2, 3].map(() => subject.get().answer)
    await until(() => cap.active === 2 && cap.waiting === 1)
    for (let index = 0; index < 3; index++) (await subject.entered(index + 1))[index]?.response.end()
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
