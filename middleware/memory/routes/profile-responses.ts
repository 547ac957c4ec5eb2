/** How profiles and collections are answered: what goes wrong, clients that leave, and servers that stop. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendProblem } from '../../shared/problem.js'
import { hasLeft, onceOver } from '../../shared/request-lifetime.js'
import { SamplingError } from '../profile/heap-sampler.js'
import { FORCED, type Route } from '../route.js'
import { ParameterError } from './query.js'
import { type SendProblem, stopCheckOf } from './responses.js'

/** What takes long was given up before its end; the message is for the client. */
// eslint-disable-next-line no-restricted-syntax -- becomes an answer
export class GivenUpError extends Error {
  override readonly name = 'GivenUpError'
}

/** ms between two looks at whether the server still listens. */
const LOOK = 250

/** Says in the answer that a full collection was forced for it. */
export function announceForcedCollection(response: ServerResponse): void {
  response.setHeader(FORCED, 'true')
}

/** A wrong parameter is the client's error; that nothing can be sampled is nobody's who asks. */
export function handleFailures(handle: Route['handle'], send: SendProblem = sendProblem): Route['handle'] {
  return async (request: IncomingMessage, response: ServerResponse) => {
    try {
      await handle(request, response)
    } catch (error) {
      if (error instanceof ParameterError || error instanceof SamplingError) response.removeHeader(FORCED)
      if (error instanceof ParameterError) send(request, response, { status: 400, detail: error.message })
      else if (error instanceof SamplingError) send(request, response, { status: 503, detail: sentence(error.reason) })
      else if (error instanceof GivenUpError) sendGivenUp(request, response, error, send)
      else throw error
    }
  }
}

function sendGivenUp(request: IncomingMessage, response: ServerResponse, { message }: GivenUpError, send: SendProblem): void {
  // A connection that was kept would hold the server up as well.
  response.shouldKeepAlive = false
  send(request, response, { status: 503, detail: message })
}

function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`
}

/** Gives the work a signal that the client has left; undefined where it then ended. */
export async function whileConnected<Result>(request: IncomingMessage, response: ServerResponse, work: (signal: AbortSignal) => Promise<Result>): Promise<Result | undefined> {
  const left = new AbortController()
  const leave = (): void => { left.abort() }
  const disregard = onceOver(request, response, leave)
  if (hasLeft(request, response)) leave()
  try {
    return await work(left.signal)
  } catch (error) {
    if (left.signal.aborted) return undefined
    throw error
  } finally {
    disregard()
  }
}

/**
 * Gives the work a signal that it is to be given up: the server that carries the request is stopping, or `closing` says so.
 * @throws GivenUpError where it then ended
 */
async function whileServing<Result>(request: IncomingMessage, closing: AbortSignal, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const isStopping = stopCheckOf(request)
  const givenUp = new AbortController()
  const look = (): void => {
    if (closing.aborted) givenUp.abort(new GivenUpError('This endpoint was closed.'))
    else if (isStopping()) givenUp.abort(new GivenUpError('The server is stopping.'))
  }
  const timer = setInterval(look, LOOK).unref()
  closing.addEventListener('abort', look)
  look()
  try {
    return await work(givenUp.signal)
  } catch (error) {
    givenUp.signal.throwIfAborted()
    throw error
  } finally {
    clearInterval(timer)
    closing.removeEventListener('abort', look)
  }
}

/**
 * Gives the work a signal that nobody waits for it any more; undefined where the client has left.
 * @throws GivenUpError as `whileServing`
 */
export function untilClientLeaves<Result>(request: IncomingMessage, response: ServerResponse, closing: AbortSignal, work: (signal: AbortSignal) => Promise<Result>): Promise<Result | undefined> {
  return whileServing(request, closing, (givenUp) => whileConnected(request, response, (left) => work(AbortSignal.any([givenUp, left]))))
}
