/** What the memory endpoint is made of: one method of one path. */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** The header of an answer for which a full collection was forced. */
export const FORCED = 'Forced-GC'

/** Answers one method of one path. */
export type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

/** Works on plain `node:http`, Express 4 and 5 alike. Who may ask, and when, is decided before `handle` is called. */
export interface Route {
  method: 'GET' | 'POST'
  /** The last segment of the path: `heap`; '' for the page. */
  path: string
  /** One of these at a time in a process. */
  expensive: boolean
  /**
   * Whether the answer costs a forced collection: V8's sampling profiler has no other way. GETs among them are scrapes,
   * which some program may repeat without thinking, and are kept apart. Default: false.
   */
  forces?: boolean
  /**
   * Holds everything up without a collection that is announced: those of one kind begin no more often than scrapes do.
   * Counted from the start, or from the end.
   */
  stalls?: { kind: string; from: 'start' | 'end' }
  /** ms that it takes, as far as that is known before: others wait for what is over soon. Default: nobody knows. */
  lasts?: (request: IncomingMessage) => number | undefined
  /** Answers, where its turn has not come, with what was taken last; false where there is nothing of use. */
  recent?: (request: IncomingMessage, response: ServerResponse) => Promise<boolean>
  /** Whether `go tool pprof` asks for it, which is told in text what goes wrong. Default: false. */
  pprof?: boolean
  /** Answers HEAD where `handle` is expensive, as far as that can be said without doing it. Default: a head that says nothing of the content. */
  head?: Handle
  handle: Handle
}
