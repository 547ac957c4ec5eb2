/**
 * Decides which request to blame when a client's connection has failed. A request that has not failed must not be
 * answered with an error. So in doubt none is blamed: the failure is reported without a request, and counts for giving
 * up.
 */
import { contexts, type RequestContext } from './context.js'
import type { Failure } from './failure.js'
import { hasLeft, isAnswered, isOver } from '../shared/request-lifetime.js'
import { otherOpenRequests } from './open-requests.js'

/**
 * Handles a failure that may be of `request`. Returns false where it is not handled: Node then does what it does by
 * default.
 */
export type Blame = (request: RequestContext, failure: Failure) => boolean

/**
 * Milliseconds from one look at a suspect to the next. A suspect that has made no progress until then is blamed, if no
 * other open request could have failed.
 */
const SUSPICION_TIME = 500
/** Looks. If other requests are still open after so many, none is blamed. */
const LOOKS = 4

/** Suspects that have been blamed. Their end since then is no progress: further failures are blamed on them, too. */
const blamed = new WeakSet<RequestContext>()

/** Blames this request. */
export const blame: Blame = (request, failure) => request.handler.onLateFailure(request, failure)

/** Blames this request, unless it makes progress: then it has not failed. */
export const blameSuspect: Blame = (request, failure) => suspect(request, failure, [])

/** The same, but only once all other requests that are open now are over: one of them could have failed. */
export const blameIfAlone: Blame = (request, failure) => suspect(request, failure, otherOpenRequests(request))

/** Blames no request: it is a failure of one of several. */
export const blameNobody: Blame = (request, failure) => request.handler.onUnattributed(request, { ...failure, phase: 'unknown' })

function suspect(request: RequestContext, failure: Failure, others: RequestContext[]): boolean {
  // It gets no answer any more, and has perhaps ended long ago. Where others are open, one of them may have failed: then the report
  // names nobody. Else it is named, as the last known user of the connection; so it is where it has failed before.
  if (isOver(request.request, request.response)) return (others.length > 0 && request.failures === 0 ? blameNobody : blame)(request, failure)
  const before = progressOf(request)
  let looks = 0
  const look = (): void => {
    looks++
    const hasGoneOn = !blamed.has(request) && (isOver(request.request, request.response) || progressOf(request) !== before)
    const hasDoubt = hasGoneOn || others.some(isAbandoned)
    const isAlone = !hasDoubt && others.every((other) => isOver(other.request, other.response))
    if (isAlone) blamed.add(request)
    if (isAlone || hasDoubt || looks === LOOKS) {
      // Not handled: thrown here, for Node to do what it does by default.
      if (!(isAlone ? blame : blameNobody)(request, failure)) throw failure.error
    } else setTimeout(look, SUSPICION_TIME).unref()
  }
  contexts.run(undefined, () => setTimeout(look, SUSPICION_TIME).unref())
  return true
}

/** A text that changes when a request makes progress. */
function progressOf({ response, writes }: RequestContext): string {
  return `${String(writes)} ${String(response.headersSent)} ${String(response.socket?.bytesWritten)}`
}

/** Whether its client has left before an answer: then it may have failed, and cannot show progress. */
function isAbandoned({ request, response }: RequestContext): boolean {
  return hasLeft(request, response) && !isAnswered(response)
}
