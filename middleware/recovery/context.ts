/** The failure context of the code that runs now: what a failure of it belongs to. Most often that is a request. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Next } from '../shared/steps.js'
import { phaseOf, toError, type Failure, type FailureKind } from './failure.js'

/** Handles the failures of contexts. */
export interface FailureHandler {
  /**
   * A failure that no caller can catch. Returns false where it is not handled: then Node does what it does by default.
   */
  onLateFailure(context: RequestContext, failure: Failure): boolean
  /** A failure of one of several requests, unknown which; `context` is one of them, if known. Returns false as above. */
  onUnattributed(context: RequestContext | undefined, failure: Failure): boolean
}

/** What a failure can belong to: a request, a client's connection, a callback of the app's. */
export interface FailureContext {
  readonly request: IncomingMessage | undefined
  readonly response: ServerResponse | undefined
  /** In the context of a client's connection: the request that is thought to use the connection. */
  readonly actual?: RequestContext
  /** Handles a failure. Returns false where it is not handled: then Node does what it does by default. */
  fail(error: unknown, kind: FailureKind): boolean
}

/** One request, its response, and how its failures reach the app. */
export class RequestContext implements FailureContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** undefined until a middleware of ours has been called with the request. */
  next: Next | undefined
  handler: FailureHandler
  /** Failures so far. Only the first is passed to the app's error middleware. */
  failures = 0
  /** The app's error middleware has it, and answers within `answerTimeout`; what else fails meanwhile is not answered. */
  isPassed = false
  /** Writes of this request's code to connections of clients. If it grows after a failure, the request goes on. */
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
 * The current context, if it is that of this request or response. Contexts are not stored on these objects: on Node 20
 * and 22 Express gives each object a hidden class of its own, and one more property costs more than all the rest here.
 */
export function contextOf(bearer: object): RequestContext | undefined {
  const context = contexts.getStore()
  return context !== undefined && (context.request === bearer || context.response === bearer) ? requestContextOf(context) : undefined
}

/** The request of a context; in that of a client's connection, the one that is thought to use it. */
export function requestContextOf(context: FailureContext | undefined): RequestContext | undefined {
  return context instanceof RequestContext ? context : context?.actual
}
