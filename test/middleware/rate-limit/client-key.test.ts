/** Whose request it is: clients get counts of their own wherever they come from, and never one for all. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http, { type ServerResponse } from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Logger } from 'express-rate-limit'
import { createServer, type ServerOptions } from '../../../lib/index.js'
import { rateLimit, type RateLimitOptions } from '../../../middleware/rate-limit.js'
import { FastCgiClient } from '../../support/fastcgi-client.js'
import { listen, portOf } from '../../support/http.js'
import type { Answer, Carrier, AppServer } from '../../support/app-server.js'
import { type ErrorAnswer, mountLimits, type Setup, startLimited } from './support.js'

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** What the operator is told. */
class Log implements Logger {
  readonly lines: string[] = []
  error = (error: unknown): void => { this.lines.push(String(error)) }
  warn = this.error
}

async function start(options: RateLimitOptions, setup: Setup = {}): Promise<{ app: AppServer; log: Log }> {
  const log = new Log()
  const app = await startLimited(rateLimit({ windowMs: 3_600_000, limit: 1, logger: log, ...options }), setup)
  closers.push(() => { app.stop() })
  return { app, log }
}

async function onUnixSocket(options: RateLimitOptions, setup: Setup = {}): Promise<{ app: AppServer; log: Log }> {
  const directory = await mkdtemp(join(tmpdir(), 'er-'))
  closers.push(() => rm(directory, { recursive: true }))
  return start(options, { ...setup, socketPath: join(directory, 'app.sock') })
}

const forwarded = (address: string): { headers: Record<string, string> } => ({ headers: { 'x-forwarded-for': address } })

function expectRefused({ status, body }: Answer, message: string): void {
  const error = JSON.parse(body) as ErrorAnswer
  expect([status, error.code]).toEqual([500, 'ERR_RATE_LIMIT_KEY'])
  expect(error.message).toContain(message)
}

describe.each(['Express 5 over HTTP', 'Express 4 over HTTP', 'plain http'] as const)('%s on a Unix socket', (carrier) => {
  it('with no word of the client: refused, with the remedy for the operator once', async () => {
    const { app, log } = await onUnixSocket({}, { carrier })
    for (const question of [{}, {}, forwarded('203.0.113.1')]) expectRefused(await app.ask(question), "app.set('trust proxy', 1)")
    expect(app.handled).toBe(0)
    expect(log.lines).toEqual([expect.stringContaining('proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for')])
  })

  it('with trustedProxies each client counts alone, whatever it writes into the header', async () => {
    const { app, log } = await onUnixSocket({ trustedProxies: 1 }, { carrier })
    expect(await app.statuses(2, forwarded('203.0.113.1'))).toEqual([200, 429])
    expect(await app.statuses(1, forwarded('198.51.100.7, 203.0.113.1'))).toEqual([429])
    expect(await app.statuses(2, forwarded('203.0.113.1, 203.0.113.2'))).toEqual([200, 429])
    expectRefused(await app.ask(), 'the client has no address')
    expect(log.lines).toHaveLength(1)
  })

  it('two proxies: the address that the outer one saw', async () => {
    const { app } = await onUnixSocket({ trustedProxies: 2 }, { carrier })
    expect(await app.statuses(2, forwarded('203.0.113.1, 192.0.2.80'))).toEqual([200, 429])
    expect(await app.statuses(1, forwarded('198.51.100.7, 203.0.113.1, 192.0.2.80'))).toEqual([429])
    expect(await app.statuses(1, forwarded('203.0.113.2, 192.0.2.80'))).toEqual([200])
  })

  it('skip and keyGenerator need no address', async () => {
    const { app } = await onUnixSocket({ skip: ({ url }) => url === '/health', keyGenerator: ({ headers }) => String(headers['x-user']) }, { carrier })
    expect(await app.statuses(2, { path: '/health' })).toEqual([200, 200])
    expect(await app.statuses(2, { headers: { 'x-user': 'ann' } })).toEqual([200, 429])
  })
})

