/** Which request the code that runs now belongs to. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Failure } from './failure.js'

/** Express's continuation; with an error the app's error middleware is next. */
export type Next = (error?: unknown) => void

/** Who is told of a context's failures. */
export interface FailureHandler {
  /** A failure that no caller can catch any more. */
  onLateFailure(context: RequestContext, failure: Failure): void
}

/** One request, its response, and how its failures reach the app. */
export class RequestContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly next: Next
  readonly handler: FailureHandler
  /** Who listens to the response's 'finish' without the app: Node itself. */
  readonly ownFinishListeners: number
  /** Failures so far: the first is the app's to answer. */
  failures = 0

  constructor(request: IncomingMessage, response: ServerResponse, next: Next, handler: FailureHandler) {
    this.request = request
    this.response = response
    this.next = next
    this.handler = handler
    this.ownFinishListeners = response.listenerCount('finish')
  }
}

/** The context of the code that runs now. */
export const contexts = new AsyncLocalStorage<RequestContext | undefined>()

const CONTEXT = Symbol('express-responder.recovery')

interface Bearer {
  [CONTEXT]?: RequestContext
  /** A response's request. */
  readonly req?: Bearer
}

/** The context that a request was given, or the request of a response. */
export function contextOf(bearer: object): RequestContext | undefined {
  return (bearer as Bearer)[CONTEXT] ?? (bearer as Bearer).req?.[CONTEXT]
}

/** The request remembers its context: Node emits its events, and those of its response, outside of it. */
export function bear(context: RequestContext): void {
  const bearer: Bearer = context.request as IncomingMessage & Bearer
  bearer[CONTEXT] = context
}
