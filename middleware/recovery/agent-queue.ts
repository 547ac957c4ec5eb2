/**
 * Attributes the connections of an `http.Agent`. An outgoing request may wait in the agent until another connection
 * ends. Node then makes its connection in the context of the request whose connection has ended, which would get its
 * errors. So the connection is made in the context of the code that made the outgoing request.
 */
import { Agent, type ClientRequest } from 'node:http'
import type { Patches } from '../shared/patches.js'
import { contexts, type FailureContext } from './context.js'

type Take = (this: Agent, request: ClientRequest, ...args: unknown[]) => unknown

/** Methods of an agent that Node calls: `addRequest` for a new request, `createSocket` to make a connection for it. */
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