describe.each(['Express 5 over HTTP', 'Express 4 over HTTP'] as const)('%s goes by its own setting', (carrier) => {
  it('on a Unix socket', async () => {
    const { app, log } = await onUnixSocket({}, { carrier, settings: { 'trust proxy': 1 } })
    expect(await app.statuses(2, forwarded('203.0.113.1'))).toEqual([200, 429])
    expect(await app.statuses(1, forwarded('198.51.100.7, 203.0.113.1'))).toEqual([429])
    expect(log.lines).toEqual([])
  })

  it('a setting that cannot trust a Unix socket is none', async () => {
    const { app } = await onUnixSocket({}, { carrier, settings: { 'trust proxy': 'loopback' } })
    expectRefused(await app.ask(forwarded('203.0.113.1')), 'the client has no address')
  })

  it('on TCP, also where the client is on this machine', async () => {
    const { app, log } = await start({ limit: 2 }, { carrier, settings: { 'trust proxy': 'loopback' } })
    expect(await app.statuses(3, forwarded('203.0.113.1'))).toEqual([200, 200, 429])
    expect(await app.statuses(2, forwarded('127.0.0.1'))).toEqual([200, 200])
    expect(log.lines).toEqual([])
  })

  it('one that lets clients choose their key is told once', async () => {
    const { app, log } = await start({}, { carrier, settings: { 'trust proxy': true } })
    expect(await app.statuses(2, forwarded('198.51.100.7, 203.0.113.1'))).toEqual([200, 429])
    expect(log.lines).toEqual([expect.stringContaining("'trust proxy' is true")])
    const silent = await start({ validate: { trustProxy: false } }, { carrier, settings: { 'trust proxy': true } })
    await silent.app.ask(forwarded('203.0.113.1'))
    expect(silent.log.lines).toEqual([])
  })
})

describe.each(['Express 5 over HTTP', 'plain http', 'plain HTTP/2'] as const)('%s behind a proxy on this machine that nobody trusts', (carrier) => {
  it.each([
    ['x-forwarded-for', '203.0.113.1', 'xForwardedForHeader'], ['x-real-ip', '203.0.113.1', 'xForwardedForHeader'], ['forwarded', 'for=203.0.113.1', 'forwardedHeader'],
  ])('%s: refused, as all of its clients would be one', async (name, value, validation) => {
    const { app, log } = await start({}, { carrier })
    for (let index = 0; index < 2; index++) expectRefused(await app.ask({ headers: { [name]: value } }), `the header ${name} says for whom the request was sent, and is not believed`)
    expect([app.handled, log.lines.length]).toEqual([0, 1])
    expect(await app.statuses(2)).toEqual([200, 429])
    for (const options of [{ validate: { [validation]: false } }, { trustedProxies: 0 }]) {
      const allowed = await start(options, { carrier })
      expect(await allowed.app.statuses(2, { headers: { [name]: value } })).toEqual([200, 429])
      expect(allowed.log.lines).toEqual([])
    }
  })
})

it('a proxy that is trusted and tells the client only where Express does not look: refused', async () => {
  const { app } = await start({}, { carrier: 'Express 5 over HTTP', settings: { 'trust proxy': 1 } })
  expectRefused(await app.ask({ headers: { 'x-real-ip': '203.0.113.1' } }), 'the header x-real-ip')
})

it('from elsewhere, clients may have written the header themselves: they are counted, and the operator is told once', async () => {
  const log = new Log()
  const server = createServer(mountLimits('Express 5 over HTTP', [rateLimit({ limit: 1, logger: log })], (_request, response) => { response.end('ok') }))
  closers.push(() => { server.close() })
  const client = await FastCgiClient.connect(portOf(await listen(server)))
  closers.push(() => { client.socket.destroy() })
  const params = { REQUEST_METHOD: 'GET', REQUEST_URI: '/', SERVER_PROTOCOL: 'HTTP/1.1', HTTP_X_FORWARDED_FOR: '203.0.113.1' }
  const ask = async (address: string): Promise<number> => (await client.request({ params: { ...params, REMOTE_ADDR: address } })).status
  expect([await ask('198.51.100.1'), await ask('198.51.100.1'), await ask('198.51.100.2')]).toEqual([200, 429, 200])
  expect(log.lines).toEqual([expect.stringContaining('the header x-forwarded-for')])
})

