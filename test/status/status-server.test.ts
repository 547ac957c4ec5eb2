/** The status on its Unix socket, and under a path of the app's own server. */
import { mkdtempSync, rmSync, statSync, existsSync, writeFileSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { StatusReporter } from '../../lib/status/status-reporter.js'
import { startStatusServer, type StatusServer } from '../../lib/status/status-server.js'
import { createStatusPath, type StatusRequest } from '../../lib/workers/status-path.js'
import { cap, FakePool, pool, sources, worker } from './pool.js'

let directory: string
let observer: FakePool
let reporter: StatusReporter
let servers: StatusServer[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'status-'))
  observer = new FakePool()
  reporter = new StatusReporter({ observer, backlog: () => ({ waiting: 3, limit: 511 }) })
})

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()))
  servers = []
  reporter.close()
  rmSync(directory, { recursive: true })
})

async function start(options: Partial<Parameters<typeof startStatusServer>[0]> = {}): Promise<StatusServer> {
  const server = await startStatusServer({ socket: join(directory, 'status.sock'), reporter, ...options })
  servers.push(server)
  return server
}

interface Answer { status: number | undefined; headers: IncomingHttpHeaders; body: string }

async function ask(path: string, { socketPath = join(directory, 'status.sock'), method = 'GET', port = undefined as number | undefined } = {}): Promise<Answer> {
  const request = httpRequest({ ...port === undefined ? { socketPath } : { port }, path, method, agent: false }).end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk)
  return { status: response.statusCode, headers: response.headers, body }
}

