/**
 * Counts the requests of the whole process, wherever the endpoint is mounted: by the diagnostics channel that Node's HTTP
 * server and this package's FastCGI server publish on. The latter keeps numbers of its own, which are read instead of
 * listening to each response.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

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
  response: ServerResponse
  socket: Socket & { _httpMessage?: unknown }
  server: CountingServer
}

export class RequestCounter {
  /** Of servers that do not count themselves; less those of the others that are left out. */
  #inFlight = 0
  #over = 0
  /** One function for all of them. */
  readonly #ended = (): void => {
    this.#inFlight--
    this.#over++
  }

  /** One for all that are left out although their servers count them: takes off what these count too much. */
  readonly #excludedEnded = (): void => {
    this.#inFlight++
    this.#over--
  }

  /** Of each server that counts itself, how many were over when it was first seen. */
  readonly #servers = new Map<Counts, number>()
  #latest: Counts | undefined
  /** Responses that had to wait behind others on their connections. */
  readonly #pipelined = new WeakMap<Socket, Set<ServerResponse>>()

  readonly #started = (message: unknown): void => {
    const { response, socket, server } = message as Started
    const counts = server[REQUEST_COUNTS]
    if (counts !== undefined) {
      if (counts !== this.#latest) this.#remember(counts)
      return
    }
    this.#inFlight++
    response.on('close', this.#ended)
    // A response that waits behind another one on a pipelined connection is never told that the connection has closed.
    const { _httpMessage: current } = socket
    if (current !== null && current !== undefined && current !== response) this.#watchPipelined(response, socket)
  }

  constructor() {
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
  exclude(response: ServerResponse): void {
    const counts = (response.socket as { server?: CountingServer } | null)?.server?.[REQUEST_COUNTS]
    if (counts !== undefined) this.#excludeFromServerCounts(response, counts)
    else if (this.#stopCounting(response)) this.#inFlight--
  }

  close(): void {
    unsubscribe(CHANNEL, this.#started)
  }

  #remember(counts: Counts): void {
    this.#latest = counts
    if (!this.#servers.has(counts)) this.#servers.set(counts, counts.over)
  }

  /** Its server counts it all the same. */
  #excludeFromServerCounts(response: ServerResponse, counts: Counts): void {
    if (response.listeners('close').includes(this.#excludedEnded)) return
    this.#remember(counts)
    this.#inFlight--
    response.on('close', this.#excludedEnded)
  }

  #watchPipelined(response: ServerResponse, socket: Socket): void {
    let behind = this.#pipelined.get(socket)
    if (behind === undefined) {
      const waiting = behind = new Set()
      this.#pipelined.set(socket, behind)
      socket.once('close', () => {
        for (const left of waiting) if (this.#stopCounting(left)) this.#ended()
      })
    }
    const responses = behind.add(response)
    response.on('close', () => { responses.delete(response) })
  }

  /** Whether it was being counted. */
  #stopCounting(response: ServerResponse): boolean {
    const counted = response.listeners('close').includes(this.#ended)
    response.removeListener('close', this.#ended)
    return counted
  }
}
