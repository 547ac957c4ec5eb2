/**
 * Counts the connections that this process' servers accept, from the first request of each server on. A server may tell of
 * each request of a connection by 'connection', too, with an object that only looks like a socket: those are none.
 */
import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'

let accepted = NaN
/** The server of the request before: nearly always that of the next one, too. */
let latest: unknown
const watched = new WeakSet<EventEmitter>()

/** So many so far; NaN until there was a request whose server is known. */
export function acceptedConnections(): number {
  return accepted
}

/** In turn among workers: then it is the primary process that accepts, and what it holds back is not seen here. */
const acceptedElsewhere = cluster.isWorker && cluster.schedulingPolicy === cluster.SCHED_RR

/** Watches the request's server. */
export function watchAccepts({ socket }: IncomingMessage): void {
  if (acceptedElsewhere) return
  // Requests made up by tests may have no socket.
  const server = (socket as { server?: unknown } | undefined)?.server
  if (server === latest) return
  latest = server
  if (!isEmitter(server) || watched.has(server)) return
  watched.add(server)
  if (Number.isNaN(accepted)) accepted = 0
  server.on('connection', (connection: unknown) => {
    if (connection instanceof Duplex) accepted += 1
  })
}

function isEmitter(value: unknown): value is EventEmitter {
  return value instanceof EventEmitter
}
