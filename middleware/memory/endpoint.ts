/**
 * The endpoint: finds the route by the last segment of the path, asks whether the client may, and whether it is its turn.
 * A handler that fails goes to the app's error handlers where there are any.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { retryAfter, sendProblem } from '../shared/problem.js'
import { hasLeft, isAnswerable } from '../shared/request-lifetime.js'
import type { Access } from './access.js'
import { sendPprofProblem, type SendProblem } from './routes/responses.js'
import type { RequestCounter } from './sampling/request-counter.js'
import { FORCED, type Route } from './route.js'
import type { Done, OperationLock, Wait } from './operation-lock.js'
import type { Next } from '../shared/steps.js'

/** What Express sets on a request. */
type MountedRequest = IncomingMessage & { baseUrl?: unknown; originalUrl?: unknown }

/** Seconds, where nobody knows how long the other operation takes. */
const RETRY_AFTER_SECONDS = 5
/** ms that somebody waits for another operation: a scraper that takes both kinds of profiles gets both. */
const MAX_WAIT_MS = 10_000
const CLOSED = { status: 404, detail: 'This endpoint is closed.' }

/** What an endpoint is made of. */
export interface EndpointOptions {
  routes: readonly Route[]
  access: Access
  monitor: { operationLock: OperationLock; requests: Pick<RequestCounter, 'exclude'> }
  /** ms between two scrapes that force a collection, two profiles, and two snapshots. */
  scrapeInterval: number
}

/** The request listener of the endpoint: finds the route, asks who may, and waits for no other operation. */
export class Endpoint {
  readonly #options: EndpointOptions
  readonly #routes = new Map<string, Route[]>()
  #closed = false

  constructor(options: EndpointOptions) {
    this.#options = options
    for (const route of options.routes) this.#routes.set(route.path, [...this.#routes.get(route.path) ?? [], route])
  }

  /** Begins nothing any more, not even for those of whom it was still being decided whether they may. */
  close(): void {
    this.#closed = true
  }

  handle(request: MountedRequest, response: ServerResponse, next: Next | undefined): void {
    const name = routeNameOf(request)
    const routes = name === undefined ? [] : this.#routes.get(name) ?? []
    if (this.#closed) {
      if (next === undefined) problemSenderFor(routes)(request, response, CLOSED)
      else next()
      return
    }
    // Where an app has given the endpoint no path of its own, the rest is the app's.
    if ((routes.length === 0 || isHome(request)) && next !== undefined && !isMounted(request)) {
      next()
      return
    }
    this.#options.monitor.requests.exclude(request, response)
    this.#answer(request, response, name ?? 'such path', routes).catch((error: unknown) => { fail(request, response, next, error) })
  }

  async #answer(request: MountedRequest, response: ServerResponse, name: string, routes: readonly Route[]): Promise<void> {
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const route = routes.find((candidate) => candidate.method === method)
    setSecurityHeaders(response)
    const refusal = await this.#options.access.refusal(request, response, route)
    // authorize may have answered itself, or taken its time: the client may have left, and the endpoint have been closed.
    if (!isAnswerable(request, response)) return
    const send = problemSenderFor(routes)
    if (this.#closed) send(request, response, CLOSED)
    else if (refusal !== undefined) send(request, response, refusal)
    else if (routes.length === 0) send(request, response, { status: 404, detail: `There is no ${name}. There are ${[...this.#routes.keys()].filter(Boolean).sort().join(', ')}.` })
    else if (route === undefined) send(request, response, { status: 405, detail: `Not with ${String(request.method)}.` }, { Allow: allow(routes) })
    else if (route.expensive) await this.#handleExclusively(request, response, route)
    else await route.handle(request, response)
  }

