/** A failure: its error, its kind (what called the code that failed), and its phase (how far the response was). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ExpressResponderError } from '../../shared/errors.js'
import { isOver } from '../shared/request-lifetime.js'
import { attempt, propertyOf } from '../shared/safe-call.js'

/** What called the code that failed; 'callback' where it is only known that Node did. */
export type FailureKind =
  | 'throw'
  | 'rejection'
  | 'timer'
  | 'immediate'
  | 'tick'
  | 'microtask'
  | 'emitter'
  | 'event-target'
  | 'callback'

/** How far the response was; 'unknown' where the failure belongs to one of several requests. */
export type FailurePhase = 'before-headers' | 'streaming' | 'after-response' | 'unknown'

/** A failure of a request. */
export interface Failure {
  readonly error: Error
  readonly kind: FailureKind
  readonly phase: FailurePhase
}

/** What an error carries of its failure. */
export interface RecoveryNote {
  readonly kind: FailureKind
  readonly phase: FailurePhase
}

/** Thrown by an app to end a request without an answer and without a report, as Go's `http.ErrAbortHandler`. */
export const ABORT: Error = new ExpressResponderError('ERR_RECOVERY_ABORT', 'the request was ended on purpose')

/** The Error for a thrown `value` that is no Error. */
export class ThrownValueError extends ExpressResponderError {
  override readonly name = 'ThrownValueError'
  declare readonly code: 'ERR_RECOVERY_THROWN_VALUE'
  readonly value: unknown

  constructor(value: unknown) {
    super('ERR_RECOVERY_THROWN_VALUE', `what was thrown is no Error, but ${describe(value)}`)
    this.value = value
  }
}

/** Only the type is told: a string may hold a secret, and showing an object may throw. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return `a value of type ${typeof value}`
}

/** An Error as it is; anything else, even a revoked proxy, in a ThrownValueError. */
export function toError(value: unknown): Error {
  return attempt(() => value instanceof Error || isErrorLike(value), false) ? value as Error : new ThrownValueError(value)
}

/** Errors of another realm, such as those of a vm context, are no `instanceof Error`. */
function isErrorLike(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === '[object Error]'
}

const notes = new WeakMap<object, RecoveryNote>()

/** Makes the error carry kind and phase, as `error.recovery` where it can be extended. The first note stays. */
export function note({ error, kind, phase }: Failure): void {
  if (notes.has(error)) return
  const entry: RecoveryNote = Object.freeze({ kind, phase })
  notes.set(error, entry)
  attempt(() => {
    if (!Object.isExtensible(error) || 'recovery' in error) return
    Object.defineProperty(error, 'recovery', { value: entry, enumerable: true, configurable: true, writable: true })
  }, undefined)
}

/**
 * What `recovery()` found out about an error.
 *
 * @param error what an error middleware or a logger was given
 * @returns kind and phase of the failure; undefined for an error that was not recovered from
 *
 * @example
 * ```ts
 * import type { NextFunction, Request, Response } from 'express'
 * import { recoveryInfo } from 'express-responder/middleware'
 *
 * app.use((error: unknown, req: Request, res: Response, next: NextFunction) => {
 *   console.error(recoveryInfo(error)?.kind, error)
 *   next(error)
 * })
 * ```
 */
export function recoveryInfo(error: unknown): RecoveryNote | undefined {
  return (typeof error === 'object' && error !== null) || typeof error === 'function' ? notes.get(error) : undefined
}

/** How far the response is. */
export function phaseOf(request: IncomingMessage, response: ServerResponse): FailurePhase {
  if (isOver(request, response)) return 'after-response'
  return response.headersSent ? 'streaming' : 'before-headers'
}

/** The kind of a failure by frames in its stack: functions of Node's own modules that call code of the app. */
const FRAMES: readonly (readonly [pattern: RegExp, kind: FailureKind])[] = [
  [/kHybridDispatch\] \(node:internal\/event_target/, 'event-target'],
  [/\.emit \(node:events|\bemit \(node:events|emitErrorNT|emitErrorAndCloseNT/, 'emitter'],
  [/runMicrotask|queueMicrotask/, 'microtask'],
  [/processImmediate/, 'immediate'],
  [/listOnTimeout|processTimers/, 'timer'],
  [/processTicksAndRejections/, 'tick'],
]

/** The kind of a failure by the class of the async resource that it ran in: `executionAsyncResource()`. */
const RESOURCES: ReadonlyMap<string | undefined, FailureKind> = new Map([
  ['Timeout', 'timer'],
  ['Immediate', 'immediate'],
  ['Microtask', 'microtask'],
])

/**
 * The kind of an uncaught exception. The stack comes first: only there is a listener told from the code that has
 * emitted its event. But it may be cut off, or missing.
 */
export function kindOf(error: unknown, resource: object | undefined): FailureKind {
  const byStack = kindByStack(error)
  if (byStack === 'emitter' || byStack === 'event-target' || byStack === 'microtask') return byStack
  // The resource of a tick is a plain object, whose class tells nothing.
  const name = attempt(() => resource?.constructor.name, undefined)
  return RESOURCES.get(name) ?? byStack ?? 'callback'
}

/**
 * Whether it was emitted as 'error' without a listener: Node marks such errors. Their stacks only tell where they were
 * made.
 */
function isUnheard(error: object): boolean {
  return Object.getOwnPropertySymbols(error).some(({ description }) => description === 'kEnhanceStackBeforeInspector')
}

function kindByStack(error: unknown): FailureKind | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if (propertyOf(error, 'code') === 'ERR_UNHANDLED_ERROR' || attempt(() => isUnheard(error), false)) return 'emitter'
  const stack = propertyOf(error, 'stack')
  return typeof stack === 'string' ? FRAMES.find(([pattern]) => pattern.test(stack))?.[1] : undefined
}
