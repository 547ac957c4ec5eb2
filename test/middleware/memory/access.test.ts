/** Who gets in, and what those are told who do not. */
import http from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { createServer, gateway } from '../../../lib/index.js'
import { memoryStats, type MemoryStats, type MemoryStatsOptions } from '../../../middleware/memory.js'
import { Subject } from './subject.js'

const endpoints: MemoryStats[] = []
const closers: (() => void)[] = []
const environment = process.env['NODE_ENV']

beforeEach(() => { process.env['NODE_ENV'] = 'test' })
afterEach(() => {
  process.env['NODE_ENV'] = environment
  for (const close of closers.splice(0)) close()
  for (const endpoint of endpoints.splice(0)) endpoint.close()
  jest.restoreAllMocks()
})

function appWith(options?: MemoryStatsOptions, env = 'test'): ReturnType<typeof express> {
  const stats = memoryStats(options)
  endpoints.push(stats)
  const app = express().set('env', env).use('/debug', stats)
  // Express tells an error handler by its four parameters.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  app.use((error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
    response.status(500).send(`of the app: ${error.message}`)
  })
  return app
}

const problem = (response: request.Response): { detail: string } => {
  expect(response.headers).toMatchObject({ 'content-type': 'application/problem+json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  return JSON.parse(response.text) as { detail: string }
}

describe('in production', () => {
  it('nobody without authorize, and a warning says so at the start', async () => {
    process.env['NODE_ENV'] = 'production'
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    const app = appWith()
    expect(warn).toHaveBeenCalledWith('memoryStats: in production everybody is refused. Say who may: memoryStats({ authorize: (request) => … }). See express-responder/docs/reference/middleware-errors.md#err_memory_stats_authorize', expect.anything())
    const { detail } = problem(await request(app).get('/debug/memstats').expect(403))
    expect(detail).toContain('memoryStats({ authorize:')
    expect(warn).toHaveBeenCalledTimes(1)
  })

  it('the app\'s own env counts as well; the warning comes with the first refusal', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    const app = appWith(undefined, 'production')
    expect(warn).not.toHaveBeenCalled()
    await request(app).get('/debug/memstats').expect(403)
    await request(app).get('/debug/nothing').expect(403)
    expect(warn).toHaveBeenCalledTimes(1)
  })

  it('who may, by authorize', async () => {
    process.env['NODE_ENV'] = 'production'
    const app = appWith({ authorize: ({ headers }) => headers.authorization === 'Bearer secret' })
    await request(app).get('/debug/memstats').set('Authorization', 'Bearer secret').expect(200)
    await request(app).get('/debug/memstats').expect(403)
  })
})

describe('elsewhere, without authorize', () => {
  it.each(['localhost', 'localhost:3000', 'app.localhost', '127.0.0.1:80', '127.8.8.8', '[::1]:3000'])('a client on the same machine, Host: %s', async (host) => {
    await request(appWith()).get('/debug/memstats').set('Host', host).expect(200)
  })

  it.each([
    ['Forwarded', 'for=1.2.3.4', 'forwarded'], ['X-Forwarded-For', '127.0.0.1', 'x-forwarded-for'], ['X-Forwarded-Proto', 'https', 'x-forwarded-proto'],
    ['X-Real-IP', '127.0.0.1', 'x-real-ip'], ['Via', '1.1 proxy', 'via'], ['Host', 'example.org', 'Host header'], ['Host', 'localhost.example.org', 'Host header'],
    ['Host', '127.0.0.1.example.org', 'Host header'], ['Host', '', 'Host header'], ['Sec-Fetch-Site', 'cross-site', 'another site'],
  ])('not with %s: %s', async (name, value, reason) => {
    const { detail } = problem(await request(appWith()).get('/debug/memstats').set(name, value).expect(403))
    expect(detail).toContain(reason)
    expect(detail).toContain('memoryStats({ authorize:')
  })

  it.each(['same-origin', 'none', 'same-site'])('a page of its own site may ask: Sec-Fetch-Site: %s', async (site) => {
    await request(appWith()).get('/debug/memstats').set('Sec-Fetch-Site', site).expect(200)
  })

  it('not over a Unix socket, and not over FastCGI, whatever the web server says of the client', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mem-'))
    const server = http.createServer(appWith()).listen(join(directory, 's'))
    closers.push(() => { server.close(); rmSync(directory, { recursive: true }) })
    await once(server, 'listening')
    const status = await new Promise((resolve) => {
      http.get({ socketPath: join(directory, 's'), path: '/debug/memstats', headers: { host: 'localhost' }, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
    })
    expect(status).toBe(403)
    const fastcgi = gateway(createServer(appWith()), { params: { REMOTE_ADDR: '127.0.0.1' } })
    const { detail } = problem(await request(fastcgi).get('/debug/memstats').expect(403))
    expect(detail).toContain('over FastCGI')
  })

  it('not with HTTP/1.0, which nginx speaks for its clients where it is told nothing: it then makes up a local Host, and sets no header', async () => {
    const server = http.createServer(appWith()).listen(0, '127.0.0.1')
    closers.push(() => { server.close() })
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    client.write('GET /debug/memstats HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
    let answer = ''
    client.setEncoding('utf8').on('data', (piece: string) => { answer += piece })
    await once(client, 'end')
    expect(answer).toMatch(/^HTTP\/1\.1 403 /)
    expect(answer).toContain('HTTP/1.0')
  })

  it('not from another machine', async () => {
    const stats = memoryStats()
    endpoints.push(stats)
    const server = http.createServer((incoming, response) => {
      Object.defineProperty(incoming.socket, 'remoteAddress', { value: '192.0.2.7' })
      stats(incoming, response)
    })
    expect(problem(await request(server).get('/memstats').expect(403)).detail).toContain('the client is on another one')
  })
})

describe('authorize', () => {
  it('may be asynchronous, is asked for every path, and no address matters', async () => {
    const asked: string[] = []
    const app = appWith({ authorize: ({ url = '' }) => { asked.push(url); return Promise.resolve(url !== '/metrics') } })
    await request(app).get('/debug/memstats').set('X-Forwarded-For', '1.2.3.4').set('Host', 'example.org').expect(200)
    await request(app).get('/debug/metrics').expect(403)
    await request(app).get('/debug/nothing').expect(404)
    expect(asked).toEqual(['/memstats', '/metrics', '/nothing'])
  })

  it('that names a scheme makes the refusal a 401', async () => {
    const app = appWith({ authorize: (_request, response) => { response.setHeader('WWW-Authenticate', 'Basic realm="memory"'); return false } })
    const response = await request(app).get('/debug/memstats').expect(401)
    problem(response)
    expect(response.headers['www-authenticate']).toBe('Basic realm="memory"')
  })

  it('lets in with true alone', async () => {
    await request(appWith({ authorize: (() => ({ user: 'somebody' })) as never })).get('/debug/memstats').expect(403)
  })

  it('may have answered itself', async () => {
    const app = appWith({ authorize: (_request, response) => { response.writeHead(302, { Location: '/login' }).end(); return false } })
    await request(app).get('/debug/memstats').expect(302).expect('Location', '/login')
  })

  it.each([['throws', () => { throw new Error('no database') }], ['rejects', () => Promise.reject(new Error('no database'))]])('that %s leaves it to the app\'s error handlers, and nobody in', async (_name, authorize) => {
    const { text } = await request(appWith({ authorize })).get('/debug/memstats').expect(500)
    expect(text).toBe('of the app: no database')
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    const stats = memoryStats({ authorize })
    endpoints.push(stats)
    problem(await request(http.createServer((incoming, response) => { stats(incoming, response) })).get('/memstats').expect(500))
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('no database'), { type: 'MemoryStatsWarning', code: 'ERR_MEMORY_STATS_FAILURE' })
  })
})

it.each(['plain http', 'Express 5 over FastCGI'] as const)('a client that has left while authorize was deciding sets nothing off, and takes no place of a stream, on %s', async (carrier) => {
  const waiting: (() => void)[] = []
  let asked = (): void => undefined
  const authorize = ({ headers }: http.IncomingMessage): boolean | Promise<boolean> => headers['x-slow'] === undefined || new Promise((resolve) => {
    waiting.push(() => { resolve(true) })
    asked()
  })
  let left = (): void => undefined
  const subject = await Subject.start(carrier, { authorize: (incoming, response) => { response.once('close', () => { left() }); return authorize(incoming) } })
  closers.push(() => { subject.stop() })
  for (const path of [...Array.from({ length: 16 }, () => 'events'), 'heap']) {
    const begun = new Promise<void>((resolve) => { asked = resolve })
    const { request: client } = subject.request('GET', path, { 'X-Slow': 'yes' })
    await begun
    const gone = new Promise<void>((resolve) => { left = resolve })
    client.destroy()
    await gone
  }
  left = (): void => undefined
  for (const allow of waiting) allow()
  expect((await subject.request('HEAD', 'events').answer).status).toBe(200)
  expect((await subject.get('callsites')).status).toBe(200)
})

describe('another site\'s page', () => {
  const open = { authorize: () => true, gc: true } as const

  it.each([
    ['Sec-Fetch-Site: cross-site', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['Sec-Fetch-Site: same-site', { 'Sec-Fetch-Site': 'same-site' }, 403],
    ['another Origin', { Origin: 'http://evil.example', Host: 'app.example' }, 403],
    ['an Origin of another port', { Origin: 'http://app.example:8080', Host: 'app.example' }, 403],
    ['Origin: null', { Origin: 'null' }, 403],
    ['its own page, over HTTPS', { 'Sec-Fetch-Site': 'same-origin', 'Origin': 'https://app.example', 'Host': 'app' }, 200],
    ['its own page, over HTTP', { Origin: 'http://app.example', Host: 'App.example' }, 200],
    ['no browser', {}, 200],
  ])('POST with %s', async (_name, headers, status) => {
    const response = await request(appWith(open)).post('/debug/gc').set(headers).expect(status)
    if (status === 403) problem(response)
  })

  it('may lead to the figures, but to nothing that is expensive', async () => {
    await request(appWith(open)).get('/debug/memstats').set('Sec-Fetch-Site', 'cross-site').expect(200)
    await request(appWith(open)).get('/debug/settle').set('Sec-Fetch-Site', 'cross-site').expect(405)
  })

  it('is told nothing by CORS: a preflight is a 405', async () => {
    const { headers } = await request(appWith(open)).options('/debug/gc').set('Origin', 'http://evil.example').expect(405)
    expect(headers['access-control-allow-origin']).toBeUndefined()
  })
})

it('over FastCGI authorize decides as it does over HTTP', async () => {
  const subject = await Subject.start('Express 5 over FastCGI', { authorize: ({ headers }) => headers['x-key'] === 'right' })
  closers.push(() => { subject.stop() })
  expect((await subject.get('memstats', { 'X-Key': 'right' })).status).toBe(200)
  expect((await subject.get('memstats')).status).toBe(403)
})
