/** What stands in front of the handler: nothing, the peers with what they advise or ship, and this project's limit. */
import { createRequire } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { concurrencyLimit } from 'express-responder/middleware'
import { sendProblem } from '../../middleware/shared/problem.js'

export type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void
type Queue = (options: { activeLimit: number; queuedLimit: number }) => Handler
type TooBusy = () => boolean

export const LIMITERS = ['none', 'express-queue', 'under-pressure', 'toobusy-js', 'concurrencyLimit'] as const
export type LimiterName = (typeof LIMITERS)[number]

const load = createRequire(import.meta.url)
/** express-queue has no default for either; these are what the simulation's FIFO has. */
const ACTIVE = 10
const QUEUED = 100
/** @fastify/under-pressure's timer, and the threshold of its README's example and of its sampling. */
const RESOLUTION = 10
const SAMPLE_INTERVAL = 1000
const MOST_DELAY = 100

export function createLimiter(name: LimiterName): Handler {
  return CREATE[name]()
}

const CREATE: Readonly<Record<LimiterName, () => Handler>> = {
  none: () => (_request, _response, next) => {
    next()
  },
  'express-queue': () => (load('express-queue') as Queue)({ activeLimit: ACTIVE, queuedLimit: QUEUED }),
  'under-pressure': underPressure,
  'toobusy-js': () => {
    const isBusy = load('toobusy-js') as TooBusy
    return (request, response, next) => {
      if (isBusy()) unavailable(request, response)
      else next()
    }
  },
  concurrencyLimit: () => concurrencyLimit(),
}

/** The rule of @fastify/under-pressure as Express middleware: it is a plugin of Fastify's. */
function underPressure(): Handler {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  let delay = 0
  setInterval(() => {
    delay = Math.max(0, histogram.mean / 1e6 - RESOLUTION)
    histogram.reset()
  }, SAMPLE_INTERVAL).unref()
  return (request, response, next) => {
    if (delay > MOST_DELAY) unavailable(request, response)
    else next()
  }
}

function unavailable(request: IncomingMessage, response: ServerResponse): void {
  sendProblem(request, response, { status: 503 }, { 'Retry-After': '1' })
}
