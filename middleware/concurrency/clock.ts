/**
 * The clock that policies are given: time, CPU time, timers, turns of the event loop. `systemClock` is the real one.
 */
import { AsyncResource } from 'node:async_hooks'
import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { performance } from 'node:perf_hooks'
import { Duplex } from 'node:stream'
import { addingConnectionListeners } from '../../shared/connection-listeners.js'

/** Time and CPU time. */
export interface CpuClock {
  /** Milliseconds, monotonic. */
  now(): number
  /** Milliseconds of CPU time that the process has used so far. */
  cpuTime(): number
}

/** Time and the event loop. */
export interface LoopClock extends CpuClock {
  /** Milliseconds that the loop has waited in poll, as `performance.nodeTiming.idleTime`. */
  idleTime(): number
  /** Connections accepted so far; NaN where they are not counted. */
  accepted(): number
  /** Turns of the loop so far; NaN where Node does not count them. */
  turns(): number
  /** Calls back in the check phase of this turn of the loop. */
  setImmediate(callback: () => void): void
}

/** The clock and the event loop, as policies see them. Times in ms. */
export interface Clock extends LoopClock {
  /** Calls back once the code that runs now is through. */
  queueMicrotask(callback: () => void): void
  /** Calls back once. The timer keeps no process alive. Returns a function that stops it. */
  setTimeout(callback: () => void, milliseconds: number): () => void
}

const { nodeTiming } = performance
/** jest's detectOpenHandles asks `hasRef()`, and does not report what keeps no process alive. */
class OwnContext extends AsyncResource {
  hasRef(): boolean {
    return false
  }
}

/** What lasts longer than a request runs in this context, such as timers: in that of the request it would keep that in memory. */
export const ownContext = new OwnContext('concurrencyLimit', { requireManualDestroy: true })

/** The clock of this process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  cpuTime: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  idleTime: () => nodeTiming.idleTime,
  accepted: acceptedConnections,
  turns: 'uvMetricsInfo' in nodeTiming ? () => nodeTiming.uvMetricsInfo.loopCount : () => NaN,
  setImmediate: (callback) => {
    setImmediate(callback)
  },
  queueMicrotask,
  setTimeout: (callback, milliseconds) => {
    const timer = ownContext.runInAsyncScope(() => setTimeout(callback, milliseconds).unref())
    return () => {
      clearTimeout(timer)
    }
  },
}

/*
 * Counts the connections that this process' servers accept, from the first request of each server on. A server that
 * multiplexes requests may emit 'connection' for each request, too, with an object that is no stream: those do not
 * count.
 */

let accepted = NaN
/** The server of the last request. The next request is nearly always of the same. */
let latestServer: unknown
const countedServers = new WeakSet<EventEmitter>()

/** Connections accepted so far; NaN until a request has come whose server is known. */
export function acceptedConnections(): number {
  return accepted
}

/** Under a cluster's round-robin scheduling the primary process accepts: a worker cannot see what waits there. */
const acceptedElsewhere = cluster.isWorker && cluster.schedulingPolicy === cluster.SCHED_RR

/** Counts, from now on, what the server of this request accepts. */
export function countAccepts({ socket }: IncomingMessage): void {
  if (acceptedElsewhere) return
  // Requests made up by tests may have no socket.
  const server = (socket as { server?: unknown } | undefined)?.server
  if (server === latestServer) return
  latestServer = server
  if (!isEmitter(server) || countedServers.has(server)) return
  countedServers.add(server)
  if (Number.isNaN(accepted)) accepted = 0
  addingConnectionListeners(server, () => {
    server.on('connection', (connection: unknown) => {
      if (connection instanceof Duplex) accepted += 1
    })
  })
}

function isEmitter(value: unknown): value is EventEmitter {
  return value instanceof EventEmitter
}
