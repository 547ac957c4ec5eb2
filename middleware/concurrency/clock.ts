/** The clock and the event loop, as policies see them, and those of this process. */
import { AsyncResource } from 'node:async_hooks'
import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { performance } from 'node:perf_hooks'
import { Duplex } from 'node:stream'

/** The time, and the processor time. */
export interface CpuClock {
  /** Milliseconds, monotonic. */
  now(): number
  /** Milliseconds of processor time that the process has had so far. */
  cpuTime(): number
}

/** The time, and the event loop. */
export interface LoopClock extends CpuClock {
  /** Milliseconds that the loop has waited in poll, as `performance.nodeTiming.idleTime`. */
  idleTime(): number
  /** Connections that have been accepted so far; NaN where nobody counts them. */
  accepted(): number
  /** Turns of the loop so far; NaN where nobody counts them. */
  turns(): number
  /** Runs in this turn's check phase. */
  setImmediate(callback: () => void): void
}

/** The clock and the event loop, as policies see them. Times in ms. */
export interface Clock extends LoopClock {
  /** Runs once, later, and keeps no process alive; the function that comes back stops it. */
  setTimeout(callback: () => void, milliseconds: number): () => void
}

const { nodeTiming } = performance
/** By `hasRef`, jest's detectOpenHandles sees that it keeps no process alive. */
class TimerContext extends AsyncResource {
  hasRef(): boolean {
    return false
  }
}

/** A timer would run in the context of the request that started it, and keep that as long as it is started anew. */
const timerContext = new TimerContext('concurrencyLimit', { requireManualDestroy: true })

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
  setTimeout: (callback, milliseconds) => {
    const timer = timerContext.runInAsyncScope(() => setTimeout(callback, milliseconds).unref())
    return () => {
      clearTimeout(timer)
    }
  },
}

/*
 * Counts the connections that this process' servers accept, from the first request of each server on. A server may tell of
 * each request of a connection by 'connection', too, with an object that only looks like a socket: those are none.
 */

let accepted = NaN
/** The server of the request before: nearly always that of the next one, too. */
let latestServer: unknown
const countedServers = new WeakSet<EventEmitter>()

/** So many so far; NaN until there was a request whose server is known. */
export function acceptedConnections(): number {
  return accepted
}

/** In turn among workers: then it is the primary process that accepts, and what it holds back is not seen here. */
const acceptedElsewhere = cluster.isWorker && cluster.schedulingPolicy === cluster.SCHED_RR

/** Watches the request's server. */
export function countAccepts({ socket }: IncomingMessage): void {
  if (acceptedElsewhere) return
  // Requests made up by tests may have no socket.
  const server = (socket as { server?: unknown } | undefined)?.server
  if (server === latestServer) return
  latestServer = server
  if (!isEmitter(server) || countedServers.has(server)) return
  countedServers.add(server)
  if (Number.isNaN(accepted)) accepted = 0
  server.on('connection', (connection: unknown) => {
    if (connection instanceof Duplex) accepted += 1
  })
}

function isEmitter(value: unknown): value is EventEmitter {
  return value instanceof EventEmitter
}
