/** How profiles are answered: headers, what goes wrong, and clients that leave. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendProblem } from '../../shared/problem.js'
import type { Route } from '../route.js'
import { SamplingError } from './heap-sampler.js'
import { ParameterError } from './parameters.js'

/** Says in the answer that a full collection was forced for it. */
export function announceCollection(response: ServerResponse): void {
  response.setHeader('Forced-GC', 'true')
}

export interface Answer {
  type: string
  /** Where the client should store it, the name of the file. */
  file?: string
}

/** To a client that has left, nothing. */
export function send(response: ServerResponse, { type, file }: Answer, body: string | Buffer): void {
  if (response.destroyed) return
  response.statusCode = 200
  response.setHeader('Content-Type', type)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (file !== undefined) response.setHeader('Content-Disposition', `attachment; filename="${file}"`)
  response.end(body)
}

/** A wrong parameter is the client's error; that nothing can be sampled is nobody's who asks. */
export function answering(handle: Route['handle']): Route['handle'] {
  return async (request: IncomingMessage, response: ServerResponse) => {
    try {
      await handle(request, response)
    } catch (error) {
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
