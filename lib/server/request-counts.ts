/** Counts of a server, of its requests above all, and their list. By these, nobody needs a listener on each response. */

/** The property of a server that holds its counts: code outside lib/server reads them there, such as the memory endpoint. */
export const REQUEST_COUNTS = Symbol.for('express-responder.requests')

/** The property of a server that lists the requests that the app was given and that are not over. */
export const OPEN_REQUESTS = Symbol.for('express-responder.open-requests')

/** What a server has had. */
export interface RequestCounts {
  /** Requests that the app was given. */
  begun: number
  /** Those of them that were answered, or given up by the client, the web server or the app. */
  over: number
  /** Those whose response had a status from 500 to 599. */
  serverErrors: number
  /** Kept connections of a drain or a release that the web server had not closed, so this side did. */
  closedKept: number
}

const FIRST_SERVER_ERROR = 500

/** Counts a request that is over. */
export function countOver(counts: RequestCounts, status: number): void {
  counts.over++
  if (status >= FIRST_SERVER_ERROR) counts.serverErrors++
}
