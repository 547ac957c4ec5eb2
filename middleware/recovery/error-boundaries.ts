/** Finds the error boundary (`recovery.errors()`) of a request that has not passed a recovery(). */
import type { IncomingMessage } from 'node:http'
import { appsOf, layersOf } from '../shared/express.js'
import { attempt } from '../shared/safe-call.js'
import type { FailureHandler, RequestContext } from './context.js'
import { isErrorMiddleware } from './error-middleware.js'
import type { Failure } from './failure.js'

/** All error boundaries, by the middleware that stands for each in an app. */
export class ErrorBoundaries implements FailureHandler {
  readonly #handlers = new Map<unknown, FailureHandler>()

  /** @param middleware the error boundary's middleware, as it is in an app's stack */
  add(middleware: unknown, handler: FailureHandler): void {
    this.#handlers.set(middleware, handler)
  }

  onLateFailure(context: RequestContext, failure: Failure): boolean {
    return attempt(() => this.#find(context.request), undefined)?.onLateFailure(context, failure) ?? false
  }

  onUnattributed(context: RequestContext | undefined, failure: Failure): boolean {
    if (context === undefined) return false
    return attempt(() => this.#find(context.request), undefined)?.onUnattributed(context, failure) ?? false
  }

  /** The boundary of the request's app; undefined where the app has no error middleware at all. */
  #find(request: IncomingMessage): FailureHandler | undefined {
    const [first] = this.#handlers.values()
    const handles = appsOf(request).flatMap((app) => layersOf(app).map(({ layer }) => layer.handle))
    const boundary = handles.find((handle) => this.#handlers.has(handle))
    if (boundary !== undefined) return this.#handlers.get(boundary)
    // The app's own error middleware may call a boundary. A plain server does not tell what it calls.
    return handles.length === 0 || handles.some(isErrorMiddleware) ? first : undefined
  }
}
