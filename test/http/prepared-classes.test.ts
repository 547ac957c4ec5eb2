/** Prepared prototypes: Express's own change of prototypes changes nothing, over FastCGI and over plain HTTP. */
import { describe, expect, it } from '@jest/globals'
import express from 'express'
import express4 from 'express4'
import { createServer as createHttpServer, IncomingMessage, ServerResponse, type RequestListener } from 'node:http'
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { createServer, gateway, prepared } from 'express-responder'
import request from 'supertest'
import { createResponderConstructors } from '../../lib/http/prepared-classes.js'

setFlagsFromString('--allow-natives-syntax')
// eslint-disable-next-line @typescript-eslint/no-implied-eval -- only text that is compiled now may ask V8 itself
const shareHiddenClass = new Function('one', 'other', 'return %HaveSameMap(one, other)') as (one: object, other: object) => boolean

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

  it.each([
    ['over HTTP', (app: RequestListener) => createHttpServer(prepared(app), app)],
    ['over FastCGI', (app: RequestListener) => gateway(createServer(app))],
  ])('in a mounted app, requests and responses share a hidden class with those before them: %s', async (_carrier, serve) => {
    const [app, mounted] = [create(), create()]
    const handled: [IncomingMessage, ServerResponse][] = []
    mounted.get('/hello', (req, res) => {
      handled.push([req, res])
      res.status(202).json({ mounted: req.app === mounted && res.app === mounted, url: req.originalUrl, base: req.baseUrl })
    })
    app.use('/api', mounted)
    const server = serve(app)
    // The first ones teach V8 which kinds of values the properties have.
    for (let times = 0; times < 6; times++) {
      await request(server).get('/api/hello').expect(202, { mounted: true, url: '/api/hello', base: '/api' })
    }
    const [[request1, response1], [request2, response2]] = handled.slice(-2) as [[object, object], [object, object]]
    expect([shareHiddenClass(request1, request2), shareHiddenClass(response1, response2)]).toEqual([true, true])
  })
})

it('an app without prototypes of its own gets Node’s', () => {
  const constructors = prepared(() => undefined)
  expect(constructors.IncomingMessage.prototype).toBe(IncomingMessage.prototype)
  expect(constructors.ServerResponse.prototype).toBe(ServerResponse.prototype)
})

it.each([
  ['over HTTP', (incoming: IncomingMessage) => new (prepared(() => undefined).ServerResponse)(incoming)],
  ['over FastCGI', (incoming: IncomingMessage) => new (createResponderConstructors(undefined).Response)(incoming)],
])('a response emits as Node’s own, also events that are named as what every object has: %s', (_carrier, create) => {
  const response = create(new IncomingMessage(new Socket()))
  expect(response.emit('constructor')).toBe(false)
  expect(response.listenerCount('toString')).toBe(0)
  const seen: string[] = []
  response.once('constructor', () => { seen.push('once') })
  response.on('constructor', () => { seen.push('on') })
  expect(response.eventNames()).toEqual(['constructor'])
  response.emit('constructor')
  response.emit('constructor')
  expect(seen).toEqual(['once', 'on', 'on'])
  response.removeAllListeners('constructor')
  expect(response.eventNames()).toEqual([])
  expect(response.emit('constructor')).toBe(false)
})
