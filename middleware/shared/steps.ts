/**
 * Steps: a middleware of ours as `suite()` calls it, with what comes after it as an argument. So that several make one layer of Express,
 * and no function for each request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Express's continuation; with an error the app's error middleware is next. */
export type Next = (error?: unknown) => void
/** What a middleware is called with. */
export type Handle = (request: IncomingMessage, response: ServerResponse, next: Next) => void
/** A middleware that calls `then` where it lets the request go on, and `next` with an error. */
export type Step = (request: IncomingMessage, response: ServerResponse, next: Next, then: Handle) => void

const steps = new WeakMap<object, Step>()

/** What comes after a middleware that stands alone. */
export const callNext: Handle = (_request, _response, next) => { next() }

/** Keeps the step that a middleware is made of. */
export function setStep(middleware: object, step: Step): void {
  steps.set(middleware, step)
}

/** The step of a middleware of ours. */
export function stepOf(middleware: object): Step {
  const step = steps.get(middleware)
  // Nothing that users write leads here.
  // eslint-disable-next-line no-restricted-syntax -- see above
  if (step === undefined) throw new TypeError('no middleware of this package, or of another copy of it')
  return step
}
