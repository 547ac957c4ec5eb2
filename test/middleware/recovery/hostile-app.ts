/** Apps whose own code fails while a failure is recovered from. The argument names one; tells its port when it listens. */
import express4 from 'express4'
import express5, { Router, type ErrorRequestHandler, type Express, type NextFunction, type Request, type Response } from 'express'
import http, { type RequestListener } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { recovery, type RecoveryOptions } from '../../../middleware/recovery.js'

const [, , name = '', version = '5'] = process.argv
const express = version === '4' ? express4 : express5
const fail = (): never => {
  throw new Error('by intention')
}
const later = (fn: () => void): void => {
  setTimeout(fn, 1)
}

/** An app whose '/bad' fails late with `thrown`, and whose options are these. */
function failing(options: RecoveryOptions, thrown: () => unknown = () => new Error('by intention'), prepare?: (app: Express) => void): Express {
  const app = express()
  app.set('env', 'test')
  app.use(recovery({ intensity: false, ...options }))
  prepare?.(app)
  app.get('/bad', () => { later(() => { throw thrown() }) })
  app.get('/bad/at-once', () => { throw thrown() })
  app.get('/ok', (_request, response) => { response.send('ok') })
  app.use(recovery.errors())
  return app
}

class Throwing extends Error {
  get code(): string { return fail() }
  get status(): number { return fail() }
  get headers(): object { return fail() }
  override get message(): string { return fail() }
  override get stack(): string { return fail() }
  [Symbol.for('nodejs.util.inspect.custom')](): string { return fail() }
  override toString(): string { return fail() }
  toJSON(): string { return fail() }
}
const revoked = (): unknown => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
const trapped = (): unknown => new Proxy(new Error('by intention'), {
  get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail, isExtensible: fail, defineProperty: fail, getOwnPropertyDescriptor: fail,
})
const rejects = (async () => {
  await Promise.resolve()
  fail()
}) as () => void
/** As a log server that is away: nobody hears the 'error' of the socket. */
const unheard = (): void => { net.connect('/nowhere') }

// Express knows error middleware by its four parameters.
// eslint-disable-next-line @typescript-eslint/no-unused-vars
const errorMiddleware = (by: string): ErrorRequestHandler => (_error: unknown, _request: Request, response: Response, _next: NextFunction) => {
  response.status(503).send(by)
}

/** Each part of it asks for itself. */
function layered(): Express {
  const app = express()
  app.set('env', 'test')
  app.use(recovery({ intensity: false, onRecover: () => undefined }))
  const lateHandler = (): void => { later(fail) }
  const router = Router()
  router.get('/', lateHandler)
  router.use(errorMiddleware('router'))
  const inner = Router().use('/deeper', Router().get('/', lateHandler))
  inner.use(errorMiddleware('inner'))
  router.use('/inner', inner)
  const mounted = express()
  mounted.get('/', lateHandler)
  mounted.use(errorMiddleware('mounted'))
  const passing = Router().get('/', lateHandler)
  passing.use(((error: unknown, _request: unknown, _response: unknown, next: NextFunction) => { next(error) }) as ErrorRequestHandler)
  app.use('/router', router)
  app.use('/mounted', mounted)
  app.use('/passing', passing)
  app.get('/route', lateHandler, errorMiddleware('route'))
  app.get('/app', lateHandler)
  app.use(errorMiddleware('app'))
  return app
}

/** Tells its reports' routes. */
function routed(): Express {
  const app = express()
  app.set('env', 'test')
  const routes: string[] = []
  app.use(recovery({ intensity: false, onRecover: ({ route }) => routes.push(route) }))
  const item = (): Router => Router().get('/:id', () => { later(fail) }).get('/:id/at-once', fail)
  app.use('/users', item())
  app.use('/orders', item())
  app.use('/tenants/:tenant/users', item())
  const mounted = express()
  mounted.use('/items', item())
  app.use('/shop', mounted)
  app.get('/plain/:id', () => { later(fail) })
  app.get('/routes', (_request, response) => { response.json(routes) })
  app.use(recovery.errors())
  return app
}

function plain(next: (request: http.IncomingMessage, response: http.ServerResponse) => (error?: unknown) => void): RequestListener {
  const first = recovery({ intensity: false })
  return (request, response) => { first(request, response, next(request, response)) }
}

