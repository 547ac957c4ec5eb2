/** What the code that runs now belongs to: most often a request. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { phaseOf, toError, type Failure, type FailureKind } from './failure.js'

/** Express's continuation; with an error the app's error middleware is next. */
export type Next = (error?: unknown) => void

/** Who is told of a context's failures. */
export interface FailureHandler {
  /** A failure that no caller can catch any more. False where it is not to be handled, but to go on. */
  onLateFailure(context: RequestContext, failure: Failure): boolean
  /** A failure of some request, nobody can tell of which: what has failed serves several, such as this one. False as above. */
  onUnattributed(context: RequestContext | undefined, failure: Failure): boolean
}

/** What a failure can belong to. */
export interface FailureContext {
  readonly request: IncomingMessage | undefined
  readonly response: ServerResponse | undefined
  /** The request that this one is derived from. */
  readonly actual?: RequestContext
  /** Takes a failure; false where it is none of this context's after all, and goes on as if there were none. */
  fail(error: unknown, kind: FailureKind): boolean
}

/** One request, its response, and how its failures reach the app. */
export class RequestContext implements FailureContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** None as long as no middleware has met the request. */
  next: Next | undefined
  handler: FailureHandler
  /** Failures so far: the first is the app's to answer. */
  failures = 0
  /** Writes of this request's own code to connections of clients: while it grows, the request goes on. */
  writes = 0

  constructor(request: IncomingMessage, response: ServerResponse, next: Next | undefined, handler: FailureHandler) {
    this.request = request
    this.response = response
    this.next = next
    this.handler = handler
  }

  fail(error: unknown, kind: FailureKind): boolean {
    return this.handler.onLateFailure(this, { error: toError(error), kind, phase: phaseOf(this.request, this.response) })
  }
}

/** The context of the code that runs now. */
export const contexts = new AsyncLocalStorage<FailureContext | undefined>()

/**
 * The context that runs now, if it is that of this request or response. Nothing is kept on the objects themselves: on
 * Node 20 and 22 Express gives each a hidden class of its own, and a property more costs more than all the rest here.
 */
export function contextOf(bearer: object): RequestContext | undefined {
  const context = contexts.getStore()
  return context !== undefined && (context.request === bearer || context.response === bearer) ? requestContextOf(context) : undefined
}

/** The context of the request that a context is derived from, or is. */
export function requestContextOf(context: FailureContext | undefined): RequestContext | undefined {
  return context instanceof RequestContext ? context : context?.actual
}
