/** `GET events`: what happens, as server-sent events, to a few that watch. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { retryAfter, sendProblem } from '../../shared/problem.js'
import { onceOver } from '../../shared/request-lifetime.js'
import type { ProcessMonitor, MonitorEvents } from '../process-monitor.js'
import type { Route } from '../route.js'
import { stopCheckOf } from './responses.js'

/** More watch nothing: each of them is a connection that stays open. */
const MAX_STREAMS = 16
/** A client that takes nothing for so long is cut off, ms. It misses samples before. */
const STALL_TIMEOUT_MS = 30_000
/** When an EventSource whose stream has ended comes again, ms. */
const RECONNECT_MS = 2000

class EventStream {
  readonly response: ServerResponse
  /** Whether its server takes nobody new any more: then the stream must not hold up its stop. */
  readonly isStopping: () => boolean
  #stalledSince = NaN

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.response = response
    this.isStopping = stopCheckOf(request)
  }

  /** What can be missed is left out while the client does not read. */
  write(message: string, now: number, canBeMissed: boolean): void {
    const { response } = this
    if (!response.writableNeedDrain) {
      this.#stalledSince = NaN
      response.write(message)
      return
    }
    if (Number.isNaN(this.#stalledSince)) this.#stalledSince = now
    if (now - this.#stalledSince >= STALL_TIMEOUT_MS) response.destroy()
    else if (!canBeMissed) response.write(message)
  }
}

/** The open streams of events. */
export class EventStreams {
  readonly #monitor: ProcessMonitor
  readonly #streams = new Set<EventStream>()
  readonly #now: () => number
  /** The verdict that those who watch know. */
  #sentVerdict = ''
  readonly #listeners: { readonly [Name in keyof MonitorEvents]: (...args: MonitorEvents[Name]) => void } = {
    // One a second: no other sign of life is needed.
    reading: ({ sample, spaces }) => {
      this.#endStopping()
      this.#send('sample', { ...sample, spaces }, true)
      this.#sendEvidence()
    },
    pause: (pause) => { this.#send('gc', pause, true) },
    verdict: (verdict) => { this.#send('verdict', verdict, false) },
    settle: (report) => { this.#send('settle', report, false) },
  }

  /** `now`: ms of a clock that never goes back. */
  constructor(monitor: ProcessMonitor, now: () => number = () => performance.now()) {
    this.#monitor = monitor
    this.#now = now
    const { reading, pause, verdict, settle } = this.#listeners
    monitor.on('reading', reading).on('pause', pause).on('verdict', verdict).on('settle', settle)
  }

  get routes(): Route[] {
    return [{ method: 'GET', path: 'events', expensive: false, handle: (request, response) => { this.#open(request, response) } }]
  }

  /** Ends all streams, and takes no new ones. */
  close(): void {
    const { reading, pause, verdict, settle } = this.#listeners
    this.#monitor.off('reading', reading).off('pause', pause).off('verdict', verdict).off('settle', settle)
    for (const { response } of this.#streams) response.end()
    this.#streams.clear()
  }

  #open(request: IncomingMessage, response: ServerResponse): void {
    if (this.#streams.size >= MAX_STREAMS) {
      sendProblem(request, response, { status: 429, detail: `${String(MAX_STREAMS)} clients watch already.` }, { 'Retry-After': retryAfter(30) })
      return
    }
    response.statusCode = 200
    response.setHeader('Content-Type', 'text/event-stream')
    // Compression would hold events back, and so would nginx.
    response.setHeader('Cache-Control', 'no-store, no-transform')
    response.setHeader('X-Accel-Buffering', 'no')
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    if (this.#streams.size === 0) this.#sentVerdict = JSON.stringify(this.#monitor.verdict)
    const watcher = new EventStream(request, response)
    this.#streams.add(watcher)
    onceOver(request, response, () => { this.#streams.delete(watcher) })
    response.on('error', () => undefined)
    response.write(`retry: ${String(RECONNECT_MS)}\n\n`)
  }

  #send(event: string, data: object, canBeMissed: boolean): void {
    if (this.#streams.size === 0) return
    const message = `event: ${event}\ndata: ${JSON.stringify({ pid: process.pid, ...data })}\n\n`
    const now = this.#now()
    for (const watcher of [...this.#streams]) watcher.write(message, now, canBeMissed)
  }

  /** The verdict's evidence changes more often than its state: then it is sent again. */
  #sendEvidence(): void {
    if (this.#streams.size === 0) return
    const { verdict } = this.#monitor
    const text = JSON.stringify(verdict)
    if (text === this.#sentVerdict) return
    this.#sentVerdict = text
    this.#send('verdict', verdict, true)
  }

  #endStopping(): void {
    for (const watcher of [...this.#streams]) {
      if (!watcher.isStopping()) continue
      this.#streams.delete(watcher)
      watcher.response.end()
    }
  }
}
