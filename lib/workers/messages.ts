/** What the primary process and its workers tell each other over IPC. An app may use the same channel for messages of its own. */
import type { Arrival } from '../server/diagnostics.js'
import type { ServerOptions } from '../server/options.js'
import type { WorkerReport } from './reports.js'
import type { RequestLogOptions } from './request-logs.js'
import type { StatusAnswer, StatusRequest } from './status-path.js'

/** What a worker is to run. */
export interface WorkerConfiguration {
  /** The module that exports the app: an absolute path. */
  readonly module: string
  readonly server: ServerOptions
  /** Connections that the kernel holds until they are accepted. */
  readonly backlog: number
  /** Where the workers listen, for `server.address()`. */
  readonly address: string
  /** The path of the request by which a new worker shows that it can answer; undefined where none is made. */
  readonly bootPath: string | undefined
  /** For how long idle kept connections may stay until they are closed from this side, in milliseconds. */
  readonly linger: number
  /** For how long a worker whose primary is gone may answer what it has, in milliseconds. */
  readonly stopTimeout: number
  /** A worker whose event loop stands still for so many milliseconds is stuck; undefined where nobody looks. */
  readonly stuckTimeout: number | undefined
  readonly front: FrontConfiguration
  /** Whether the app is only tried: ports that it opens itself are others, and free, since it may run already. */
  readonly isTrial: boolean
}

/** What stands in front of the app. */
export interface FrontConfiguration {
  readonly logs: RequestLogOptions
  /** Whether `/livez` and `/readyz` are answered before the app. */
  readonly probes: boolean
  /** The path at which the status is shown; undefined where it is not. */
  readonly statusPath: string | undefined
}

/** How a worker is to stop. */
export interface StopOrder {
  readonly type: 'stop'
  /** What is open after so many milliseconds is cut off. */
  readonly timeout: number
  /** Whether connections that wait to be accepted are this worker's to answer: nobody else will. */
  readonly acceptsBacklog: boolean
  /** Whether other workers serve at the same place. */
  readonly succeeded: boolean
}

/** What a worker is to do about a diagnosis: answer the doctor's requests that bear the token, for `limit` milliseconds at most; and so on. */
export type DiagnosisOrder =
  | { readonly step: 'begin', readonly token: string, readonly limit: number }
  | { readonly step: 'release', readonly name: string }
  | { readonly step: 'sync' | 'end' }

/** To a worker: load and prove the app; listen; stop; let go of some connections; tell details; say that it is not ready; what the status is. */
export type ToWorker =
  | { readonly type: 'boot', readonly configuration: WorkerConfiguration }
  | { readonly type: 'listen' }
  | StopOrder
  | { readonly type: 'release', readonly count: number }
  | { readonly type: 'details', readonly id: number }
  | { readonly type: 'draining' }
  | { readonly type: 'status', readonly id: number, readonly answer: StatusAnswer }
  | { readonly type: 'diagnosis', readonly id: number, readonly order: DiagnosisOrder }

/** A failure, as IPC carries it. */
export interface Failure {
  readonly code: string | undefined
  readonly message: string
  readonly stack: string | undefined
}

/** What a new worker does: loads the module, makes the app, has it answer a request. */
export type BootPhase = 'loading' | 'making' | 'answering'

/** From a worker. `up`: it can hear now. `uncaught`: an error that ends it, unless the app handles it. `notice` is for the log: something that the server has reported. */
export type FromWorker =
  | { readonly type: 'up' }
  | { readonly type: 'phase', readonly phase: BootPhase }
  | { readonly type: 'booted', readonly milliseconds: number }
  | { readonly type: 'failed', readonly failure: Failure }
  | { readonly type: 'uncaught', readonly failure: Failure }
  | { readonly type: 'listening' }
  | { readonly type: 'stopped', readonly sources: Readonly<Record<string, unknown>> }
  | { readonly type: 'status', readonly id: number, readonly request: StatusRequest }
  | { readonly type: 'report', readonly report: WorkerReport }
  | { readonly type: 'details', readonly id: number, readonly sources: Readonly<Record<string, unknown>> }
  | { readonly type: 'signal', readonly signal: NodeJS.Signals }
  | { readonly type: 'arrival', readonly arrival: Arrival }
  | { readonly type: 'diagnosed', readonly id: number, readonly held: boolean }
  | { readonly type: 'notice', readonly code: string, readonly message: string }

/** The name under which a message travels, so that messages of the app's are not taken for ours, or ours for the app's. */
const ENVELOPE = 'express-responder'

/** The message as it is sent. */
export function wrap(message: ToWorker | FromWorker): Record<string, unknown> {
  return { [ENVELOPE]: message }
}

/** What the primary has told; undefined where the message is not ours. Both ends are of one version of the package. */
export function toldByPrimary(received: unknown): ToWorker | undefined {
  return contentOf(received) as ToWorker | undefined
}

/** What a worker has told; undefined where the message is not ours. */
export function toldByWorker(received: unknown): FromWorker | undefined {
  return contentOf(received) as FromWorker | undefined
}

function contentOf(received: unknown): unknown {
  return typeof received === 'object' && received !== null ? Reflect.get(received, ENVELOPE) : undefined
}
