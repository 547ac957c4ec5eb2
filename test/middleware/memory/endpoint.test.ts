/** Routes that others bring: whose turn it is, what HEAD does, what becomes of a handler that fails. */
import http from 'node:http'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { Access } from '../../../middleware/memory/access.js'
import { Endpoint } from '../../../middleware/memory/endpoint.js'
import type { Route } from '../../../middleware/memory/route.js'
import { OperationLock } from '../../../middleware/memory/operation-lock.js'

afterEach(() => { jest.restoreAllMocks() })

function route(path: string, rest: Partial<Route> = {}): Route {
  return { method: 'GET', path, expensive: false, handle: (_request, response) => { response.end(`the ${path}`) }, ...rest }
}

const FORCING = { expensive: true, forces: true } as const

function appWith(routes: Route[], now?: () => number): ReturnType<typeof express> {
  const endpoint = new Endpoint({
    routes, access: new Access(() => true), monitor: { operationLock: new OperationLock(now), requests: { exclude: () => undefined } }, scrapeInterval: 10_000,
  })
  const app = express().set('env', 'test')
  app.use('/debug/pprof', (incoming, response, next) => { endpoint.handle(incoming, response, next) })
  // Express tells an error handler by its four parameters.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  app.use((error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
    response.status(500).send(`of the app: ${error.message}`)
  })
  return app
}

describe('the path', () => {
  it('is one segment below the mount, with any query', async () => {
    const app = appWith([route('heap')])
    expect((await request(app).get('/debug/pprof/heap?debug=1')).text).toBe('the heap')
    await request(app).get('/debug/pprof/deeper/heap').expect(404)
  })

  it('may have a route for each method', async () => {
    const app = appWith([route('symbol'), route('symbol', { method: 'POST', handle: (_request, response) => { response.end('posted') } })])
    expect((await request(app).get('/debug/pprof/symbol')).text).toBe('the symbol')
    expect((await request(app).post('/debug/pprof/symbol')).text).toBe('posted')
    await request(app).put('/debug/pprof/symbol').expect(405).expect('Allow', 'GET, HEAD, POST')
  })
})

describe('what forces a collection', () => {
  it('says so, and comes no more often than every ten seconds', async () => {
    let time = 0
    const app = appWith([route('heap', FORCING), route('callsites', FORCING), route('profile', { expensive: true }), route('mark', { ...FORCING, method: 'POST' })], () => time)
    await request(app).get('/debug/pprof/heap').expect(200).expect('Forced-GC', 'true')
    time = 2500
    const { text } = await request(app).get('/debug/pprof/callsites').expect(429).expect('Retry-After', '8')
    expect(JSON.parse(text)).toMatchObject({ status: 429, reason: 'too-soon', detail: 'This forces a collection, and so did heap just now.' })
    const { headers } = await request(app).get('/debug/pprof/profile').expect(200)
    expect(headers['forced-gc']).toBeUndefined()
    await request(app).post('/debug/pprof/mark').expect(200).expect('Forced-GC', 'true')
    time = 10_000
    await request(app).get('/debug/pprof/callsites').expect(200)
  })

  it('is not done for a HEAD', async () => {
    const handle = jest.fn<Route['handle']>()
    const head: Route['handle'] = (_request, response) => { response.setHeader('Content-Type', 'text/x-heap').end() }
    const app = appWith([route('heap', { ...FORCING, handle, head })])
    const { headers } = await request(app).head('/debug/pprof/heap').expect(200).expect('Content-Type', 'text/x-heap')
    expect([handle.mock.calls.length, headers['cache-control'], headers['forced-gc']]).toEqual([0, 'no-store', undefined])
  })

  it('is refused to a HEAD as it is to a GET, which a HEAD keeps from nothing', async () => {
    const app = appWith([route('heap', FORCING)], () => 0)
    await request(app).head('/debug/pprof/heap').expect(200)
    await request(app).get('/debug/pprof/heap').expect(200)
    await request(app).head('/debug/pprof/heap').expect(429).expect('Retry-After', '10')
  })
})

describe('an expensive handler', () => {
  it('that fails lets the next one in', async () => {
    let calls = 0
    const app = appWith([route('profile', { expensive: true, handle: (_request, response) => {
      if (calls++ === 0) return Promise.reject(new Error('failed'))
      response.end('ok')
      return undefined
    } })])
    expect((await request(app).get('/debug/pprof/profile').expect(500)).text).toBe('of the app: failed')
    await request(app).get('/debug/pprof/profile').expect(200)
  })

  it('keeps the next one out until it is over, not until its client has left', async () => {
    let finish: () => void = () => undefined
    let entered: () => void = () => undefined
    const inside = new Promise<void>((resolve) => { entered = resolve })
    const app = appWith([route('profile', { expensive: true, handle: () => new Promise<void>((resolve) => { finish = resolve; entered() }) })])
    const server = http.createServer(app).listen(0)
    const client = request(server).get('/debug/pprof/profile')
    client.end(() => undefined)
    await inside
    client.abort()
    await request(server).get('/debug/pprof/profile').expect(429)
    finish()
    server.close()
    server.closeAllConnections()
  })
})

it('a handler that fails once its answer has begun breaks the answer off', async () => {
  const app = appWith([route('heap', { handle: (_request, response) => {
    response.write('a part')
    throw new Error('failed')
  } })])
  await expect(request(app).get('/debug/pprof/heap')).rejects.toThrow(/aborted|hang up/)
})
