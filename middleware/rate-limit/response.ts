/** The answer to a client that is over its limit: a problem, on Express and on plain `node:http` alike. */
import type { AugmentedRequest, Options, ValueDeterminingMiddleware } from 'express-rate-limit'
import { sendProblem } from '../shared/problem.js'
import { isAnswerable } from '../shared/request-lifetime.js'
import { checks } from './options.js'

type Request = Parameters<ValueDeterminingMiddleware<unknown>>[0]
type Response = Parameters<ValueDeterminingMiddleware<unknown>>[1]

const DETAIL = 'Too many requests. Please try again later.'

/** @param message the option of this name: the problem's detail, its members, or a function that gives them or answers itself */
export function responseOf(message: unknown): (request: Request, response: Response, next: unknown, used: Options) => Promise<void> {
  return async (request, response, _next, used) => {
    const given: unknown = typeof message === 'function' ? await (message as ValueDeterminingMiddleware<unknown>)(request, response) : message
    if (!isAnswerable(request, response)) return
    const headers = response.hasHeader('Retry-After') ? {} : { 'Retry-After': await secondsToWait(request as AugmentedRequest, response, used) }
    sendProblem(request, response, { ...membersOf(given), status: used.statusCode }, headers)
  }
}

function membersOf(given: unknown): object {
  if (given === undefined) return { detail: DETAIL }
  if (typeof given === 'string') return { detail: given }
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given
  throw checks.wrong('message', given, 'let the function give a string or an object, or answer itself')
}

/** express-rate-limit sets the header itself where it sets others. */
async function secondsToWait(request: AugmentedRequest, response: Response, used: Options): Promise<string> {
  const { retryAfter, windowMs, requestPropertyName } = used
  if (retryAfter !== undefined) return String(typeof retryAfter === 'function' ? await retryAfter(request, response) : retryAfter)
  const left = (request[requestPropertyName]?.resetTime?.getTime() ?? Date.now() + windowMs) - Date.now()
  return String(Math.max(1, Math.ceil(left / 1000)))
}
