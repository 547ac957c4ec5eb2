/** What a site sees of concurrencyLimit(): who starts, who waits, and when a slot is free again. Real connections, and handlers that end when the test says so. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import type { ConcurrencyLimit, Leak } from '../../../middleware/concurrency.js'
import { CARRIERS } from '../../support/app-server.js'
import { limit, start, until, answerOk, NEVER } from './support.js'

describe.each(CARRIERS)('%s', (carrier) => {
  it('so many at a time, the others wait, in order', async () => {
    const cap = limit({ limit: 2, queue: { max: 2, timeout: NEVER, order: 'fifo' } })
    const app = await start(cap, carrier)
    const first = [app.open('/1'), app.open('/2')]
    const visits = await app.entered(2)
    const third = app.open('/3')
    await until(() => cap.waiting === 1)
    const fourth = app.open('/4')
    await until(() => cap.waiting === 2)
    expect([cap.active, app.visits.length]).toEqual([2, 2])
    visits[0]?.response.end('one')
    await app.entered(3)
    expect(app.visits[2]?.request.url).toBe('/3')
    for (let index = 1; index < 4; index++) (await app.entered(index + 1))[index]?.response.end('ok')
    expect((await Promise.all([...first, third, fourth].map(({ answer }) => answer))).map(({ status }) => status)).toEqual([200, 200, 200, 200])
    await until(() => cap.active === 0)
    expect([cap.waiting, cap.accepted, cap.waitTime.count]).toEqual([0, 4, 4])
  })

  it('who finds no place is told at once, with the reason and when to come again', async () => {
    const cap = limit({ limit: 1, queue: false })
    const app = await start(cap, carrier)
    app.open()
    await app.entered(1)
    const { status, headers, body } = await app.open().answer
    expect([status, headers['content-type'], JSON.parse(body)]).toEqual([503, 'application/problem+json', {
      title: 'Service Unavailable', status: 503, reason: 'limit', detail: 'As many requests as allowed are being answered.',
    }])
    expect(['1', '2']).toContain(headers['retry-after'])
    expect(cap.rejected).toMatchObject({ 'limit': 1, 'queue-full': 0 })
  })

  it('a client that leaves while it waits is never handled', async () => {
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER } })
    const app = await start(cap, carrier)
    app.open('/first')
    const [first] = await app.entered(1)
    const leaving = app.open('/leaving')
    await until(() => cap.waiting === 1)
    leaving.request.destroy()
    await until(() => cap.waiting === 0)
    first?.response.end()
    await until(() => cap.active === 0)
    app.open('/last')
    await app.entered(2)
    expect([app.visits.map(({ request: { url } }) => url), cap.abandoned]).toEqual([['/first', '/last'], 1])
  })

  it('a client that leaves while it is answered frees its slot', async () => {
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER } })
    const app = await start(cap, carrier)
    const leaving = app.open('/leaving')
    await app.entered(1)
    app.open('/next')
    await until(() => cap.waiting === 1)
    leaving.request.destroy()
    await app.entered(2)
    expect([cap.active, cap.waiting]).toEqual([1, 0])
  })

  it('server-sent events count until their head is sent', async () => {
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER } })
    const app = await start(cap, carrier)
    app.open('/events')
    const [events] = await app.entered(1)
    app.open('/next')
    await until(() => cap.waiting === 1)
    events?.response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    events?.response.write('data: hello\n\n')
    await app.entered(2)
    expect(events?.response.writableEnded).toBe(false)
    await until(() => cap.active === 1)
  })

  it('AsyncLocalStorage is the request\'s own after a wait', async () => {
    const storage = new AsyncLocalStorage<string>()
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER } })
    const inContext = ((req, res, next) => { storage.run(req.url ?? '', () => { cap(req, res, next) }) }) as ConcurrencyLimit
    const seen: [string | undefined, string | undefined][] = []
    const releases: (() => void)[] = []
    const app = await start(inContext, carrier, (req, res) => {
      seen.push([req.url, storage.getStore()])
      releases.push(() => res.end())
    })
    const answers = ['/a', '/b', '/c'].map((path) => app.open(path).answer)
    for (let index = 0; index < 3; index++) {
      await until(() => releases.length > index)
      releases[index]?.()
    }
    await Promise.all(answers)
    expect(seen.map(([url, store]) => url === store)).toEqual([true, true, true])
  })

  it('mounted twice, it takes one slot', async () => {
    const cap = limit({ limit: 1, queue: false })
    const app = await start([cap, cap], carrier, answerOk)
    expect((await app.open().answer).status).toBe(200)
    expect(cap.accepted).toBe(1)
  })

  it('two caps, one inside the other, both hold and both release', async () => {
    const outer = limit({ limit: 2 })
    const inner = limit({ limit: 1, queue: false })
    const app = await start([outer, inner], carrier)
    app.open()
    const [visit] = await app.entered(1)
    expect((await app.open().answer).status).toBe(503)
    expect([outer.active, inner.active]).toEqual([1, 1])
    visit?.response.end()
    await until(() => outer.active + inner.active === 0)
  })
})

describe('the queue', () => {
  it('is bounded: the oldest gives way', async () => {
    const cap = limit({ limit: 1, queue: { max: 1, timeout: NEVER } })
    const app = await start(cap)
    app.open()
    await app.entered(1)
    const oldest = app.open('/oldest')
    await until(() => cap.waiting === 1)
    app.open('/newest')
    const { status, body } = await oldest.answer
    expect([status, JSON.parse(body)]).toMatchObject([503, { reason: 'queue-full' }])
    expect(cap.waiting).toBe(1)
  })
  it('is left after its timeout', async () => {
    const cap = limit({ limit: 1, queue: { max: 1, timeout: 5 } })
    const app = await start(cap)
    app.open()
    await app.entered(1)
    expect(JSON.parse((await app.open().answer).body)).toMatchObject({ reason: 'queue-timeout' })
    expect(cap.waiting).toBe(0)
  })
  it('last in, first out, if told so; and high before low whatever the order', async () => {
    const cap = limit({ limit: 1, queue: { max: 9, timeout: NEVER, order: 'lifo' }, priority: ({ headers }) => headers['x-priority'] === 'high' ? 'high' : 'low' })
    const app = await start(cap)
    app.open('/0')
    await app.entered(1)
    for (const [index, path] of ['/1', '/2', '/high', '/3'].entries()) {
      app.open(path, path === '/high' ? { 'x-priority': 'high' } : {})
      await until(() => cap.waiting === index + 1)
    }
    for (let index = 0; index < 5; index++) (await app.entered(index + 1))[index]?.response.end()
    expect(app.visits.map(({ request: { url } }) => url)).toEqual(['/0', '/high', '/3', '/2', '/1'])
  })
  it('a low one does not push a high one out', async () => {
    const cap = limit({ limit: 1, queue: { max: 1, timeout: NEVER }, priority: ({ url }) => url === '/high' ? 'high' : 'low' })
    const app = await start(cap)
    app.open('/0')
    await app.entered(1)
    app.open('/high')
    await until(() => cap.waiting === 1)
    expect((await app.open('/low').answer).status).toBe(503)
    expect(cap.waiting).toBe(1)
  })
})

describe('slots', () => {
  it('are free again after a pipelining client has gone', async () => {
    const cap = limit({ limit: 4, queue: { max: 100, timeout: NEVER } })
    const app = await start(cap)
    const socket = app.connect()
    socket.write('GET /pipelined HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20))
    await until(() => cap.active === 4 && cap.waiting === 16)
    socket.destroy()
    await until(() => cap.active === 0)
    expect([cap.waiting, cap.abandoned, app.visits.length]).toEqual([0, 16, 4])
  })
  it('are taken back from a handler that never answers, which is named', async () => {
    const cap = limit({ limit: 1, queue: { max: 5, timeout: NEVER }, maxHold: 10 })
    const leaks: Leak[] = []
    cap.events.on('leak', (leak) => leaks.push(leak))
    const app = await start(cap)
    app.open('/route/7?x=1')
    await app.entered(1)
    app.open('/next')
    await app.entered(2)
    expect([leaks[0], cap.leaked]).toMatchObject([{ method: 'GET', route: '/route/:id' }, 1])
    app.visits[0]?.response.end()
    app.visits[1]?.response.end()
    await until(() => cap.active === 0)
  })
  it('are released at end() if told so, though the client does not read', async () => {
    const cap = limit({ limit: 1, releaseAt: 'end' })
    const app = await start(cap)
    const socket = app.connect().pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    const [visit] = await app.entered(1)
    visit?.response.end(Buffer.alloc(50_000_000))
    await until(() => cap.active === 0)
    expect(visit?.response.writableFinished).toBe(false)
  })
  it('are released when the handler throws and Express answers', async () => {
    const cap = limit({ limit: 1, queue: false })
    const app = await start(cap, 'Express 5 over HTTP', () => { throw Object.assign(new Error('by intention'), { status: 418 }) })
    expect((await app.open().answer).status).toBe(418)
    await until(() => cap.active === 0)
    expect((await app.open().answer).status).toBe(418)
  })
  it('are not held for an upgraded connection', async () => {
    const cap = limit({ limit: 1, queue: false })
    const app = await start(cap)
    const socket = app.connect()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    const [visit] = await app.entered(1)
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
