/** How many requests a server has begun and done with, kept as numbers: whoever counts requests need not listen to each response. */

/** Where a server has them, for whoever is not of this package's server, such as the memory endpoint. */
export const REQUEST_COUNTS = Symbol.for('express-responder.requests')

/** How many requests a server has had. */
export interface RequestCounts {
  /** Given to the app. */
  begun: number
  /** Answered, or given up by whoever asked, the app or the web server. */
  over: number
}
