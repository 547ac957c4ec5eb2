/** Whether the server that carries a request is stopping: nothing that takes long may hold it up. */
import type { IncomingMessage, Server } from 'node:http'

/** Servers that were seen to listen: one that never did, and is given its connections, does not stop for that. */
const listened = new WeakSet<Server>()

/** To be called when a request comes, before anything is waited for. */
export function noteServer(request: IncomingMessage): void {
  const server = serverOf(request)
  if (server?.listening === true) listened.add(server)
}

/** The function says whether the request's server listens no more. Node tells of a stop only once it is complete. */
export function stopOf(request: IncomingMessage): () => boolean {
  noteServer(request)
  const server = serverOf(request)
  return () => server !== undefined && listened.has(server) && !server.listening
}

function serverOf({ socket }: IncomingMessage): Server | undefined {
  return (socket as { server?: Server }).server
}