let calls = 0
const handle: RequestListener = (request, response) => {
  if (request.url === '/calls') response.end(String(calls))
  else if (request.url === '/ok') response.end('ok')
  else {
    calls++
    if (request.url === '/bad/at-once') fail()
    else later(fail)
  }
}

const APPS: Readonly<Record<string, () => RequestListener>> = {
  'getters': () => failing({}, () => new Throwing()),
  'a revoked proxy': () => failing({}, revoked),
  'a proxy that throws': () => failing({}, trapped),
  'headers that are none': () => failing({}, () => Object.assign(new Error('by intention'), { headers: { 'a b': 'c', 'X-Bad': 'a\nb' }, status: 503n })),
  'a message that is no string': () => failing({}, () => Object.assign(new Error(), { message: 7 })),
  'onRecover throws': () => failing({ onRecover: fail }),
  'onRecover is rejected': () => failing({ onRecover: rejects }),
  'onRecover fails later': () => failing({ onRecover: () => { later(fail) } }),
  'onRecover opens a socket': () => failing({ onRecover: unheard }),
  'onRecover returns a thenable': () => failing({ onRecover: () => ({ get then(): never { return fail() } }) }),
  'requestId throws': () => failing({ requestId: fail }),
  'requestId is rejected': () => failing({ requestId: rejects as unknown as () => string }),
  'requestId gives no text': () => failing({ requestId: (() => Symbol('id')) as unknown as () => string }),
  'isFatal throws': () => failing({ isFatal: fail }),
  'isFatal is rejected': () => failing({ isFatal: rejects as unknown as () => boolean }),
  'logger throws': () => failing({ logger: { error: fail } }),
  'logger is rejected': () => failing({ logger: { error: rejects } }),
  'req.id throws': () => failing({}, undefined, (app) => app.use((request, _response, next) => {
    Object.defineProperty(request, 'id', { get: fail })
    next()
  })),
  'response.setHeader throws': () => failing({}, undefined, (app) => app.use(({ url }, response, next) => {
    if (url !== '/ok') response.setHeader = fail
    next()
  })),
  'response.end throws': () => failing({}, undefined, (app) => app.use(({ url }, response, next) => {
    if (url !== '/ok') response.end = fail
    next()
  })),
  'a listener is rejected': () => {
    const first = recovery({ intensity: false })
    first.events.on('recover', rejects)
    return express().set('env', 'test').use(first).get('/bad', () => { later(fail) })
      .get('/ok', (_request, response) => { response.send('ok') }).get('/bad/at-once', fail).use(recovery.errors()) as RequestListener
  },
  'a listener of warnings throws': () => {
    process.on('warning', fail)
    return failing({ onRecover: fail })
  },
  layered,
  routed,
  'silent': () => failing({}),
  'logged': () => failing({ logger: { error: (text) => { process.stderr.write(`LOGGED ${text.split('\n', 1)[0] ?? ''}\n`) } } }),
  'unlogged': () => failing({ logger: false }),
  'fatal': () => failing({ isFatal: () => true }, () => Object.assign(new Error(), { message: 7 })),
  'plain': () => plain((request, response) => (error) => {
    if (error === undefined) handle(request, response)
    else response.writeHead(500).end('own')
  }),
  'plain without a parameter': () => plain((request, response) => () => { handle(request, response) }),
  'errors alone': () => {
    // Another app of the process has more.
    express().use(recovery({ intensity: false })).use(recovery.errors())
    return express().get('/bad', () => { later(fail) }).get('/bad/at-once', fail)
      .get('/ok', (_request, response) => { response.send('ok') }).use(recovery.errors({ intensity: false, onRecover: ({ error }) => { process.stderr.write(`TOLD ${error.message}\n`) } })) as RequestListener
  },
  'nothing': () => {
    express().use(recovery({ intensity: false })).use(recovery.errors())
    return express().get('/bad', () => { later(fail) }) as RequestListener
  },
}

const server = http.createServer(APPS[name]?.())
server.listen(0, '127.0.0.1', () => {
  process.send?.((server.address() as AddressInfo).port)
})
process.on('disconnect', () => process.exit(0))
