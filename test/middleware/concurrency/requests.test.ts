/** Which requests concurrencyLimit() counts, what it answers, and what it leaves to the app. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it, jest } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { limit, start, until, answerOk } from './support.js'

describe('what is capped', () => {
  it('health checks are not, unless skip says otherwise', async () => {
    const cap = limit({ limit: 1, queue: false })
    const app = await start(cap)
    app.open()
    await app.entered(1)
    const check = app.open('/healthz?verbose')
    const [, health] = await app.entered(2)
    health?.response.end('fine')
    expect((await check.answer).body).toBe('fine')
    const strict = limit({ limit: 1, skip: () => false })
    expect((await request(express().use(strict, answerOk)).get('/healthz')).status).toBe(200)
    expect([cap.accepted, strict.accepted]).toEqual([1, 1])
  })
  it('key: each by itself, 429 with the reason key; what has none is not limited by it', async () => {
    const cap = limit({ limit: 1, queue: false, key: ({ headers }) => headers['x-tenant'] as string | undefined })
    const app = await start(cap)
    for (const [index, tenant] of ['a', 'b'].entries()) {
      app.open('/', { 'x-tenant': tenant })
      await app.entered(index + 1)
    }
    const { status, body } = await app.open('/', { 'x-tenant': 'a' }).answer
    expect([status, JSON.parse(body)]).toMatchObject([429, { reason: 'key' }])
    app.open('/')
    await app.entered(3)
    expect(cap.active).toBe(2)
    for (const { response } of app.visits) response.end()
    await until(() => cap.active === 0)
  })
  it('by a function, each key its own number', async () => {
    const cap = limit({ limit: ({ url }) => url === '/wide' ? 2 : 1, queue: false, key: ({ url }) => url })
    const app = await start(cap)
    app.open('/wide')
    app.open('/wide')
    app.open('/narrow')
    await app.entered(3)
    expect((await app.open('/narrow').answer).status).toBe(429)
    expect((await app.open('/wide').answer).status).toBe(429)
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
  it('handler: a function answers itself, with the reason', async () => {
    const cap = limit({ limit: 1, queue: false, handler: (_request, response, _next, { reason }) => { response.writeHead(529).end(reason) } })
    const app = await start(cap)
    app.open()
    await app.entered(1)
    expect(await app.open().answer).toMatchObject({ status: 529, body: 'limit' })
  })
  it('handler: \'next\' leaves a 503 with Retry-After to Express\'s error handlers', async () => {
    const cap = limit({ limit: 1, queue: false, handler: 'next' })
    const app = await start(cap)
    app.open()
    await app.entered(1)
    const { status, headers } = await app.open().answer
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
    const app = await start(cap)
    app.open()
    await app.entered(1)
    expect((await app.open().answer).status).toBe(503)
    expect(emitWarning).toHaveBeenCalledWith(expect.stringContaining('by intention'), { code: 'ERR_CONCURRENCY_LIMIT_LISTENER' })
    emitWarning.mockRestore()
  })
})
