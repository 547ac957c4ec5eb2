/** The text that a failure leaves where nobody else has been told of it. */
import type { IncomingMessage, Server } from 'node:http'
import { appsOf, layersOf } from '../shared/express.js'
import { attempt, textOf } from '../shared/safe-call.js'
import { isErrorMiddleware } from './error-middleware.js'
import type { RecoveryReport } from './report.js'

/** What lines are written to; `console` is one, and so are most loggers. */
export interface RecoveryLogger {
  error(text: string): unknown
}

/** Nothing that comes from a client may look like a line of its own. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?')
}

/** Request, id and error, with nothing of the query in it: it may hold what no log must have. */
export function logTextOf({ error, kind, phase, outcome, id, method, url, route }: RecoveryReport): string {
  const where = route === '' ? url.split('?', 1)[0] ?? '' : route
  return `recovery(): ${oneLine(`${method} ${where} has failed (${kind}, ${phase}, ${outcome}), id ${id}`)}\n${textOf(error)}`
}

/** Whether Express's own last handler prints what it is passed: it does where the app has no error middleware at all. */
export function isLoggedByExpress(request: IncomingMessage): boolean {
  return attempt(() => {
    const apps = appsOf(request)
    const root = apps.at(-1)
    const { server } = request.socket as { server?: Server }
    if (root === undefined || root.get('env') === 'test' || server?.listeners('request').includes(root as never) !== true) return false
    return !apps.some((app) => layersOf(app).some(({ layer: { handle } }) => isErrorMiddleware(handle)))
  }, false)
}
