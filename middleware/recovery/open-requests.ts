/**
 * A list of the requests that are not over yet. Their end is not listened for, which would cost each request more than
 * the list does. Requests that are over are removed when the list has doubled, and once a second.
 */
import type { RequestContext } from './context.js'
import { isOver } from '../shared/request-lifetime.js'

const SWEEP_INTERVAL_MS = 1000
/** Requests. A shorter list is only searched once a second. */
const MIN_SWEEP_SIZE = 64

let requests: RequestContext[] = []
let sweepAt = MIN_SWEEP_SIZE
let sweeper: NodeJS.Timeout | undefined

/** Adds a request that has begun. */
export function addOpenRequest(context: RequestContext): void {
  requests.push(context)
  if (requests.length >= sweepAt) sweep()
  // One timer serves all requests of a second. While there are none, there is no timer.
  sweeper ??= setTimeout(onSweepTime, SWEEP_INTERVAL_MS).unref()
}

/** The open requests but for one. */
export function otherOpenRequests(except: RequestContext): RequestContext[] {
  sweep()
  return requests.filter((context) => context !== except)
}

function onSweepTime(): void {
  sweeper = undefined
  sweep()
  if (requests.length > 0) sweeper = setTimeout(onSweepTime, SWEEP_INTERVAL_MS).unref()
}

function sweep(): void {
  requests = requests.filter(({ request, response }) => !isOver(request, response))
  sweepAt = Math.max(MIN_SWEEP_SIZE, 2 * requests.length)
}
