/** What is told of an event loop that stands still: the types, and the names that the main thread and the watching thread share. */

/** A function on the call stack. */
export interface StackFrame {
  /** '' where it has no name. */
  readonly functionName: string
  /** As V8 names the script: a `file:` URL, a path for CommonJS, `node:…` for Node's own. */
  readonly url: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

/** A request, as a report names it. */
export interface ReportedRequest {
  readonly method: string
  /** Path and query, as the client has sent them. */
  readonly url: string
  /** The pattern of Express's route with what it is mounted on, such as `/users/:id`. */
  readonly route?: string
}

/** An event loop is stuck. */
export interface StuckReport {
  readonly type: 'stuck'
  /** For how long the event loop has not turned. */
  readonly milliseconds: number
  /** The innermost function first; null where it could not be taken. */
  readonly stack: readonly StackFrame[] | null
  /** Whether no JavaScript ran while the stack was asked for: the process is inside a native call. */
  readonly native: boolean
  /** The request whose code is running. Beside `openRequests` it is the only one that is open; null where it is not known. */
  readonly request: ReportedRequest | null
  /** The requests that are open, some of them at least: given only where the running code does not show whose it is. */
  readonly openRequests?: readonly ReportedRequest[]
}

/**
 * What the watching thread tells, each a line of JSON: the loop has stood still for a third of the time that makes it stuck; it turns
 * again after all; it is stuck.
 */
export type LoopMessage =
  | { readonly type: 'standing', readonly milliseconds: number }
  | { readonly type: 'turning' }
  | StuckReport

/** A request that has run for longer than the slow log allows, as it is found while the event loop is blocked. */
export interface OverdueRequest extends ReportedRequest {
  /** Milliseconds since it began. */
  readonly age: number
}

/** What the watching thread tells in the slow log. */
export interface SlowLogData {
  /** How long a request may run, in milliseconds. */
  readonly threshold: number
  /** Where the slow log goes: a path or a descriptor. */
  readonly target: string | number
  /** When the oldest request began that is not in the slow log yet, in milliseconds of `process.hrtime`; 0 for none. Set with each beat. */
  readonly oldest: Float64Array
}

/** What the watching thread is started with. */
export interface WatchData {
  /** The main thread adds one to the first with each beat. The thread sets the second to 1 where it is blocked in native code. */
  readonly beats: Int32Array
  /** How often it does, in milliseconds. */
  readonly interval: number
  /** When a loop counts as stuck, in milliseconds; undefined: never. */
  readonly timeout: number | undefined
  readonly slow: SlowLogData | undefined
  /** The descriptor that reports are written to. */
  readonly report: number
}

/** The property of `globalThis` under which the main thread keeps its {@link RequestLookup}. */
export const REQUEST_LOOKUP = 'express-responder.request-lookup'

/** The property of `globalThis` under which the main thread keeps the function that returns the {@link OverdueRequest}s, and notes that they were told. */
export const OVERDUE_LOOKUP = 'express-responder.overdue-lookup'

/**
 * Called in the main thread while it is paused. It runs no code of the app. With scopes (objects that hold the variables of
 * functions), it looks for a request among these; with none, it asks the process what it knows.
 */
export type RequestLookup = (...scopes: object[]) => RequestFindings

/** What a {@link RequestLookup} has found. */
export interface RequestFindings {
  readonly request: ReportedRequest | null
  readonly openRequests?: readonly ReportedRequest[]
}
