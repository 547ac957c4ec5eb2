/**
 * The road that a suite's requests take: HTTP → gateway → FastCGI over a Unix socket → adapter.
 *
 * `supertest(app)`, `supertest.agent(app)` and `app.listen()` all come to `http.createServer(app)`. That one
 * function is replaced; requests are counted at both ends, and any that reaches an app on another way is counted too.
 */
import { EventEmitter } from 'node:events'
import http, { type RequestListener, type Server } from 'node:http'
import { createServer, gateway } from 'express-responder'

/** Requests by where they arrived. */
export interface Traffic {
  /** At a gateway, over HTTP. */
  gateway: number
  /** At an adapter, over FastCGI on a Unix socket. */
  fastcgi: number
  /** At any other HTTP server. */
  elsewhere: number
}

type Emit = (this: Server, event: string, ...values: unknown[]) => boolean
type Listen = (event: string, listener: () => void) => Server

const REQUEST_EVENTS = new Set(['request', 'checkContinue', 'checkExpectation', 'connect', 'upgrade'])

/** From now on counts the requests that this process's HTTP servers emit. */
export function countTraffic(): { traffic: Traffic; mark: (server: Server, as: keyof Traffic) => void } {
  const traffic: Traffic = { gateway: 0, fastcgi: 0, elsewhere: 0 }
  const marks = new WeakMap<Server, keyof Traffic>()
  const emit = Reflect.get(EventEmitter.prototype, 'emit') as Emit
  function countingEmit(this: Server, event: string, ...values: unknown[]): boolean {
    if (REQUEST_EVENTS.has(event)) traffic[roadOf(this, marks.get(this))]++
    return emit.call(this, event, ...values)
  }
  Object.assign(http.Server.prototype, { emit: countingEmit })
  return { traffic, mark: (server, as) => marks.set(server, as) }
}

/** An adapter that does not listen on a Unix socket would be another road. */
function roadOf(server: Server, mark: keyof Traffic | undefined): keyof Traffic {
  if (mark === 'fastcgi' && typeof server.address() !== 'string') return 'elsewhere'
  return mark ?? 'elsewhere'
}

/** From now on `http.createServer(app)` gives a gateway whose FastCGI application is the app. */
export function divert(mark: (server: Server, as: keyof Traffic) => void): void {
  function createGateway(...given: unknown[]): Server {
    const app = given.find((value): value is RequestListener => typeof value === 'function')
    // The suites stand for sites with a proxy in front: they test 'trust proxy' by what it believes.
    const application = createServer(app, { forwardedHeaders: 'trust' })
    const front = gateway(application)
    mark(application, 'fastcgi')
    mark(front, 'gateway')
    passListenersOn(front, application)
    // What the app's listener says of its server, it says of the application.
    application.on('error', (error) => front.emit('error', error))
    return front
  }
  // Only what `require('http')` gives is replaced: the gateway's own import is not.
  Object.assign(http, { createServer: createGateway })
}

/** Who listens for requests to the gateway from now on shall hear of those that reach the application. */
function passListenersOn(front: Server, application: Server): void {
  for (const method of ['on', 'addListener', 'once'] as const) {
    const listenToFront = front[method].bind(front) as Listen
    const listenToApplication = application[method].bind(application) as Listen
    const listen = (event: string, listener: () => void): Server => {
      if (REQUEST_EVENTS.has(event)) listenToApplication(event, listener)
      else listenToFront(event, listener)
      return front
    }
    Object.assign(front, { [method]: listen })
  }
}
