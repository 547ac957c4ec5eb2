/** What stands in front of the app in a worker: logs, probes and the status under a path where they are asked for, and the queue. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { FrontConfiguration } from './messages.js'
import { createProbes, type Probes } from './probes.js'
import { openRequestLogs, type RequestLogs } from './request-logs.js'
import { RunQueue } from './run-queue.js'
import { createStatusPath, type StatusAnswer, type StatusRequest } from './status-path.js'

/** What the front has to ask. */
export interface FrontHost {
  readonly state: () => 'starting' | 'ready' | 'draining'
  readonly askStatus: (request: StatusRequest) => Promise<StatusAnswer>
}

/** The front of an app. */
export interface Front {
  /** What the server gives its requests to. */
  readonly listener: RequestListener
  /** The slow log that is to have the stack of the event loop, where that is blocked. */
  readonly watched: RequestLogs['watched']
  /** Probes that were answered. */
  readonly healthChecks: () => number
  /** How many requests waited in the mean while one was run, since this was last asked. */
  readonly meanWaiting: () => number
  /** Runs those that wait before the event loop looks for new ones: those are for other workers. */
  readonly leaveNewToOthers: () => void
  readonly close: () => Promise<void>
}

/**
 * Makes the front.
 *
 * @throws FastCgiError ERR_FCGI_OPTION or ERR_FCGI_LOG_FILE
 */
export function createFront(app: RequestListener, { logs: logOptions, probes: wantsProbes, statusPath }: FrontConfiguration, host: FrontHost): Front {
  const logs = openRequestLogs(logOptions)
  const probes = wantsProbes ? createProbes(host.state) : undefined
  const showsStatus = statusPath === undefined ? undefined : createStatusPath(statusPath, host.askStatus)
  const answers = [probes?.handle, showsStatus].filter((answer) => answer !== undefined)
  const queue = new RunQueue(app)
  const { listener } = queue
  return {
    listener: logs === undefined && answers.length === 0 ? listener : listenerFor(listener, logs, answers),
    meanWaiting: () => queue.meanWaiting(),
    leaveNewToOthers: () => {
      queue.leaveNewToOthers()
    },
    watched: logs?.watched,
    healthChecks: () => probes?.count ?? 0,
    close: () => logs?.close() ?? Promise.resolve(),
  }
}

function listenerFor(app: RequestListener, logs: RequestLogs | undefined, answers: readonly Probes['handle'][]): RequestListener {
  return function front(request: IncomingMessage, response: ServerResponse): void {
    logs?.observe(request, response)
    for (const answer of answers) if (answer(request, response)) return
    app(request, response)
  }
}
