/** Reports of recoveries, for loggers: which request has failed, where and how, without secrets. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { appsOf, layersOf, wholeRouteOf } from '../shared/express.js'
import { attempt, propertyOf, textOf } from '../shared/safe-call.js'
import { callAppCallback } from './app-callbacks.js'
import { isErrorMiddleware } from './error-middleware.js'
import type { Failure, FailureKind, FailurePhase } from './failure.js'

/** How the request ended. */
export type RecoveryOutcome = 'passed to the app' | 'answered' | 'cut off' | 'reported only' | 'ended on purpose'

/** One recovery. Can be given to a logger as it is. */
export interface RecoveryReport {
  /** What was thrown; in a `ThrownValueError` where it was no Error. */
  readonly error: Error
  readonly kind: FailureKind
  readonly phase: FailurePhase
  /** Whether no caller could have caught it. */
  readonly late: boolean
  readonly outcome: RecoveryOutcome
  /** The request's id, as in the answer's `instance`. */
  readonly id: string
  readonly method: string
  readonly url: string
  /**
   * The pattern of the app's route with what its router is mounted on, such as '/users/:id'; '' where none has matched.
   */
  readonly route: string
  /** The request's headers; Authorization, Proxy-Authorization and Cookie are masked. */
  readonly headers: Readonly<Record<string, unknown>>
  /** The response's headers at that time; Set-Cookie is masked. */
  readonly responseHeaders: Readonly<Record<string, unknown>>
}

const SECRET = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])
const MASK = '[masked]'

function masked(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, SECRET.has(name.toLowerCase()) ? MASK : value]))
}

/** An X-Request-Id that is safe in a log and in an answer: a client may send anything. */
const PLAUSIBLE_ID = /^[\w.:+/=@-]{1,128}$/

/** The request's id, the same whenever it is asked for. */
export function requestIdOf(request: IncomingMessage, ask: ((request: IncomingMessage) => string) | undefined): string {
  const known = ids.get(request)
  if (known !== undefined) return known
  const asked = ask === undefined ? undefined : callAppCallback<unknown>('the option requestId', () => ask(request))
  const id = textOfId(asked) ?? givenId(request) ?? `urn:uuid:${randomUUID()}`
  ids.set(request, id)
  return id
}

const ids = new WeakMap<IncomingMessage, string>()

function textOfId(id: unknown): string | undefined {
  return (typeof id === 'string' && id !== '') || typeof id === 'number' || typeof id === 'bigint' ? String(id) : undefined
}

function givenId(request: IncomingMessage): string | undefined {
  const candidate = textOfId(propertyOf(request, 'id')) ?? attempt(() => request.headers['x-request-id'], undefined)
  return typeof candidate === 'string' && PLAUSIBLE_ID.test(candidate) ? candidate : undefined
}

/** The report of a failure whose request is unknown. */
export function unattributedReportOf(failure: Failure): RecoveryReport {
  const id = `urn:uuid:${randomUUID()}`
  return { ...failure, late: true, outcome: 'reported only', id, method: '', url: '', route: '', headers: {}, responseHeaders: {} }
}

/** The report of a failure. Headers with secrets are masked, and bodies are left out, as it may be logged. */
export function reportOf(
  request: IncomingMessage,
  response: ServerResponse,
  failure: Failure,
  rest: Pick<RecoveryReport, 'late' | 'outcome' | 'id'>,
): RecoveryReport {
  const originalUrl = propertyOf(request, 'originalUrl')
  const url = typeof originalUrl === 'string' ? originalUrl : propertyOf(request, 'url')
  return {
    ...failure,
    ...rest,
    method: request.method ?? '',
    url: typeof url === 'string' ? url : '',
    route: wholeRouteOf(request),
    headers: attempt(() => masked(request.headers), {}),
    responseHeaders: attempt(() => masked(response.getHeaders()), {}),
  }
}

/* Recoveries by route and kind, in bounded memory. */

/** How often a route has failed in one way. */
export interface RecoveryCount {
  readonly route: string
  readonly kind: FailureKind
  readonly count: number
}

/**
 * Entries. Most apps have far fewer routes. Of an app that makes up new ones, all further ones are counted under one
 * name.
 */
const MAX_ROUTES = 1000
const OTHERS = '(others)'

/** Counts recoveries by route and kind; beyond a number of routes all others are one. */
export class RecoveryCounters {
  readonly #counts = new Map<string, RecoveryCount>()
  #total = 0

  get total(): number {
    return this.#total
  }

  add(route: string, kind: FailureKind): void {
    this.#total++
    const known = `${kind} ${route}`
    const key = this.#counts.has(known) || this.#counts.size < MAX_ROUTES ? known : `${kind} ${OTHERS}`
    const shown = key === known ? route : OTHERS
    this.#counts.set(key, { route: shown, kind, count: (this.#counts.get(key)?.count ?? 0) + 1 })
  }

  list(): RecoveryCount[] {
    return [...this.#counts.values()]
  }
}

/* The report as a text, for loggers and stderr. */

/** A logger for texts; `console` is one, and so are most loggers. */
export interface RecoveryLogger {
  error(text: string): unknown
}

/** Replaces control characters: text from a client must not begin a new line in a log. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?')
}

/** The text of a report: request, id and error. The query is left out, as it may hold secrets. */
export function logTextOf({ error, kind, phase, outcome, id, method, url, route }: RecoveryReport): string {
  const where = route === '' ? url.split('?', 1)[0] ?? '' : route
  return `recovery(): ${oneLine(`${method} ${where} has failed (${kind}, ${phase}, ${outcome}), id ${id}`)}\n${textOf(error)}`
}

/**
 * Whether Express's own last handler prints what it is passed: it does where the app has no error middleware at all.
 */
export function isLoggedByExpress(request: IncomingMessage): boolean {
  return attempt(() => {
    const apps = appsOf(request)
    const root = apps.at(-1)
    const { server } = request.socket as { server?: Server }
    if (root === undefined || root.get('env') === 'test' || server?.listeners('request').includes(root as never) !== true) return false
    return !apps.some((app) => layersOf(app).some(({ layer: { handle } }) => isErrorMiddleware(handle)))
  }, false)
}
