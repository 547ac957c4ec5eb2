/** Prepared prototypes: Express's own change of prototypes changes nothing, over FastCGI and over plain HTTP. */
import { describe, expect, it } from '@jest/globals'
import express from 'express'
import express4 from 'express4'
import { createServer as createHttpServer, IncomingMessage, ServerResponse, type RequestListener } from 'node:http'
import { createServer, gateway, prepared } from 'express-responder'
import request from 'supertest'

describe.each([['Express 4', express4], ['Express 5', express]])('%s', (_name, create) => {
  const appThatTells = (): { app: RequestListener; changed: () => number } => {
    const app = create()
    app.get('/', (req, res) => {
      res.json({ request: Object.getPrototypeOf(req) === app.request, response: Object.getPrototypeOf(res) === app.response })
    })
    let changed = 0
    // What Express is about to do, seen from outside: the prototypes before it.
    const listener: RequestListener = Object.assign(
      (req: IncomingMessage, res: ServerResponse) => {
        if (Object.getPrototypeOf(req) !== app.request || Object.getPrototypeOf(res) !== app.response) changed++
        app(req, res)
      },
      { request: app.request, response: app.response },
    )
    return { app: listener, changed: () => changed }
  }

  it('over HTTP', async () => {
    const { app, changed } = appThatTells()
    await request(createHttpServer(prepared(app), app)).get('/').expect(200, { request: true, response: true })
    expect(changed()).toBe(0)
  })

  it('over FastCGI', async () => {
    const { app, changed } = appThatTells()
    await request(gateway(createServer(app))).get('/').expect(200, { request: true, response: true })
    expect(changed()).toBe(0)
  })
})

it('an app without prototypes of its own gets Node’s', () => {
  const constructors = prepared(() => undefined)
  expect(constructors.IncomingMessage.prototype).toBe(IncomingMessage.prototype)
  expect(constructors.ServerResponse.prototype).toBe(ServerResponse.prototype)
})
