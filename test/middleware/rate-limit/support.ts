/** An app behind rate limits, which answers errors of theirs as JSON. */
import type { RequestListener, ServerResponse } from 'node:http'
import type { RateLimit } from '../../../middleware/rate-limit.js'
import { AppServer, type AppServerOptions } from '../../support/app-server.js'
import { CARRIERS as COMMON, mount, type Carrier, type Handler } from '../../support/carriers.js'

export const CARRIERS = [...COMMON, 'plain HTTP/2'] as const

export type Setup = Omit<AppServerOptions, 'middleware' | 'onError'>

/** What it answers where `next()` got an error. */
export interface ErrorAnswer {
  code: unknown
  message: string
}

export function startLimited(limits: RateLimit | RateLimit[], setup: Setup = {}): Promise<AppServer> {
  return AppServer.start({ handler: (_request, response) => { response.end('ok') }, ...setup, middleware: limits, onError: answerError })
}

export function mountLimits(carrier: Carrier, limits: RateLimit[], handler: Handler, settings: Record<string, unknown> = {}): RequestListener {
  return mount(carrier, { middleware: limits, handler, onError: answerError, settings })
}

function answerError(error: unknown, response: ServerResponse): void {
  const { code, message, status, headers = {} } = error as { code?: unknown; message: string; status?: number; headers?: Record<string, string> }
  const answer: ErrorAnswer = { code, message }
  response.writeHead(status ?? 500, headers).end(JSON.stringify(answer))
}
