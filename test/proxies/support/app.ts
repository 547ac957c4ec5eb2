/**
 * The Express app that every web server is tested with: one route for each behaviour. All of them are
 * there below the prefixes that the configurations in examples/ treat differently.
 */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import express from 'express'
import type { Express, Request, Response, Router } from 'express'
import { authorize, params } from 'express-responder'
import type { AppEvents } from './events.js'
import { AUTHORIZATION, USER } from './user.js'

/** Mount points: the root, and those with settings of their own in examples/. */
export const PREFIXES = ['/', '/events', '/uploads', '/admin', '/cgi'] as const

const ENDLESS_INTERVAL_MS = 20
/** More than any web server holds back before it writes to a client that does not read. */
const CHUNK = Buffer.alloc(16_384, 'abcdefghijklmnopqrstuvwxyz012345')

/** The deterministic bytes of /download. */
export function pattern(size: number): Buffer {
  return Buffer.alloc(size, 'The quick brown fox jumps over the lazy dog, 0123456789.\n')
}

/** The body of the event that /stream sends before it waits. */
export const FIRST_PART = 'first part\n'
export const SECOND_PART = 'second part\n'
export const LAST_PART = 'last part\n'
/** What is gzipped by /gzip. */
export const GZIP_TEXT = 'compressed by the app '.repeat(100)

/** What lets /stream and /sse write the last of three pieces; the id itself lets them write the second. */
export function lastOf(id: string): string {
  return `${id}-last`
}

/** The app, telling `events` what happens to its requests. */
export function createApp(events: AppEvents): Express {
  const app = express()
  app.disable('x-powered-by')
  // Express reports errors on the console in every other environment.
  app.set('env', 'test')
  const routes = express.Router({ caseSensitive: true })
  addDescribing(routes)
  addBodies(routes, events)
  addHeads(routes, events)
  addBroken(routes, events)
  addStreams(routes, events)
  addWebServerFeatures(routes, events)
  for (const prefix of PREFIXES) app.use(prefix, routes)
  app.use(describe)
  return app
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function number(value: unknown, otherwise = 0): number {
  return typeof value === 'string' ? Number(value) : otherwise
}

function idOf(req: Request): string {
  return text(req.query['id'])
}

async function readBody(req: Request): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Answers with all that the app can know of the request. */
async function describe(req: Request, res: Response): Promise<void> {
  const body = await readBody(req)
  res.json({
    method: req.method,
    url: req.originalUrl,
    httpVersion: req.httpVersion,
    headers: req.headers,
    rawHeaders: req.rawHeaders,
    headersDistinct: req.headersDistinct,
    query: req.query,
    ip: req.ip,
    remotePort: req.socket.remotePort,
    localAddress: req.socket.localAddress,
    localPort: req.socket.localPort,
    protocol: req.protocol,
    secure: req.secure,
    hostname: req.hostname,
    host: req.host,
    params: params(req),
    pid: process.pid,
    environment: { NODE_ENV: process.env['NODE_ENV'], PATH: process.env['PATH'] },
    environmentProxy: process.env['HTTP_PROXY'] ?? null,
    length: body.length,
    sha256: sha256(body),
    body: body.length > 1_000 ? '' : body.toString('latin1'),
  })
}

function addDescribing(routes: Router): void {
  routes.all('/echo', describe)
  routes.all('/echo/*rest', describe)
  // In a header, so that HEAD tells it too.
  routes.all('/lengths', (req, res) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = req.headers
    res.set('x-lengths', JSON.stringify({ 'content-length': length, 'transfer-encoding': encoding })).end()
  })
}

function addBodies(routes: Router, events: AppEvents): void {
  routes.get('/download', (req, res) => {
    const bytes = pattern(number(req.query['size']))
    res.type('application/octet-stream')
    if (req.query['chunked'] === undefined) res.setHeader('content-length', bytes.length)
    res.end(bytes)
  })
  routes.post('/json', express.json({ limit: '2mb' }), (req, res) => {
    res.json({ received: req.body as unknown })
  })
  routes.post('/form', express.urlencoded({ extended: false }), (req, res) => {
    res.json({ received: req.body as unknown })
  })
  // Answers without reading a byte of the body.
  routes.post('/refuse', (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    res.status(413).type('text/plain').send('too much\n')
  })
  // Tells when it is called, and again when the whole body is there.
  routes.post('/arrival', async (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    const [first] = (await once(req)) as [Buffer]
    events.report({ id: idOf(req), event: 'body', detail: { first: first.toString('latin1') } })
    const rest = await readBody(req)
    res.type('text/plain').send(Buffer.concat([first, rest]).toString('latin1'))
  })
}

/** The first piece of the body. */
function once(req: Request): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    req.once('error', reject)
    req.once('data', (chunk: Buffer) => {
      req.pause()
      req.removeListener('error', reject)
      resolve([chunk])
    })
  })
}

