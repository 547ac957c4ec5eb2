/**
 * Whose failure it is, where a connection has failed. Nobody is answered who has not failed: in doubt the failure is
 * nobody's, is reported as such, and counts for giving up.
 */
import { contexts, type RequestContext } from './context.js'
import type { Failure } from './failure.js'
import { hasLeft, isAnswered, isOver } from '../shared/request-lifetime.js'
import { otherOpenRequests } from './open-requests.js'

/** What is done about a failure, where one request is known; false where it is nobody's after all, and goes on. */
export type Blame = (request: RequestContext, failure: Failure) => boolean

/** How long a suspect may take to show that it goes on by itself, in milliseconds. */
const SUSPICION_TIME = 500
/** How often that is looked at, before the failure is nobody's. */
const LOOKS = 4

/** Suspects whose failure it was: they are over since, and what of theirs fails further is theirs as well. */
const blamed = new WeakSet<RequestContext>()

/** It is this request's failure. */
export const blame: Blame = (request, failure) => request.handler.onLateFailure(request, failure)

/** It is this request's failure, unless that goes on by itself. */
export const blameSuspect: Blame = (request, failure) => suspect(request, failure, [])

/** The same, unless another request that is open now could be the one. */
export const blameIfAlone: Blame = (request, failure) => suspect(request, failure, otherOpenRequests(request))

/** It is a failure of one of several requests. */
export const blameNobody: Blame = (request, failure) => request.handler.onUnattributed(request, { ...failure, phase: 'unknown' })

function suspect(request: RequestContext, failure: Failure, others: RequestContext[]): boolean {
  // Nobody is answered; who is named is the last that is known to have used it.
  if (isOver(request.request, request.response)) return blame(request, failure)
  const before = progressOf(request)
  let looks = 0
  const look = (): void => {
    looks++
    const hasGoneOn = !blamed.has(request) && (isOver(request.request, request.response) || progressOf(request) !== before)
    const hasDoubt = hasGoneOn || others.some(isAbandoned)
    const isAlone = !hasDoubt && others.every((other) => isOver(other.request, other.response))
    if (isAlone) blamed.add(request)
    if (isAlone || hasDoubt || looks === LOOKS) {
      // The app has asked for nothing: what Node does by default.
      if (!(isAlone ? blame : blameNobody)(request, failure)) throw failure.error
    } else setTimeout(look, SUSPICION_TIME).unref()
  }
  contexts.run(undefined, () => setTimeout(look, SUSPICION_TIME).unref())
  return true
}

/** Something that changes where a request goes on. */
function progressOf({ response, writes }: RequestContext): string {
  return `${String(writes)} ${String(response.headersSent)} ${String(response.socket?.bytesWritten)}`
}

/** Its client has left, and nobody has answered it: it may be the one. */
function isAbandoned({ request, response }: RequestContext): boolean {
  return hasLeft(request, response) && !isAnswered(response)
}
