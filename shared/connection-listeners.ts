/**
 * Listeners for a server's 'connection' that need no whole `net.Socket` of it: they listen for 'close', look whether it is a
 * stream, or destroy it. As long as a server has no others, making its sockets can be put off until somebody asks for more.
 */
import type { EventEmitter } from 'node:events'

/** How many of a server's listeners for 'connection' are such. A registered symbol: parts of the package may be there twice. */
const COUNT = Symbol.for('express-responder.connection-listeners')

/** Runs something that adds such listeners, the package's own or those of a library that is known. */
export function addingConnectionListeners<T>(server: EventEmitter, add: () => T): T {
  const before = server.listenerCount('connection')
  const result = add()
  Reflect.set(server, COUNT, knownListeners(server) + server.listenerCount('connection') - before)
  return result
}

/** Whether a server has no other listeners for 'connection'. */
export function needsNoWholeSockets(server: EventEmitter): boolean {
  return server.listenerCount('connection') === knownListeners(server)
}

function knownListeners(server: EventEmitter): number {
  const count: unknown = Reflect.get(server, COUNT)
  return typeof count === 'number' ? count : 0
}