  async #handleExclusively(request: IncomingMessage, response: ServerResponse, route: Route): Promise<void> {
    const turn = await this.#acquire(request, response, route)
    if (turn === undefined) return
    if (typeof turn !== 'function') {
      sendBusy(request, response, turn, route)
      return
    }
    if (request.method === 'HEAD') {
      turn(false)
      if (route.head === undefined) response.end()
      else await route.head(request, response)
      return
    }
    const { forces = false, stalls } = route
    // Whoever then forces none takes it off.
    if (forces) response.setHeader(FORCED, 'true')
    try {
      await route.handle(request, response)
    } finally {
      // A client's mistake costs nothing.
      turn(stalls === undefined ? response.hasHeader(FORCED) : response.statusCode < 400)
    }
  }

  /** Waits for what is over soon. Undefined where it is answered, with what was taken last, or the client has left. */
  async #acquire(request: IncomingMessage, response: ServerResponse, route: Route): Promise<Done | Wait | undefined> {
    const { monitor: { operationLock }, scrapeInterval } = this.#options
    const { path, forces = false, stalls, method } = route
    const spacing = stalls !== undefined || forces && method === 'GET' ? scrapeInterval : undefined
    const patience = performance.now() + MAX_WAIT_MS
    for (;;) {
      const turn = operationLock.acquire(path, spacing, { ...stalls, lasts: route.lasts?.(request) })
      if (typeof turn === 'function') return turn
      if (await route.recent?.(request, response) === true) return undefined
      const { reason, seconds } = turn
      if (method !== 'GET' || reason !== 'busy' || seconds === undefined || performance.now() + seconds * 1000 > patience + 1000) return turn
      await endOrDeadline(operationLock.nextEnd(), patience)
      if (hasLeft(request, response)) return undefined
    }
  }
}

/** When it is over, or the time has come. */
async function endOrDeadline(over: Promise<void>, time: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, Math.max(0, time - performance.now())).unref() })
  await Promise.race([over, late])
  clearTimeout(timer)
}

/** The last segment of the path; undefined where it cannot be the endpoint's. */
function routeNameOf({ url = '/', baseUrl }: MountedRequest): string | undefined {
  const [path = ''] = url.split('?', 1)
  const segments = path.split('/')
  // Express has taken off what the endpoint is mounted on.
  return typeof baseUrl === 'string' && segments.length > 2 ? undefined : segments.at(-1)
}

/** On a path of its own. */
function isMounted({ baseUrl, originalUrl, url }: MountedRequest): boolean {
  return typeof baseUrl === 'string' ? baseUrl !== '' : typeof originalUrl === 'string' && originalUrl !== url
}

function isHome({ url = '/' }: MountedRequest): boolean {
  return url.split('?', 1)[0] === '/'
}

function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  // No other site's page may show, or run, what it may not read.
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin')
}

/** `go tool pprof` may also ask for what there is not: Go has more profiles than V8. */
function problemSenderFor(routes: readonly Route[]): SendProblem {
  return routes.every(({ pprof }) => pprof === true) ? sendPprofProblem : sendProblem
}

function allow(routes: readonly Route[]): string {
  return routes.flatMap(({ method }) => method === 'GET' ? ['GET', 'HEAD'] : [method]).join(', ')
}

function sendBusy(request: IncomingMessage, response: ServerResponse, { reason, name, seconds }: Wait, route: Route): void {
  const cause = route.stalls === undefined ? 'This forces a collection' : 'This holds the app up'
  const detail = reason === 'busy'
    ? `One expensive operation at a time: ${name} is running.`
    : `${cause}, and so did ${name} just now.`
  problemSenderFor([route])(request, response, { status: 429, detail, reason }, { 'Retry-After': seconds === undefined ? retryAfter(RETRY_AFTER_SECONDS) : String(seconds) })
}

function fail(request: IncomingMessage, response: ServerResponse, next: Next | undefined, error: unknown): void {
  if (response.headersSent) response.destroy()
  else if (next !== undefined) next(error)
  else {
    emitProcessWarning('ERR_MEMORY_STATS_FAILURE', `memoryStats: ${String(error)}`, 'MemoryStatsWarning')
    sendProblem(request, response, { status: 500 })
  }
}
