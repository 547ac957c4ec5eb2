/** The built-in answer: by Accept, by the error, and without what must not be told. */
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import express4 from 'express4'
import express5, { type Express, type RequestHandler } from 'express'
import http from 'node:http'
import http2 from 'node:http2'
import { once } from 'node:events'
import { connect, Socket, type AddressInfo } from 'node:net'
import { pino } from 'pino'
import request from 'supertest'
import { recovery, recoveryInfo, ThrownValueError, type RecoveryOptions, type RecoveryReport } from '../../../middleware/recovery.js'

afterAll(() => {
  recovery.uninstall()
})

function appOf(handler: RequestHandler, options?: RecoveryOptions, express: () => Express = express5): Express {
  const quiet: RecoveryOptions = { logger: false, ...options }
  return express().use(recovery(quiet)).use(handler).use(recovery.errors(quiet))
}

function throwing(error: unknown, options?: RecoveryOptions): Express {
  return appOf(() => {
    throw error
  }, options)
}

const secret = (): Error => new Error('the password is 1234')

describe('the answer', () => {
  it.each([
    ['application/json', 'application/problem+json'],
    ['application/problem+json', 'application/problem+json'],
    ['*/*', 'application/problem+json'],
    ['image/png', 'application/problem+json'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text/html; charset=utf-8'],
    ['text/plain', 'text/plain; charset=utf-8'],
  ])('to Accept: %s is %s', async (accept, type) => {
    const { headers, body } = await request(throwing(secret())).get('/').set('Accept', accept).responseType('blob').expect(500) as { headers: Record<string, string>; body: Buffer }
    expect(headers).toMatchObject({ 'content-type': type, 'vary': 'Accept', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    expect(body.toString()).not.toMatch(/1234|at /)
    expect(Number(headers['content-length'])).toBeGreaterThan(0)
  })
  it('to HEAD has no body', async () => {
    const { headers } = await request(throwing(secret())).head('/').expect(500)
    expect(headers['content-type']).toBe('application/problem+json')
  })
  it('has the status of the error, and the message of a client error', async () => {
    const gone = Object.assign(new Error('it went away <b>'), { status: 410, headers: { 'Retry-After': '9', 'Set-Cookie': 'a=b' } })
    expect(await problemOf(request(throwing(gone)).get('/').expect(410))).toMatchObject({ status: 410, title: 'Gone', detail: 'it went away <b>' })
    const { headers } = await request(throwing(gone)).get('/')
    expect([headers['retry-after'], headers['set-cookie']]).toEqual(['9', undefined])
    const page = await request(throwing(gone)).get('/').set('Accept', 'text/html').expect(410)
    expect(page.text).toContain('it went away &lt;b&gt;')
  })
  it.each([[200], [302], [600], ['404'], [4.5]])('does not take %p for a status', async (status) => {
    await request(throwing(Object.assign(secret(), { status }))).get('/').expect(500)
  })
  it('hides the message of a client error that says so', async () => {
    const { text } = await request(throwing(Object.assign(secret(), { statusCode: 403, expose: false }))).get('/').set('Accept', 'text/plain').expect(403)
    expect(text).not.toContain('1234')
  })
  it('shows neither message nor stack in production, whatever was asked for', async () => {
    const before = process.env['NODE_ENV']
    process.env['NODE_ENV'] = 'production'
    try {
      const { text } = await request(throwing(secret(), { expose: true })).get('/').set('Accept', 'text/plain').expect(500)
      expect(text).not.toMatch(/1234| at /)
    } finally {
      process.env['NODE_ENV'] = before
    }
  })
  it('shows message and stack where that is asked for', async () => {
    const { text } = await request(throwing(secret(), { expose: true })).get('/').set('Accept', 'text/plain').expect(500)
    expect(text).toMatch(/the password is 1234[\s\S]* at /)
  })
  it('has nothing of the response that was to be', async () => {
    const { headers } = await request(appOf((_req, res) => {
      res.set({ 'Content-Type': 'image/png', 'Content-Encoding': 'gzip', 'ETag': '"1"', 'Set-Cookie': 'a=b', 'Cache-Control': 'public', 'Vary': 'Origin', 'X-Kept': 'yes' })
      throw secret()
    })).get('/').expect(500)
    expect(headers).toMatchObject({ 'vary': 'Origin, Accept', 'x-kept': 'yes', 'cache-control': 'no-store' })
    for (const name of ['content-encoding', 'etag', 'set-cookie']) expect(headers).not.toHaveProperty(name)
  })
  it.each([
    ['from-the-proxy', 'from-the-proxy'],
    ['evil\tid with spaces', expect.stringMatching(/^urn:uuid:/)],
    ['x'.repeat(200), expect.stringMatching(/^urn:uuid:/)],
  ])('names the request: %p', async (given, instance) => {
    expect(await problemOf(request(throwing(secret())).get('/').set('X-Request-Id', given).expect(500))).toMatchObject({ instance })
  })
  it('takes the id from req.id, or from an option', async () => {
    const withId = express5().use((req, _res, next) => {
      Object.assign(req, { id: 7 })
      next()
    }).use(throwing(secret()))
    expect(await problemOf(request(withId).get('/'))).toMatchObject({ instance: '7' })
    const asked = throwing(secret(), { requestId: ({ url }) => `id of ${String(url)}` })
    expect(await problemOf(request(asked).get('/a'))).toMatchObject({ instance: 'id of /a' })
  })
  it('comes without Express, too', async () => {
    const first = recovery()
    const last = recovery.errors()
    const server = http.createServer((req, res) => {
      first(req, res, (error) => {
        last(error ?? secret(), req, res, () => undefined)
      })
    })
    await request(server).get('/').expect(500)
  })
  it('is not written where the connection speaks another protocol', async () => {
    const reports: RecoveryReport[] = []
    const app = express5().use(recovery({ onRecover: (report) => reports.push(report) })).get('/socket', () => {
      recovery.bind(() => {
        throw secret()
      })()
    })
    const server = http.createServer(app)
    server.on('upgrade', (req, socket) => {
      const response = new http.ServerResponse(req)
      if (socket instanceof Socket) response.assignSocket(socket)
      app(req as never, response as never)
      socket.end('after')
    })
    server.listen(0)
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port).setEncoding('latin1')
    socket.write('GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n')
    expect((await socket.toArray()).join('')).toBe('after')
    expect(reports.map(({ outcome }) => outcome)).toEqual(['reported only'])
    server.close()
  })
  it('comes over HTTP/2', async () => {
    const reports: RecoveryReport[] = []
    const first = recovery({ onRecover: (report) => reports.push(report) })
    const last = recovery.errors()
    const server = http2.createServer((req, res) => {
      first(req as never, res as never, () => {
        if (req.url === '/late') res.on('finish', () => { throw secret() }).end('done')
        else last(secret(), req as never, res as never, () => undefined)
      })
    }).listen(0)
    await once(server, 'listening')
    const client = http2.connect(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
    const statuses = []
    for (const path of ['/', '/late']) {
      const stream = client.request({ ':path': path }).resume()
      const [headers] = await once(stream, 'response') as [http2.IncomingHttpHeaders]
      statuses.push(headers[':status'])
      await once(stream, 'close')
    }
    expect(statuses).toEqual([500, 200])
    expect(reports.map(({ url, kind }) => [url, kind])).toEqual([['/', 'throw'], ['/late', 'emitter']])
    client.close()
    server.close()
  })
})

/** supertest's parser for a type that it does not know. */
async function problemOf(test: request.Test): Promise<Record<string, unknown>> {
  const { body } = await test.responseType('blob') as { body: Buffer }
  return JSON.parse(body.toString()) as Record<string, unknown>
}

describe('what is told', () => {
  const reports: RecoveryReport[] = []
  const options: RecoveryOptions = { onRecover: (report) => reports.push(report) }
  afterEach(() => {
    reports.length = 0
  })
  const headers = { 'Authorization': 'Basic c2VjcmV0', 'Cookie': 'session=s3cr3t', 'X-Plain': 'seen' }

  it('names the request and its route, and masks what is secret', async () => {
    const error = secret()
    const app = express5().use(recovery(options)).use('/shop', express5.Router().get('/items/:id', (_req, res) => {
      res.cookie('session', 'n3w')
      throw error
    })).use(recovery.errors(options))
    await request(app).get('/shop/items/7?q=1').set(headers).expect(500)
    expect(reports).toMatchObject([{
      error, kind: 'throw', phase: 'before-headers', late: false, outcome: 'answered', method: 'GET', url: '/shop/items/7?q=1', route: '/shop/items/:id',
      headers: { 'authorization': '[masked]', 'cookie': '[masked]', 'x-plain': 'seen' }, responseHeaders: { 'set-cookie': '[masked]' },
    }])
    expect(recoveryInfo(error)).toEqual({ kind: 'throw', phase: 'before-headers' })
    expect(error).toHaveProperty('recovery', { kind: 'throw', phase: 'before-headers' })
  })
  it("works with pino and its error serializer, with nothing secret in the line", async () => {
    await request(throwing(secret(), options)).get('/').set(headers).expect(500)
    let line = ''
    const logger = pino({}, { write: (text: string) => (line += text) })
    const [report] = reports
    logger.error({ err: report?.error, report }, 'recovered')
    expect(JSON.parse(line)).toMatchObject({ msg: 'recovered', err: { type: 'Error', recovery: { kind: 'throw' } }, report: { url: '/' } })
    expect(line).not.toMatch(/c2VjcmV0|s3cr3t/)
  })
  it('is counted by route and kind', async () => {
    const first = recovery(options)
    const app = express5().use(first).get('/a/:b', () => {
      throw secret()
    }).use(recovery.errors())
    await request(app).get('/a/1').expect(500)
    await request(app).get('/a/2').expect(500)
    await request(app).get('/none').expect(404)
    expect([first.total, first.counts()]).toEqual([2, [{ route: '/a/:b', kind: 'throw', count: 2 }]])
  })
  it("says nothing of clients' errors", async () => {
    await request(throwing(Object.assign(new Error('no'), { status: 404 }), options)).get('/').expect(404)
    expect(reports).toEqual([])
  })
  it('makes an error of what is none', async () => {
    await request(throwing('a string', options)).get('/').expect(500)
    const [report] = reports
    expect(report?.error).toBeInstanceOf(ThrownValueError)
    expect(report?.error).toMatchObject({ value: 'a string', code: 'ERR_RECOVERY_THROWN_VALUE' })
  })
  it('a hook that throws changes nothing', async () => {
    await request(throwing(secret(), { onRecover: () => { throw new Error('in the hook') } })).get('/').expect(500)
  })
})

describe('mounting', () => {
  it.each([['Express 4', express4 as unknown as () => Express], ['Express 5', express5]])('twice is once: %s', async (_name, express) => {
    const reports: RecoveryReport[] = []
    const options: RecoveryOptions = { onRecover: (report) => reports.push(report) }
    const inner = appOf((_req, res) => { res.on('finish', () => { throw secret() }).end('done') }, options, express)
    await request(express().use(recovery(options)).use(inner)).get('/').expect(200)
    expect(reports).toHaveLength(1)
  })
  it.each([
    [{ intensity: true }, "recovery: option intensity is true: give { max, windowMs } or false"],
    [{ intensity: { max: -1 } }, 'recovery: option intensity.max is -1: give a whole number of at least 0'],
    [{ intensity: { maximum: 1 } }, 'recovery: option intensity.maximum: no such option; there are max, windowMs'],
    [{ answerTimeout: 0 }, 'recovery: option answerTimeout is 0: give a whole number from 1 to 2147483647'],
    [{ onRecover: 'log' }, "recovery: option onRecover is 'log': give a function"],
    [{ expose: 'yes' }, "recovery: option expose is 'yes': give true or false"],
    [{ hook: 1 }, /^recovery: option hook: no such option; there are intensity, /],
  ])('with %j fails at once', (options, message) => {
    expect(() => recovery(options as RecoveryOptions)).toThrow(message)
  })
  it('without calling it says what to write', async () => {
    const { text } = await request(express5().use(recovery as never)).get('/').expect(500)
    expect(text).toContain('app.use(recovery())')
  })
})

describe('uninstall()', () => {
  it('puts everything back, and apps that are mounted go on without', async () => {
    recovery.uninstall()
    const methods: readonly (readonly [object: object, name: string])[] = [
      [http.IncomingMessage.prototype, 'on'], [http.ServerResponse.prototype, 'on'], [process, 'emit'], [globalThis, 'queueMicrotask'],
    ]
    const patched = (): unknown[] => methods.map(([object, name]) => Reflect.get(object, name) as unknown)
    const isOwn = (): boolean => Object.hasOwn(http.IncomingMessage.prototype, 'on')
    const before = patched()
    const wasOwn = isOwn()
    const app = throwing(secret())
    expect(patched().map((method, index) => method === before[index])).toEqual([false, false, false, false])
    recovery.uninstall()
    expect(patched()).toEqual(before)
    expect(isOwn()).toBe(wasOwn)
    await request(app).get('/').expect(500)
  })
})