describe('over FastCGI, where web servers pass on the X-Forwarded-For of clients', () => {
  const params = { REQUEST_METHOD: 'GET', REQUEST_URI: '/', SERVER_PROTOCOL: 'HTTP/1.1' }
  type Ask = (address: string, header: string) => Promise<number>
  const behind = async (carrier: Carrier, options: RateLimitOptions, setup: { settings?: Record<string, unknown>; server?: ServerOptions }): Promise<{ ask: Ask; log: Log }> => {
    const log = new Log()
    const limit = rateLimit({ limit: 1, logger: log, ...options })
    const server = createServer(mountLimits(carrier, [limit], (_request, response) => { response.end('ok') }, setup.settings), setup.server)
    server.on('warning', () => undefined)
    closers.push(() => { server.close() })
    const client = await FastCgiClient.connect(portOf(await listen(server)))
    closers.push(() => { client.socket.destroy() })
    const ask: Ask = async (address, header) => (await client.request({ params: { ...params, REMOTE_ADDR: address, HTTP_X_FORWARDED_FOR: header } })).status
    return { ask, log }
  }
  const believers: [string, Carrier, RateLimitOptions, Record<string, unknown>][] = [
    ['trust proxy 1, Express 5', 'Express 5 over HTTP', {}, { 'trust proxy': 1 }],
    ['trust proxy 1, Express 4', 'Express 4 over HTTP', {}, { 'trust proxy': 1 }],
    ['trust proxy true', 'Express 5 over HTTP', {}, { 'trust proxy': true }],
    ['trustedProxies 1, Express 5', 'Express 5 over HTTP', { trustedProxies: 1 }, {}],
    ['trustedProxies 1, without Express', 'plain http', { trustedProxies: 1 }, {}],
    ['nothing, without Express', 'plain http', {}, {}],
  ]

  it.each(believers)('%s: no client chooses its key', async (_what, carrier, options, settings) => {
    const { ask, log } = await behind(carrier, options, { settings })
    expect([await ask('198.51.100.1', '1.1.1.1'), await ask('198.51.100.1', '2.2.2.2'), await ask('198.51.100.2', '1.1.1.1')]).toEqual([200, 429, 200])
    expect(log.lines).toEqual([expect.stringContaining("the option forwardedHeaders: 'trust'")])
  })

  it.each(believers.slice(0, -1))('%s: goes by the proxy that the server’s option tells of', async (_what, carrier, options, settings) => {
    const { ask } = await behind(carrier, { validate: { trustProxy: false }, ...options }, { settings, server: { forwardedHeaders: 'trust' } })
    expect([await ask('198.51.100.1', '203.0.113.1'), await ask('198.51.100.1', '203.0.113.2'), await ask('198.51.100.2', '203.0.113.1')]).toEqual([200, 200, 429])
  })

  it('a web server that says REMOTE_ADDR in the header, too, is no proxy in front of it', async () => {
    const { ask, log } = await behind('Express 5 over HTTP', { limit: 2 }, {})
    expect([await ask('127.0.0.1', '127.0.0.1'), await ask('127.0.0.1', '6.6.6.6, 127.0.0.1')]).toEqual([200, 200])
    expect(log.lines).toEqual([])
  })
})

