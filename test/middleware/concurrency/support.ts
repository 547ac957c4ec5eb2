/** Caps and apps of a test, ended after it. */
import { afterEach } from '@jest/globals'
import { concurrencyLimit, type ConcurrencyLimit, type ConcurrencyLimitOptions } from '../../../middleware/concurrency.js'
import { AppServer, type Carrier, type Handler } from '../../support/app-server.js'

const apps: AppServer[] = []

const caps: ConcurrencyLimit[] = []

afterEach(() => {
  for (const app of apps.splice(0)) app.stop()
  for (const cap of caps.splice(0)) cap.close()
})

export function limit(options?: ConcurrencyLimitOptions): ConcurrencyLimit {
  const cap = concurrencyLimit(options)
  caps.push(cap)
  return cap
}

export async function start(cap: ConcurrencyLimit | ConcurrencyLimit[], carrier: Carrier = 'Express 5 over HTTP', handler?: Handler): Promise<AppServer> {
  const app = await AppServer.start({ carrier, middleware: cap, route: '/route/:id', ...(handler === undefined ? {} : { handler }) })
  apps.push(app)
  return app
}

/** Turn after turn of the event loop until it holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

export const answerOk: Handler = (_request, response) => {
  response.end('ok')
}

/** Long enough for nobody to wait for it in a test. */
export const NEVER = 600_000
