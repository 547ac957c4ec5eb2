/** What stands in front of the handler: nothing, the peers with what they advise or ship, and this project's limit. */
import { createRequire } from 'node:module'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Adaptive, type Admission } from '../../middleware/concurrency/adaptive.js'
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
  concurrencyLimit: adaptive,
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

/** What decides in `concurrencyLimit({ limit: 'auto' })`, and no more of a middleware than it needs. */
function adaptive(): Handler {
  const { nodeTiming } = performance
  const controller = new Adaptive<Admission>(
    {
      now: () => performance.now(),
      idleTime: () => nodeTiming.idleTime,
      setImmediate: (callback) => void setImmediate(callback),
      setTimeout: (callback, milliseconds) => void setTimeout(callback, milliseconds).unref(),
    },
    { min: 8, max: 1000, initial: 20 },
  )
  return (request, response, next) => {
    let started = false
    let over = false
    const admission = {
      stamped: undefined,
      left: false,
      start: () => {
        started = true
        next()
      },
      reject: () => {
        over = true
        unavailable(request, response)
      },
    }
    const release = (finished: boolean) => (): void => {
      if (over) return
      over = true
      admission.left = !finished
      if (started) controller.release(admission)
      else controller.leave(admission)
    }
    response.on('finish', release(true))
    response.on('close', release(false))
    controller.arrive(admission)
  }
}

function unavailable(request: IncomingMessage, response: ServerResponse): void {
  sendProblem(request, response, { status: 503 }, { 'Retry-After': '1' })
}
