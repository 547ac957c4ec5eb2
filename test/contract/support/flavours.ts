/** The frameworks that a handler runs in: none, Express 4, Express 5. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import express, { type Express } from 'express'
import express4 from 'express4'

export type Handler = (req: IncomingMessage, res: ServerResponse) => unknown

export interface Flavour {
  readonly name: string
  wrap(handler: Handler): RequestListener
}

/** An Express of either version, with its name. */
export const EXPRESSES: readonly (readonly [name: string, express: typeof express])[] = [
  ['Express 4', express4],
  ['Express 5', express],
]

/** An app that logs nothing of the errors that tests make. */
export function quietApp(factory: typeof express): Express {
  const app = factory()
  app.set('env', 'test')
  return app
}

/** Answers errors with their messages: Express's own answer has a stack, which differs with the road. */
export function tellErrors(app: Express): Express {
  app.use((error: unknown, _req: express.Request, res: express.Response, next: express.NextFunction) => {
    if (res.headersSent) {
      next(error)
      return
    }
    const status = typeof error === 'object' && error !== null && 'status' in error ? Number(error.status) : 500
    res.status(status).type('text').send(String(error))
  })
  return app
}

export const FLAVOURS: readonly Flavour[] = [
  { name: 'bare handler', wrap: (handler) => handler },
  ...EXPRESSES.map(([name, factory]) => ({
    name,
    wrap: (handler: Handler): RequestListener => {
      const app = quietApp(factory)
      app.disable('x-powered-by')
      app.use((req, res) => {
        handler(req, res)
      })
      return app
    },
  })),
]
