/**
 * Passes a late failure to the app's own error middleware, in the order in which `next(error)` in the failing handler
 * would: the route's, then the router's and the mounted app's, then the app's.
 */
import type { IncomingMessage } from 'node:http'
import { attempt, onRejection } from '../shared/safe-call.js'
import type { Next } from '../shared/steps.js'
import type { RequestContext } from './context.js'

type ErrorMiddleware = (error: unknown, request: unknown, response: unknown, next: Next) => unknown

interface Layer {
  readonly handle?: unknown
  /** In lower case; undefined for `all()`. */
  readonly method?: unknown
}

interface RoutedRequest extends IncomingMessage {
  /** `next` of the innermost router. Express keeps it here as long as the request is in that router. */
  next?: unknown
  originalUrl?: unknown
  route?: { readonly stack?: readonly Layer[]; readonly methods?: Readonly<Record<string, unknown>> }
}

/** Express knows error middleware by its four parameters. */
export function isErrorMiddleware(handle: unknown): handle is ErrorMiddleware {
  return typeof handle === 'function' && handle.length === 4
}

/**
 * Passes the error to the app; false where the app cannot take it. May throw what its error middleware throws.
 * On plain `node:http` a `next` without a parameter is the handler itself, which must not run again.
 */
export function passToApp(context: RequestContext, error: Error): boolean {
  const request: RoutedRequest = context.request
  const next = typeof request.next === 'function' ? request.next as Next : context.next
  const isOfFramework = typeof request.next === 'function' || request.originalUrl !== undefined
  if (next === undefined || (!isOfFramework && next.length === 0)) return false
  askInTurn(context, attempt(() => routeErrorMiddleware(request), []), error, next)
  return true
}

/** The error middleware at the end of the request's route. Which handlers before it have run is unknown. */
function routeErrorMiddleware({ route, method = '' }: RoutedRequest): ErrorMiddleware[] {
  const stack = route?.stack ?? []
  const lower = method.toLowerCase()
  const wanted = lower === 'head' && route?.methods?.['head'] !== true ? 'get' : lower
  const handles = stack.filter((layer) => layer.method === undefined || layer.method === wanted).map(({ handle }) => handle)
  return handles.slice(handles.findLastIndex((handle) => !isErrorMiddleware(handle)) + 1).filter(isErrorMiddleware)
}

function askInTurn(context: RequestContext, middleware: readonly ErrorMiddleware[], error: unknown, next: Next): void {
  const [first, ...others] = middleware
  if (first === undefined) {
    next(error)
    return
  }
  const proceed = (given?: unknown): void => {
    const isOver = given === undefined || given === null || given === 'route'
    if (isOver) next()
    else if (given === 'router') next(given)
    else askInTurn(context, others, given, next)
  }
  try {
    onRejection(first(error, context.request, context.response, proceed), proceed)
  } catch (thrown) {
    proceed(thrown)
  }
}