it.each([
  [{}, 'Over FastCGI the web server must send REMOTE_ADDR'],
  [{ SERVER_ADDR: '192.0.2.80' }, 'Over FastCGI the web server must send REMOTE_ADDR'],
  [{ REMOTE_ADDR: 'unix:' }, "'unix:' is no address of a client"],
])('FastCGI with %p: refused', async (given, message) => {
  const server = createServer(mountLimits('Express 5 over HTTP', [rateLimit({ logger: new Log() })], (_request, response) => { response.end('ok') }))
  closers.push(() => { server.close() })
  const client = await FastCgiClient.connect(portOf(await listen(server)))
  closers.push(() => { client.socket.destroy() })
  const { status, body } = await client.request({ params: { REQUEST_METHOD: 'GET', REQUEST_URI: '/', SERVER_PROTOCOL: 'HTTP/1.1', ...given } })
  expectRefused({ status, body: body.toString(), headers: {} }, message)
})

describe('addresses', () => {
  const together = (first: string, second: string): [string, string, number] => [first, second, 429]
  const apart = (first: string, second: string): [string, string, number] => [first, second, 200]
  it.each([
    together('203.0.113.1', '::ffff:203.0.113.1'),
    together('203.0.113.1', '::ffff:cb00:7101'),
    together('203.0.113.1:4711', '203.0.113.1:4712'),
    together('[2001:db8::1]:4711', '2001:db8::1'),
    together('2001:db8:1:2300::1', '2001:db8:1:23ff:1:2:3:4'),
    together('2001:db8::1', '2001:DB8:0:0:0:0:0:1'),
    apart('2001:db8:1:2300::1', '2001:db8:1:2400::1'),
    apart('fe80::1', 'fe80::2'),
    apart('fe80::1%eth0', 'fe80::2%eth0'),
    apart('64:ff9b::203.0.113.1', '64:ff9b::203.0.113.2'),
  ])('%s, then %s: %d', async (first, second, status) => {
    const { app } = await start({ trustedProxies: 1 })
    expect(await app.statuses(1, forwarded(first))).toEqual([200])
    expect(await app.statuses(1, forwarded(second))).toEqual([status])
  })

  it.each<[RateLimitOptions['ipv6Subnet'], number[]]>([
    [64, [200, 200]], [48, [200, 429]], [false, [200, 200]], [(): number => 48, [200, 429]], [(): Promise<number> => Promise.resolve(64), [200, 200]], [(): number => 8, [500, 500]],
  ])('ipv6Subnet %p', async (ipv6Subnet, statuses) => {
    const { app } = await start({ trustedProxies: 1, ...(ipv6Subnet === undefined ? {} : { ipv6Subnet }) })
    expect([...await app.statuses(1, forwarded('2001:db8:1:2300::1')), ...await app.statuses(1, forwarded('2001:db8:1:2400::1'))]).toEqual(statuses)
  })

  it.each(['unknown', '_hidden', '203.0.113', '1.2.3.4.5', ''])('%p is none: refused', async (address) => {
    const { app } = await start({ trustedProxies: 1 })
    expectRefused(await app.ask(forwarded(`203.0.113.1, ${address}`)), 'is no address of a client')
  })
})

it.each([undefined, null, '', 5])('a keyGenerator that gives %p: refused', async (key) => {
  const { app, log } = await start({ keyGenerator: () => Promise.resolve(key as string) })
  for (let index = 0; index < 2; index++) expectRefused(await app.ask(), 'rateLimit: keyGenerator gave ')
  expect([app.handled, log.lines.length]).toEqual([0, 1])
})

it('a client that has gone before it was seen is dropped: no error, no handler, no line in the log', async () => {
  const log = new Log()
  const limit = rateLimit({ logger: log })
  const calls: unknown[] = []
  const arrived: ServerResponse[] = []
  const server = http.createServer((request, response) => {
    arrived.push(response)
    limit(request, response, (error) => calls.push(error))
  })
  closers.push(() => { server.close() })
  const client = net.connect(portOf(await listen(server)), '127.0.0.1')
  await once(client, 'connect')
  // In one turn of the event loop, so that the server reads both at once.
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  client.resetAndDestroy()
  const [asked] = await once(server, 'request') as [http.IncomingMessage]
  expect(asked.socket.remoteAddress).toBeUndefined()
  await once(arrived[0] as ServerResponse, 'close')
  expect([calls, log.lines]).toEqual([[], []])
})
