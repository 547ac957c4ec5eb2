/**
 * The four jobs as others do them: express-rate-limit, p-limit by hand, prom-client with its default metrics and a histogram of
 * requests, and an error boundary. As their documentation says to mount them.
 */
import type { ErrorRequestHandler, Express, RequestHandler } from 'express'
import { rateLimit } from 'express-rate-limit'
import pLimit from 'p-limit'
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client'

const MOST_REQUESTS = 64
/** So many that no client of the benchmark ever reaches it. */
const NEVER_REACHED = 1_000_000_000

/** Mounts them before the routes. */
export function addOthers(app: Express): void {
  app.use(requestHistogram(app))
  app.use(rateLimit({ windowMs: 60_000, limit: NEVER_REACHED, standardHeaders: 'draft-8', legacyHeaders: false, validate: { trustProxy: false } }))
  app.use(concurrencyByHand())
}

/** Mounted after the routes. */
export const addErrorBoundary = (app: Express): Express => app.use(errorBoundary)

function requestHistogram(app: Express): RequestHandler {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const durations = new Histogram({
    name: 'http_request_duration_seconds', help: 'Seconds a request took.', labelNames: ['method', 'code'], registers: [registry],
  })
  app.get('/metrics', async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics())
  })
  return (request, response, next) => {
    const end = durations.startTimer({ method: request.method })
    response.on('finish', () => { end({ code: response.statusCode }) })
    next()
  }
}

function concurrencyByHand(): RequestHandler {
  const limit = pLimit(MOST_REQUESTS)
  return (_request, response, next) => {
    void limit(() => new Promise<void>((resolve) => {
      response.on('close', resolve)
      next()
    }))
  }
}

// Express asks for four parameters.
// eslint-disable-next-line @typescript-eslint/no-unused-vars
const errorBoundary: ErrorRequestHandler = (error, _request, response, _next) => {
  console.error(error)
  response.status(500).type('text/plain').send('Internal Server Error')
}
