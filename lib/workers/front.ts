/** What stands in front of the app in a worker: logs, probes, the status under a path. Nothing, where none of them is asked for. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { FrontConfiguration } from './messages.js'
import { createProbes, type Probes } from './probes.js'
import { openRequestLogs, type RequestLogs } from './request-logs.js'
import { createStatusPath, type StatusAnswer, type StatusRequest } from './status-path.js'

/** What the front has to ask. */
export interface FrontHost {
  readonly state: () => 'starting' | 'ready' | 'draining'
  readonly askStatus: (request: StatusRequest) => Promise<StatusAnswer>
}

/** The front of an app. */
export interface Front {
  /** What the server gives its requests to; undefined where the app can get them at once. */
  readonly listener: RequestListener | undefined
  /** Probes that were answered. */
  readonly healthChecks: () => number
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
  return {
    listener: logs === undefined && answers.length === 0 ? undefined : listenerFor(app, logs, answers),
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
