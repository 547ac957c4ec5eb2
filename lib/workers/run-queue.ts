/**
 * Gives requests to the app in the order in which they came, where handlers keep the event loop busy.
 *
 * A turn of the event loop reads all connections that have something to read, one after the other. If the app runs each time at once,
 * a request that comes just after such a turn has begun waits for all of them, and for up to as many in the next one: twice as
 * long as its turn would be. Here the others of such a turn are read and wait; the loop looks for new ones before each next.
 *
 * Where handlers are short, nothing waits: all it costs is to ask for the time.
 */
import { AsyncResource } from 'node:async_hooks'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/** After so long since a request began, without a pause of the event loop, the next waits for those that came before, in ms. */
const LONG_MS = 0.5
/** The event loop has paused where it has waited for so long, in ms. */
const PAUSE_MS = 0.05
/** The most requests that are run until the loop looks for new ones. */
const MAX_BATCH = 64
/** How long those that wait are run without such a look where others are to accept, in ms: signals and messages wait as long. */
const OTHERS_ACCEPT_MS = 250

interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Where it came from: AsyncLocalStorage contexts of who listens before the app. */
  readonly resource: AsyncResource
}

/** The queue of a worker, before its app. */
export class RunQueue {
  readonly #app: RequestListener
  readonly #timing = performance.nodeTiming
  readonly #queue: Waiting[] = []
  /** When a request was given to the app last. */
  #lastBegun = 0
  #idleTime = 0
  /** How many are run until the loop looks for new ones, how many of them are left, and when the first began. */
  #batch = 1
  #left = 0
  #batchBegun = 0
  /** Until when a batch may go on; the rest of it is begun anew then. */
  #batchEnds = Infinity
  #runs = 0
  #waited = 0

  constructor(app: RequestListener) {
    this.#app = app
  }

  /** Runs a request now, or after those that wait. */
  readonly listener: RequestListener = (request, response) => {
    const now = performance.now()
    if (this.#queue.length > 0 || (now - this.#lastBegun >= LONG_MS && !this.#hasPaused())) {
      this.#wait(request, response, now)
      return
    }
    this.#lastBegun = now
    this.#runs++
    this.#app(request, response)
  }

  /**
   * Runs those that wait without a look for new ones between them. Connections have been given away, and what the web server opens
   * instead is for other workers. On few processors it opens them as soon as it is answered, before this worker goes on: the next
   * look would find them, and each would come back.
   */
  leaveNewToOthers(): void {
    if (this.#left === 0) return
    this.#batchEnds = performance.now() + OTHERS_ACCEPT_MS
    for (; this.#left < this.#queue.length; this.#left++) setImmediate(this.#runNext)
  }

  /** How many requests waited in the mean while one was run, since this was last asked. */
  meanWaiting(): number {
    const mean = this.#runs === 0 ? 0 : this.#waited / this.#runs
    this.#runs = 0
    this.#waited = 0
    return mean
  }

  /** Whether the event loop has had nothing to do since this was last asked. */
  #hasPaused(): boolean {
    const before = this.#idleTime
    this.#idleTime = this.#timing.idleTime
    return this.#idleTime - before > PAUSE_MS
  }

  #wait(request: IncomingMessage, response: ServerResponse, now: number): void {
    this.#queue.push({ request, response, resource: new AsyncResource('FastCgiRequest') })
    if (this.#queue.length > 1 || this.#left > 0) return
    this.#batch = 1
    this.#batchBegun = now
    this.#runLater()
  }

  /** Each has an immediate of its own, so that what the app does at once after one, by promises say, is done before the next. */
  #runLater(): void {
    this.#left = Math.min(this.#batch, this.#queue.length)
    for (let index = 0; index < this.#left; index++) setImmediate(this.#runNext)
  }

  readonly #runNext = (): void => {
    this.#left--
    const isOver = this.#batchEnds !== Infinity && performance.now() > this.#batchEnds
    const next = isOver ? undefined : this.#queue.shift()
    if (this.#left === 0) {
      this.#batchEnds = Infinity
      if (this.#queue.length > 0) this.#beginBatch()
    }
    if (next === undefined || next.response.destroyed) return
    this.#lastBegun = performance.now()
    this.#runs++
    this.#waited += this.#queue.length
    next.resource.runInAsyncScope(this.#app, undefined, next.request, next.response)
  }

  /** Quick ones are run several in a row. */
  #beginBatch(): void {
    const now = performance.now()
    this.#batch = now - this.#batchBegun < LONG_MS ? Math.min(2 * this.#batch, MAX_BATCH) : 1
    this.#batchBegun = now
    this.#runLater()
  }
}
