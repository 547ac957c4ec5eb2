/** What failed, how, and how far the response was: plain values. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ExpressResponderError } from '../../shared/errors.js'
import { isOver } from '../shared/request-lifetime.js'
import { attempt, propertyOf } from '../shared/safe-call.js'

/** How the failure came to be; 'callback' where nothing more is known than that Node called it. */
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

/** How far the response was; 'unknown' where the failure belongs to some request, and nobody can tell to which. */
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

/** What is thrown without being an Error, made one. `value` is what was thrown. */
export class ThrownValueError extends ExpressResponderError {
  override readonly name = 'ThrownValueError'
  declare readonly code: 'ERR_RECOVERY_THROWN_VALUE'
  readonly value: unknown

  constructor(value: unknown) {
    super('ERR_RECOVERY_THROWN_VALUE', `what was thrown is no Error, but ${describe(value)}`)
    this.value = value
  }
}

/** A string may hold what nobody should log, and an object may fail when it is shown. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return `a value of type ${typeof value}`
}

/** An Error as it is; anything else in a ThrownValueError, also what cannot even be looked at, such as a revoked proxy. */
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

/** What calls a failing function, by the frames of its stack; Node's own modules only. */
const FRAMES: readonly (readonly [pattern: RegExp, kind: FailureKind])[] = [
  [/kHybridDispatch\] \(node:internal\/event_target/, 'event-target'],
  [/\.emit \(node:events|\bemit \(node:events|emitErrorNT|emitErrorAndCloseNT/, 'emitter'],
  [/runMicrotask|queueMicrotask/, 'microtask'],
  [/processImmediate/, 'immediate'],
  [/listOnTimeout|processTimers/, 'timer'],
  [/processTicksAndRejections/, 'tick'],
]

/** What called a failing function, by the class of the resource in whose scope it ran. */
const RESOURCES: ReadonlyMap<string | undefined, FailureKind> = new Map([
  ['Timeout', 'timer'],
  ['Immediate', 'immediate'],
  ['Microtask', 'microtask'],
])

/**
 * What kind of failure an uncaught exception is. Only the stack tells an emitter from what made it emit; it may be
 * cut off, or no stack at all.
 */
export function kindOf(error: unknown, resource: object | undefined): FailureKind {
  const byStack = kindByStack(error)
  if (byStack === 'emitter' || byStack === 'event-target' || byStack === 'microtask') return byStack
  // The resource of a tick is an object without a prototype's name.
  const name = attempt(() => resource?.constructor.name, undefined)
  return RESOURCES.get(name) ?? byStack ?? 'callback'
}

/** Node marks what 'error' was emitted with while nobody listened; its stack tells where it was made. */
function isUnheard(error: object): boolean {
  return Object.getOwnPropertySymbols(error).some(({ description }) => description === 'kEnhanceStackBeforeInspector')
}

function kindByStack(error: unknown): FailureKind | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if (propertyOf(error, 'code') === 'ERR_UNHANDLED_ERROR' || attempt(() => isUnheard(error), false)) return 'emitter'
  const stack = propertyOf(error, 'stack')
  return typeof stack === 'string' ? FRAMES.find(([pattern]) => pattern.test(stack))?.[1] : undefined
}
