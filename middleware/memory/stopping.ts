/** Whether the server that carries a request is stopping: nothing that takes long may hold it up. */
import type { IncomingMessage } from 'node:http'
import { Server } from 'node:net'

/**
 * The function says whether the request's server listens no more; where it had stopped listening before the request came,
 * from the next tick on. Node tells of a stop only once it is complete.
 */
export function stopOf({ socket }: IncomingMessage): () => boolean {
  const { server } = socket as { server?: unknown }
  if (!(server instanceof Server)) return () => false
  let listened = server.listening
  // One that is given its connections never listens, and does not stop for that; but then it has accepted none itself.
  if (!listened) server.getConnections((_error, accepted) => { listened = accepted > 0 })
  return () => listened && !server.listening
}