function addHeads(routes: Router, events: AppEvents): void {
  routes.all('/status/:code', (req, res) => {
    res.status(Number(req.params.code)).type('text/plain').end('the body\n')
  })
  routes.all('/not-modified', (_req, res) => {
    res.status(304).setHeader('etag', '"1"').end('a body that must not be sent\n')
  })
  routes.get('/redirect', (req, res) => {
    res.redirect(number(req.query['code'], 302), text(req.query['to']))
  })
  routes.all('/created', (req, res) => {
    res.status(201).location(text(req.query['to'])).type('text/plain').send('created\n')
  })
  // Location with a status of 200: CGI would take it for an internal redirect.
  routes.all('/located', (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    res.location(text(req.query['to'])).type('text/plain').send('here\n')
  })
  routes.get('/cookies', (_req, res) => {
    res.cookie('a', '1').cookie('b', '2', { httpOnly: true }).cookie('c', 'x,y').type('text/plain').send('baked\n')
  })
  routes.get('/gzip', (_req, res) => {
    res.set({ 'content-encoding': 'gzip', vary: 'accept-encoding' }).type('text/plain').send(gzipSync(GZIP_TEXT))
  })
  // What a compressing web server finds worth its while, with the ETag that Express makes.
  routes.get('/etag', (_req, res) => {
    res.type('text/plain').send(GZIP_TEXT)
  })
  routes.get('/reason', (_req, res) => {
    res.writeHead(418, 'Short And Stout', { 'content-type': 'text/plain' }).end('teapot\n')
  })
  routes.get('/hop', (_req, res) => {
    res.set({ connection: 'close, X-Hop', 'keep-alive': 'timeout=99', 'x-kept': 'yes' })
    res.set('transfer-encoding', 'chunked').type('text/plain')
    res.write('one ')
    res.end('two')
  })
  routes.get('/large-head', (req, res) => {
    res.set('x-large', 'l'.repeat(number(req.query['bytes']))).type('text/plain').send('large\n')
  })
  routes.get('/many-headers', (req, res) => {
    for (let index = 0; index < number(req.query['count']); index++) res.set(`x-many-${String(index)}`, 'v'.repeat(40))
    res.type('text/plain').send('many\n')
  })
  routes.all('/informational', async (_req, res) => {
    res.writeContinue()
    res.writeProcessing()
    await new Promise<void>((resolve) => {
      res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, resolve)
    })
    res.type('text/plain').send('final\n')
  })
}

function addBroken(routes: Router, events: AppEvents): void {
  routes.all('/headless', (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    res.destroy()
  })
  routes.all('/throw', () => {
    throw new Error('thrown by the handler')
  })
  routes.get('/truncate', async (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    res.type('text/plain')
    if (req.query['length'] !== undefined) res.setHeader('content-length', req.query['length'] as string)
    await new Promise<unknown>((resolve) => res.write(FIRST_PART, resolve))
    await events.released(idOf(req))
    res.destroy(new Error('broken on purpose'))
  })
  routes.get('/length', (req, res) => {
    res.setHeader('content-length', number(req.query['announced']))
    res.type('text/plain')
    const sent = 'x'.repeat(number(req.query['sent']))
    if (req.query['pieces'] === undefined) res.end(sent)
    else {
      for (const letter of sent) res.write(letter)
      res.end()
    }
  })
}

function addStreams(routes: Router, events: AppEvents): void {
  routes.get('/stream', async (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    res.type('text/plain').write(FIRST_PART)
    await events.released(idOf(req))
    res.write(SECOND_PART)
    await events.released(lastOf(idOf(req)))
    res.end(LAST_PART)
  })
  routes.get('/flush', async (req, res) => {
    res.type('text/plain').flushHeaders()
    await events.released(idOf(req))
    res.end(LAST_PART)
  })
  routes.get('/sse', async (req, res) => {
    res.type('text/event-stream').set('cache-control', 'no-cache')
    res.write('data: one\n\n')
    await events.released(idOf(req))
    res.write('data: two\n\n')
    await events.released(lastOf(idOf(req)))
    res.end('data: three\n\n')
  })
  // Never ends of its own accord; writes nothing (`silent`) or without pause.
  routes.get('/endless', async (req, res) => {
    const id = idOf(req)
    const closed = new Promise<void>((resolve) => res.once('close', resolve))
    void closed.then(() => {
      events.report({ id, event: 'closed', detail: { finished: res.writableFinished, aborted: req.destroyed } })
    })
    events.report({ id, event: 'called' })
    if (req.query['silent'] !== undefined) return
    res.type('application/octet-stream')
    while (!res.closed && !res.destroyed) {
      res.write(CHUNK)
      await Promise.race([closed, delay(ENDLESS_INTERVAL_MS)])
    }
  })
  routes.get('/wait', async (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    await events.released(idOf(req))
    res.type('text/plain').send('released\n')
  })
}

/** What the app asks of the web server by its answer, and what the web server asks of the app. */
function addWebServerFeatures(routes: Router, events: AppEvents): void {
  routes.get('/send-file', (req, res) => {
    res.set('x-accel-redirect', text(req.query['path'])).type('text/plain').end()
  })
  routes.get('/cacheable', (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    res.set('cache-control', 'public, max-age=60').type('text/plain').send('cacheable\n')
  })
  routes.get('/truncate-cacheable', async (req, res) => {
    events.report({ id: idOf(req), event: 'called' })
    res.set('cache-control', 'public, max-age=60').type('text/plain').write(FIRST_PART)
    await events.released(idOf(req))
    res.destroy()
  })
  // Asked as an authorizer: by the URL of the file that is wanted.
  routes.all('/private/*path', (req, res) => {
    // lighttpd passes the client's header on, Apache what it has read of it.
    const { REMOTE_USER: user, REMOTE_PASSWD: password } = params(req) ?? {}
    const isKnown = user === USER.name && password === USER.password
    if (!isKnown && req.headers.authorization !== AUTHORIZATION) {
      res.status(401).set('www-authenticate', 'Basic realm="app"').type('text/plain').send('who is there?\n')
    } else authorize(res, { REMOTE_USER: USER.name })
  })
}
