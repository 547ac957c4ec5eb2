/** One path of the memory endpoint. A handler cares about neither access nor locks: the endpoint wraps it. */
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Route {
  method: 'GET' | 'POST'
  /** Below the mount point, such as `heap`; the page itself is ''. */
  path: string
  /** Whether only one such request may run at a time. */
  expensive: boolean
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void> | void
}
