/**
 * Outgoing requests that wait in an `http.Agent` for a connection. Node makes that in the context of the request whose
 * connection has ended, and an error in making it would be that one's. So it is made in the context of who asked.
 */
import { Agent, type ClientRequest } from 'node:http'
import type { Patches } from '../shared/patches.js'
import { contexts, type FailureContext } from './context.js'

type Take = (this: Agent, request: ClientRequest, ...args: unknown[]) => unknown

/** What Node calls on an agent: `addRequest` where a request is made, `createSocket` where it gets a connection of its own. */
interface InternalAgent {
  addRequest: Take
  createSocket: Take
}

const requesters = new WeakMap<ClientRequest, FailureContext>()

/** Begins to watch; `patches` put it back. */
export function watchAgentQueues(patches: Patches): void {
  const target = Agent.prototype as unknown as InternalAgent
  patches.replace(target, 'addRequest', (original) =>
    function addRequest(this: Agent, request: ClientRequest, ...args: unknown[]): unknown {
      const context = contexts.getStore()
      if (context !== undefined) requesters.set(request, context)
      return original.call(this, request, ...args)
    },
  )
  patches.replace(target, 'createSocket', (original) =>
    function createSocket(this: Agent, request: ClientRequest, ...args: unknown[]): unknown {
      const requester = requesters.get(request)
      if (requester === contexts.getStore()) return original.call(this, request, ...args)
      return contexts.run(requester, () => original.call(this, request, ...args))
    },
  )
}