describe('the status socket', () => {
  it('is for its owner and group alone, and goes with the server', async () => {
    const server = await start()
    expect(statSync(server.address).mode & 0o777).toBe(0o660)
    await server.close()
    await server.close()
    expect(existsSync(server.address)).toBe(false)
  })

  it('takes another mode', async () => {
    const { address } = await start({ mode: 0o600 })
    expect(statSync(address).mode & 0o777).toBe(0o600)
  })

  it('is refused under the name of its own option where no socket can be', async () => {
    writeFileSync(join(directory, 'file'), '')
    await expect(start({ socket: join(directory, 'file') })).rejects.toMatchObject({ code: 'ERR_FCGI_SOCKET_FILE', message: expect.stringContaining('option statusSocket') })
    await expect(start({ group: 'no-such-group' })).rejects.toMatchObject({ code: 'ERR_FCGI_SOCKET_OWNER', message: expect.stringContaining('option statusSocket') })
  })

  it('tells the state of the pool as text, as php-fpm does', async () => {
    await start()
    const { status, headers, body } = await ask('/status')
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(body).toMatch(/^address: +\/run\/app\/app\.sock\nstate: +ready\n/)
    expect(body).toMatch(/^requests: +1200$/m)
    expect(body).toMatch(/^listen queue: +3\nmax listen queue: +3\nlisten queue len: +511$/m)
    expect(body).toMatch(/^idle workers: +0\nactive workers: +2\ntotal workers: +2$/m)
    expect(body).not.toContain('pid:')
  })

  it('tells of each worker with ?full: state, age, cap, verdict, recoveries and what runs for long', async () => {
    await start()
    const { body } = await ask('/status?full')
    const [, first] = body.split('************************\n')
    expect(first).toMatch(/^worker: +0\npid: +1000\nstate: +ready\n/)
    expect(first).toMatch(/^cap 0: +5 of 10 active, 2 waiting; accepted 40, rejected 7$/m)
    expect(first).toMatch(/^verdict: +ok: No growth/m)
    expect(first).toMatch(/^recovered: +3 × throw at \/users\/:id$/m)
    expect(first).toMatch(/^slow, still running: +2\.5 s GET \/report \(\/report\)$/m)
  })

  it('lets no route begin a line of its own', async () => {
    observer.told = () => sources({ recovery: [{ total: 1, givenUp: false, counts: [{ route: '/a\nstate: ready\u001b[2J', kind: 'throw', count: 1 }] }] })
    await start()
    expect((await ask('/status?full')).body).toContain('throw at /a?state: ready?[2J\n')
  })

  it('tells the same as JSON', async () => {
    await start()
    const { headers, body } = await ask('/status.json')
    expect(headers['content-type']).toBe('application/json')
    expect(JSON.parse(body)).toMatchObject({
      state: 'ready', ready: true, unanswered: 0, backlog: { waiting: 3, limit: 511, most: 3 },
      totals: { requests: 1200, rejected: 14, rateLimited: 12, recovered: 6, slow: 4 },
      workers: [{ worker: 0, pid: 1000, answered: true, caps: [{ limit: 10 }], memory: { state: 'ok' } }, { worker: 1 }],
    })
  })

  it('answers 404 with what there is, and 405 to what would change something', async () => {
    await start()
    expect(await ask('/nothing')).toMatchObject({ status: 404, body: expect.stringContaining('/status.json') })
    expect(await ask('/status', { method: 'POST' })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
    expect(await ask('/status', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' })
  })

  it('serves the page with a policy that lets nothing in from elsewhere', async () => {
    await start()
    const { headers, body } = await ask('/')
    expect(body).toMatch(/^<!doctype html>/)
    expect(headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', 'x-frame-options': 'DENY', 'content-security-policy': expect.stringMatching(/^default-src 'self';.*require-trusted-types-for 'script'$/) })
    expect((await ask('/page.js')).headers['content-type']).toBe('text/javascript; charset=utf-8')
  })
})

describe('/readyz', () => {
  it.each([
    ['ready', () => undefined, 200, 'ok\n'],
    ['starting', () => { observer.now = pool({ state: 'starting', workers: [worker({ state: 'starting', report: undefined, reportedAt: undefined })] }) }, 503, 'starting\n'],
    ['without a ready worker', () => { observer.now = pool({ workers: [] }) }, 503, 'starting\n'],
    ['draining', () => { observer.now = pool({ state: 'draining' }) }, 503, 'draining\n'],
    ['reloading, with old workers that serve', () => { observer.now = pool({ state: 'reloading' }) }, 200, 'ok\n'],
    ['all full', () => { observer.told = () => sources({ concurrencyLimit: [{ ...cap, full: true }] }) }, 503, 'capped\n'],
    ['one of two full', () => { observer.told = ({ pid }) => sources({ concurrencyLimit: [{ ...cap, full: pid === 1000 }] }) }, 200, 'ok\n'],
    ['without any answer', () => { observer.told = () => undefined }, 200, 'ok\n'],
  ])('%s', async (_, arrange, status, body) => {
    arrange()
    await start()
    expect(await ask('/readyz')).toMatchObject({ status, body })
    expect(await ask('/livez')).toMatchObject({ status: 200, body: 'ok\n' })
  })

  it('leaves a full cap out where it is asked to, and nothing else', async () => {
    observer.told = () => sources({ concurrencyLimit: [{ ...cap, full: true }] })
    await start()
    expect(await ask('/readyz?exclude=capped')).toMatchObject({ status: 200, body: 'ok\n' })
    expect(await ask('/readyz?exclude=capable')).toMatchObject({ status: 503, body: 'capped\n' })
    observer.now = pool({ state: 'draining' })
    expect(await ask('/readyz?exclude=capped')).toMatchObject({ status: 503, body: 'draining\n' })
  })
})

describe('the status path of the app\'s server', () => {
  async function serving(ask: (request: StatusRequest) => ReturnType<StatusReporter['answer']>): Promise<{ port: number; close: () => void }> {
    const statusPath = createStatusPath('/internal/status', ask)
    const server = createServer((request, response) => { if (!statusPath(request, response)) response.end(`app: ${request.url ?? ''}`) }).listen(0)
    await once(server, 'listening')
    return { port: (server.address() as { port: number }).port, close: () => { server.closeAllConnections(); server.close() } }
  }

  it('has the same, and leaves all else to the app', async () => {
    const { port, close } = await serving((request) => reporter.answer(request))
    expect((await ask('/internal/status/status', { port })).body).toMatch(/^address:/)
    expect((await ask('/internal/status/metrics', { port })).body).toMatch(/# EOF\n$/)
    expect(await ask('/internal/status', { port })).toMatchObject({ status: 307, headers: { location: './status/' } })
    expect((await ask('/internal/status/', { port })).body).toMatch(/^<!doctype html>/)
    expect((await ask('/internal/statuses', { port })).body).toBe('app: /internal/statuses')
    expect((await ask('/', { port })).body).toBe('app: /')
    close()
  })

  it('answers 503 where the primary process does not', async () => {
    const { port, close } = await serving(() => Promise.reject(new Error('the channel is closed')))
    expect(await ask('/internal/status/status', { port })).toMatchObject({ status: 503, body: expect.stringContaining('the channel is closed') })
    close()
  })

  it.each(['status', '/', '/status/', '/a b'])('is refused as %j', (path) => {
    expect(() => createStatusPath(path, () => Promise.reject(new Error()))).toThrow('option statusPath')
  })
})
