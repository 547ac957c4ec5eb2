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
  /** Failures so far: the first is the app's to answer. */
  failures = 0

  constructor(request: IncomingMessage, response: ServerResponse, next: Next, handler: FailureHandler) {
    this.request = request
    this.response = response
    this.next = next
    this.handler = handler
  }
}

/** The context of the code that runs now. */
export const contexts = new AsyncLocalStorage<RequestContext | undefined>()

/**
 * The context that runs now, if it is that of this request or response. Nothing is kept on the objects themselves: on
 * Node 20 and 22 Express gives each a hidden class of its own, and a property more costs more than all the rest here.
 */
export function contextOf(bearer: object): RequestContext | undefined {
  const context = contexts.getStore()
  return context !== undefined && (context.request === bearer || context.response === bearer) ? context : undefined
}
