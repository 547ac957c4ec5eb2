/** X-Forwarded-* over FastCGI: clients send them, so they count only where the server's options say that a proxy does. */
import { describe, expect, it, jest } from '@jest/globals'
import type { IncomingMessage, RequestListener } from 'node:http'
import express from 'express'
import { createServer, type ServerOptions } from 'express-responder'
import { EXPRESSES, quietApp } from '../contract/support/flavours.js'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

const FORGED = { Host: 'a.b.shop.example:8080', 'X-Forwarded-For': '203.0.113.66', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil.example', Forwarded: 'for=203.0.113.66', 'X-Real-IP': '203.0.113.66' }
/** REMOTE_ADDR of what nginx would send. */
const CLIENT = '192.0.2.7'

const SETTINGS: [name: string, value: unknown][] = [
  ['true', true],
  ['a number of proxies', 1],
  ['a name of addresses', 'loopback, 192.0.2.0/24'],
  ['a list of addresses', ['192.0.2.7', 'loopback']],
  ['a function', () => true],
]

type Seen = Record<string, unknown>

const face = (req: express.Request): Seen => ({
  ip: req.ip,
  ips: req.ips,
  protocol: req.protocol,
  secure: req.secure,
  hostname: req.hostname,
  subdomains: req.subdomains,
  forwarded: req.headers['x-forwarded-for'],
})

const TOLD: Seen = { ip: CLIENT, ips: [], protocol: 'http', secure: false, hostname: 'a.b.shop.example', subdomains: ['b', 'a'], forwarded: '203.0.113.66' }
const BELIEVED: Seen = { ip: '203.0.113.66', ips: ['203.0.113.66'], protocol: 'https', secure: true, hostname: 'evil.example', subdomains: [], forwarded: '203.0.113.66' }

/** What the app has answered, and which warnings there were. */
async function ask(app: RequestListener, options: ServerOptions = {}, headers: Record<string, string> = FORGED, times = 1): Promise<[Seen, unknown[]]> {
  const { connect, journal } = await start(() => app, options)
  const client = await connect()
  let seen: Seen = {}
  for (let i = 0; i < times; i++) seen = JSON.parse((await client.request({ params: nginxParams({ headers }) })).body.toString()) as Seen
  return [seen, journal.entries]
}

describe.each(EXPRESSES)('%s', (_name, factory) => {
  const appWith = (setting: unknown): express.Express => {
    const app = quietApp(factory)
    app.set('trust proxy', setting)
    app.get('/', (req, res) => res.json(face(req)))
    return app
  }

  it.each(SETTINGS)('trust proxy as %s: the web server’s word counts, and a warning says so once', async (_what, setting) => {
    expect(await ask(appWith(setting), {}, FORGED, 3)).toEqual([TOLD, ['warning "ERR_FCGI_TRUST_PROXY"']])
  })

  it.each(SETTINGS)('trust proxy as %s: believed where the option says that a proxy stands in front', async (_what, setting) => {
    expect(await ask(appWith(setting), { forwardedHeaders: 'trust' })).toEqual([BELIEVED, []])
  })

  it('a setting that trusts nobody who asks is nothing to be told', async () => {
    expect(await ask(appWith('loopback'))).toEqual([TOLD, []])
    expect(await ask(appWith(false))).toEqual([TOLD, []])
  })

  it('headers that say what the web server says too are nothing to be told', async () => {
    const honest = { Host: 'a.b.shop.example:8080', 'X-Forwarded-For': CLIENT, 'X-Forwarded-Proto': 'http', 'X-Forwarded-Host': 'a.b.shop.example:8080' }
    expect(await ask(appWith(1), {}, honest)).toEqual([{ ...TOLD, forwarded: CLIENT }, []])
  })

  it('removed on request: no code of the app’s sees them', async () => {
    expect(await ask(appWith(true), { forwardedHeaders: 'remove' })).toEqual([{ ...TOLD, forwarded: undefined }, []])
    const raw: RequestListener = (req, res) => res.end(JSON.stringify(req.rawHeaders))
    const [headers] = await ask(raw, { forwardedHeaders: 'remove' })
    expect(JSON.stringify(headers)).not.toMatch(/forwarded|real-ip|203\.0\.113\.66/i)
  })

  it('a mounted app with a setting of its own is not believed either', async () => {
    const app = quietApp(factory)
    app.use(appWith(1))
    expect(await ask(app)).toEqual([TOLD, ['warning "ERR_FCGI_TRUST_PROXY"']])
  })

  it('an app of the other Express, or in a plain listener, is not believed either', async () => {
    const app = quietApp(express)
    app.use(appWith(true))
    expect(await ask(app)).toEqual([TOLD, ['warning "ERR_FCGI_TRUST_PROXY"']])
    const inner = appWith(true) as unknown as RequestListener
    expect(await ask((req, res) => { inner(req, res) })).toEqual([TOLD, ['warning "ERR_FCGI_TRUST_PROXY"']])
  })

  it('getters of the app’s own still see its properties and other headers', async () => {
    const app = quietApp(factory)
    Object.defineProperty(app.request, 'ip', { configurable: true, get(this: express.Request & { seen?: string }) { return `${this.seen ?? '?'} ${this.get('Host') ?? ''}` } })
    app.use((req, _res, next) => {
      Object.assign(req, { seen: 'early' })
      next()
    })
    app.get('/', (req, res) => res.json({ ip: req.ip }))
    expect(await ask(app)).toEqual([{ ip: 'early a.b.shop.example:8080' }, []])
  })
})

it('a plain request has no more properties than over HTTP, and takes what is set', async () => {
  const app: RequestListener = (req: IncomingMessage & { ip?: unknown }, res) => {
    const before = [req.ip, Object.keys(req).includes('ip')]
    req.ip = 'mine'
    res.end(JSON.stringify({ before, ip: req.ip }))
  }
  expect(await ask(app)).toEqual([{ before: [null, false], ip: 'mine' }, []])
})

it('without a listener it is a process warning, with the remedy', async () => {
  const app = quietApp(express)
  app.set('trust proxy', 1)
  app.get('/', (req, res) => res.send(req.ip))
  const { server, connect } = await start(() => app)
  server.removeAllListeners('warning')
  const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
  try {
    const client = await connect()
    for (let i = 0; i < 2; i++) expect((await client.request({ params: nginxParams({ headers: FORGED }) })).body.toString()).toBe(CLIENT)
    const remedy: unknown = expect.stringMatching(/req\.ip.*X-Forwarded-For.*forwardedHeaders: 'trust'/)
    expect(warn.mock.calls).toEqual([[remedy, { type: 'FastCgiWarning', code: 'ERR_FCGI_TRUST_PROXY' }]])
  } finally {
    warn.mockRestore()
  }
})

it('a wrong value names the choices', () => {
  expect(() => Reflect.apply(createServer, undefined, [() => undefined, { forwardedHeaders: true }]) as unknown).toThrow(/forwardedHeaders is true: give 'ignore' or 'trust' or 'remove'/)
})
