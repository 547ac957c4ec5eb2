/** Where the doctor learns what arrived at the app: a stand-in at the socket, or the running app's own workers. */
import type { Arrival } from '../../server/diagnostics.js'

/** Answers the doctor's requests, and keeps what arrived of each. */
export interface ArrivalSource {
  /** The token of the marks that are answered. */
  readonly token: string
  /** `timeouts.idle` of the app that runs, in milliseconds, 0 for none; undefined where it does not run. */
  readonly idleLimit: number | undefined
  /** Whether the app takes the client's address from X-Forwarded-For; false where it does not run. */
  readonly trustsForwarded: boolean
  /** What has arrived so far, in order; requests without a mark have an empty name. */
  arrivals(): Promise<readonly Arrival[]>
  /** The first line of HTTP that came where FastCGI was expected. */
  http(): string | undefined
  /** The client has got the first piece of a stream: the next may go. @returns whether it was still held */
  release(name: string): Promise<boolean>
  /** Stops answering, and takes away what was put in place for it. */
  close(): Promise<void>
}

/** The app that runs cannot be asked. */
export interface NotAsked {
  /** Why, and what would help: the second half of a sentence. */
  readonly reason: string
}
