/**
 * Finds the request whose code is running, while the watching thread holds the main thread paused. It reads own properties that
 * hold values, and nothing else: getters and proxies are the app's code, which must not run here.
 */
import { IncomingMessage } from 'node:http'
import { types } from 'node:util'
import { findRunningRequest } from '../../shared/running-request.js'
import type { ReportedRequest, RequestFindings, RequestLookup } from './stuck-report.js'

/** How many open requests a report lists. */
const MAX_OPEN_REQUESTS = 20
/** Characters of a URL that a report has. */
const MAX_URL = 1000
/** The properties by which responses, and the contexts of Koa and others, lead to their request. */
const LEADS = ['req', 'request'] as const

/** @param openRequests the requests that are open in this process */
export function createRequestLookup(openRequests: () => readonly IncomingMessage[]): RequestLookup {
  return (...scopes) => scopes.length > 0 ? inScopes(scopes) : inProcess(openRequests())
}

function inScopes(scopes: readonly object[]): RequestFindings {
  for (const scope of scopes) {
    for (const name of Object.getOwnPropertyNames(scope)) {
      const request = requestOf(valueOf(scope, name))
      if (request !== undefined) return { request: described(request) }
    }
  }
  return { request: null }
}

function inProcess(open: readonly IncomingMessage[]): RequestFindings {
  const running = findRunningRequest()
  if (running !== undefined) return { request: described(running) }
  const openRequests = open.slice(0, MAX_OPEN_REQUESTS).map(described)
  return { request: open.length === 1 ? openRequests[0] ?? null : null, openRequests }
}

/** The request that a variable holds, or that its value belongs to. */
function requestOf(value: unknown): IncomingMessage | undefined {
  if (isRequest(value)) return value
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return undefined
  return LEADS.map((name) => valueOf(value, name)).find(isRequest)
}

/** Whether it is a request to a server. The response that an HTTP client has got is of the same class, and has no method. */
function isRequest(value: unknown): value is IncomingMessage {
  return typeof value === 'object' && value !== null && !types.isProxy(value) && typeof valueOf(value, 'method') === 'string' &&
    isMessage(value)
}

/** As `instanceof`, which would call the trap of a proxy that is a prototype. */
function isMessage(value: object): boolean {
  let prototype: unknown = Object.getPrototypeOf(value)
  while (typeof prototype === 'object' && prototype !== null && !types.isProxy(prototype)) {
    if (prototype === IncomingMessage.prototype) return true
    prototype = Object.getPrototypeOf(prototype)
  }
  return false
}

/** The value of an own property; undefined for a getter, and for a variable that is not initialized yet. */
function valueOf(object: object, name: string): unknown {
  try {
    return Object.getOwnPropertyDescriptor(object, name)?.value
  } catch {
    return undefined
  }
}

/** A request as reports name it. Runs no code of the app. */
export function described(request: IncomingMessage): ReportedRequest {
  const text = (name: string): string | undefined => {
    const value = valueOf(request, name)
    return typeof value === 'string' ? value : undefined
  }
  const route = routeOf(valueOf(request, 'route'))
  return {
    method: text('method') ?? '',
    url: (text('originalUrl') ?? text('url') ?? '').slice(0, MAX_URL),
    ...route === undefined ? {} : { route: `${text('baseUrl') ?? ''}${route}`.slice(0, MAX_URL) },
  }
}

/** The pattern of Express's route: a text, a regular expression, or several of them. */
function routeOf(route: unknown): string | undefined {
  if (typeof route !== 'object' || route === null || types.isProxy(route)) return undefined
  const path = valueOf(route, 'path')
  const patterns = (Array.isArray(path) && !types.isProxy(path) ? path as unknown[] : [path]).flatMap((pattern) => {
    if (typeof pattern === 'string') return [pattern]
    return types.isRegExp(pattern) ? [RegExp.prototype.toString.call(pattern)] : []
  })
  return patterns.length === 0 ? undefined : patterns.join(',')
}
