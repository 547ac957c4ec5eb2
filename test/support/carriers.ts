/** What middleware may run on: the same chain of middleware in front of the same handler, on each of it. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import express4 from 'express4'
import express5, { type NextFunction, type Request, type Response } from 'express'

export const CARRIERS = ['Express 5 over HTTP', 'Express 4 over HTTP', 'Express 5 over FastCGI', 'plain http'] as const
export type Carrier = (typeof CARRIERS)[number]

export type Handler = (request: IncomingMessage, response: ServerResponse) => void
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void

export interface Chain {
  /** Called in this order, each by the `next()` of the one before. */
  middleware: readonly Middleware[]
  handler: Handler
  /** Where `next()` got an error. Default: Express answers itself, and without Express the connection is broken off. */
  onError?: (error: unknown, response: ServerResponse) => void
  /** Express's settings, besides `env`. Default: none. */
  settings?: Record<string, unknown>
  /** What answers everything below a path, behind the middleware; without Express nothing comes after it. Default: none. */
  endpoint?: { path: string; handle: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void }
  /** A path of Express's that the handler has too. Default: none. */
  route?: string
}

/** An app of the Express that the carrier names, or a listener without it. */
export function mount(carrier: string, chain: Chain): RequestListener {
  if (!carrier.startsWith('Express')) return plain(chain)
  const { middleware, handler, onError, settings = {}, endpoint, route } = chain
  const app = carrier.startsWith('Express 4') ? express4() : express5()
  for (const [name, value] of Object.entries({ env: 'test', ...settings })) app.set(name, value)
  for (const one of middleware) app.use(one)
  if (endpoint !== undefined) app.use(endpoint.path, endpoint.handle)
  if (route !== undefined) app.get(route, handler)
  app.use(handler)
  if (onError !== undefined) {
    // Express asks for four parameters.
    // eslint-disable-next-line @typescript-eslint/no-unused-vars
    app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => { onError(error, response) })
  }
  return app as RequestListener
}

function plain({ middleware, handler, onError = (_error, response) => { response.destroy() }, endpoint }: Chain): RequestListener {
  return (request, response) => {
    const step = (index: number): void => {
      const one = middleware[index]
      if (one === undefined && endpoint !== undefined && request.url?.startsWith(`${endpoint.path}/`) === true) endpoint.handle(request, response)
      else if (one === undefined) handler(request, response)
      else one(request, response, (error) => {
        if (error === undefined) step(index + 1)
        else onError(error, response)
      })
    }
    step(0)
  }
}
