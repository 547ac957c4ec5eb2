/**
 * Counts the requests of the whole process, wherever the endpoint is mounted: by the diagnostics channel that Node's HTTP
 * server and this package's FastCGI server publish on. The latter keeps numbers of its own, which are read instead of
 * listening to each response.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { RequestLifetime, subscribeToFinish, type LifetimeObserver } from '../../shared/request-lifetime.js'

const CHANNEL = 'http.server.request.start'
/** Where a server keeps its numbers. */
const REQUEST_COUNTS = Symbol.for('express-responder.requests')

interface Counts {
  readonly begun: number
  readonly over: number
}

interface CountingServer extends Server {
  readonly [REQUEST_COUNTS]?: Counts
}

interface Started {
  request: IncomingMessage
  response: ServerResponse
  server: CountingServer
}

/** Counts the requests of the whole process, whichever servers it has. */
export class RequestCounter {
  /** Of servers that do not count themselves; less those of the others that are left out. */
  #inFlight = 0
  #over = 0
  /** One for all requests. */
  readonly #counting: LifetimeObserver = {
    releaseAtEnd: false,
    releaseAtStream: false,
    owner: this,
    end: () => {
      this.#inFlight--
      this.#over++
    },
  }

  /** One for all that are left out although their servers count them: takes off what these count too much. */
  readonly #excluding: LifetimeObserver = {
    releaseAtEnd: false,
    releaseAtStream: false,
    owner: this,
    end: () => {
      this.#inFlight++
      this.#over--
    },
  }

  /** Of each server that counts itself, how many were over when it was first seen. */
  readonly #servers = new Map<Counts, number>()
  #latest: Counts | undefined

  readonly #started = (message: unknown): void => {
    const { request, response, server } = message as Started
    const counts = server[REQUEST_COUNTS]
    if (counts !== undefined) {
      if (counts !== this.#latest) this.#remember(counts)
      return
    }
    this.#inFlight++
    RequestLifetime.ofStarted(request, response).add(this.#counting)
  }

  constructor() {
    subscribeToFinish()
    subscribe(CHANNEL, this.#started)
  }

  /** Begun and not over. */
  get inFlight(): number {
    let inFlight = this.#inFlight
    for (const { begun, over } of this.#servers.keys()) inFlight += begun - over
    return inFlight
  }

  /** Answered, or given up by their clients. */
  get over(): number {
    let all = this.#over
    for (const [{ over }, before] of this.#servers) all += over - before
    return all
  }

  /** Leaves out a request that is no part of the app's load: one of the endpoint itself. */
  exclude(request: IncomingMessage, response: ServerResponse): void {
    const counts = (request.socket as { server?: CountingServer } | null)?.server?.[REQUEST_COUNTS]
    if (counts !== undefined) this.#excludeFromServerCounts(request, response, counts)
    else if (RequestLifetime.existing(request, response)?.remove(this.#counting) === true) this.#inFlight--
  }

  close(): void {
    unsubscribe(CHANNEL, this.#started)
  }

  #remember(counts: Counts): void {
    this.#latest = counts
    if (!this.#servers.has(counts)) this.#servers.set(counts, counts.over)
  }

  /** Its server counts it all the same. */
  #excludeFromServerCounts(request: IncomingMessage, response: ServerResponse, counts: Counts): void {
    const lifetime = RequestLifetime.of(request, response)
    if (lifetime.isObservedBy(this)) return
    this.#remember(counts)
    this.#inFlight--
    lifetime.add(this.#excluding)
  }
}
