/** A request that is turned away: what the app learns of it, and the answer that the client gets. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ExpressResponderError } from '../../shared/errors.js'
import { prepareProblem, retryAfter, sendPreparedProblem, type PreparedProblem } from '../shared/problem.js'
import type { Reason } from './policy.js'

/** What a `handler` gets, and what listeners of 'reject' get. */
export interface Rejection {
  readonly reason: Reason
  /** 503, and 429 where it is the cap of a key. */
  readonly status: 503 | 429
  /** For Retry-After: whole seconds, jittered. */
  readonly retryAfter: string
}

/** The error that `handler: 'next'` gives to Express's error path. */
export class ConcurrencyLimitError extends ExpressResponderError {
  declare readonly code: 'ERR_CONCURRENCY_LIMIT'
  override readonly name = 'ConcurrencyLimitError'
  readonly reason: Reason
  readonly status: number
  readonly statusCode: number
  /** Express's default error handler sends them. */
  readonly headers: Readonly<Record<string, string>>

  constructor(rejection: Rejection) {
    super('ERR_CONCURRENCY_LIMIT', DETAILS[rejection.reason])
    this.reason = rejection.reason
    this.status = this.statusCode = rejection.status
    this.headers = { 'Retry-After': rejection.retryAfter }
  }
}

const DETAILS: Readonly<Record<Reason, string>> = {
  'limit': 'As many requests as allowed are being answered.',
  'queue-full': 'As many requests as allowed are being answered, and the queue is full.',
  'queue-timeout': 'No slot became free in time.',
  'loop': 'This process is too busy to answer in time.',
  'proxy-queue': 'The request had waited too long before it was read.',
  'key': 'As many requests as allowed at a time are being answered for this client or resource.',
}

/** What the app learns of a rejection. `retrySeconds`: when there may be room again. */
export function createRejection(reason: Reason, retrySeconds: number): Rejection {
  return { reason, status: statusOf(reason), retryAfter: retryAfter(retrySeconds) }
}

function statusOf(reason: Reason): 503 | 429 {
  return reason === 'key' ? 429 : 503
}

function problemOf(reason: Reason): PreparedProblem {
  return prepareProblem({ status: statusOf(reason), detail: DETAILS[reason], reason })
}

/** Their texts are made once: under overload there are many more rejections than answers. */
const PROBLEMS: Readonly<Record<Reason, PreparedProblem>> = {
  'limit': problemOf('limit'),
  'queue-full': problemOf('queue-full'),
  'queue-timeout': problemOf('queue-timeout'),
  'loop': problemOf('loop'),
  'proxy-queue': problemOf('proxy-queue'),
  'key': problemOf('key'),
}

/** The default answer. A response that has been begun already is left as it is. */
export function answerRejection(request: IncomingMessage, response: ServerResponse, rejection: Rejection): void {
  if (response.headersSent) return
  response.setHeader('Retry-After', rejection.retryAfter)
  sendPreparedProblem(request, response, PROBLEMS[rejection.reason])
}
