/** How profiles and collections are answered: what goes wrong, and clients that leave. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendProblem } from '../../shared/problem.js'
import { FORCED, type Route } from '../route.js'
import { SamplingError } from './heap-sampler.js'
import { ParameterError } from './parameters.js'

/** Says in the answer that a full collection was forced for it. */
export function announceCollection(response: ServerResponse): void {
  response.setHeader(FORCED, 'true')
}

/** A wrong parameter is the client's error; that nothing can be sampled is nobody's who asks. */
export function answering(handle: Route['handle']): Route['handle'] {
  return async (request: IncomingMessage, response: ServerResponse) => {
    try {
      await handle(request, response)
    } catch (error) {
      if (error instanceof ParameterError || error instanceof SamplingError) response.removeHeader(FORCED)
      if (error instanceof ParameterError) sendProblem(request, response, { status: 400, detail: error.message })
      else if (error instanceof SamplingError) sendProblem(request, response, { status: 503, detail: sentence(error.message) })
      else throw error
    }
  }
}

function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`
}

/** Gives the work a signal that the client has left; undefined where it then ended. */
export async function whileConnected<Result>(response: ServerResponse, work: (signal: AbortSignal) => Promise<Result>): Promise<Result | undefined> {
  const left = new AbortController()
  const leave = (): void => { left.abort() }
  response.once('close', leave)
  if (response.destroyed) leave()
  try {
    return await work(left.signal)
  } catch (error) {
    if (left.signal.aborted) return undefined
    throw error
  } finally {
    response.off('close', leave)
  }
}
