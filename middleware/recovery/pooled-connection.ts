/**
 * A client's connection that several requests may use in turn, such as one of a pool. Node runs its events in the
 * context of the request that made it, even when another request uses it. So its users are recorded, and decide whom to
 * blame:
 *
 * - Only the request that made it has written to it: that request is blamed at once.
 * - Requests have written one at a time, each after something was read, which is taken for the answer to the one
 *   before: the last is blamed, unless it makes progress.
 * - Several requests have written before anything was read, or the client has written by itself in an event of a
 *   connection, perhaps from a queue of its own: the request is unknown, and none is blamed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { requestContextOf, type FailureContext, type RequestContext } from './context.js'
import { phaseOf, toError, type FailureKind } from './failure.js'
import { blame, blameIfAlone, blameNobody, blameSuspect, type Blame } from './failure-suspects.js'

/** The context of code that runs in an event of a client's connection, and of all that it starts. */
class ConnectionContext implements FailureContext {
  readonly use: PooledConnection
  readonly actual: RequestContext
  readonly blame: Blame

  constructor(use: PooledConnection, actual: RequestContext, toBlame: Blame) {
    this.use = use
    this.actual = actual
    this.blame = toBlame
  }

  get request(): IncomingMessage {
    return this.actual.request
  }

  get response(): ServerResponse {
    return this.actual.response
  }

  fail(error: unknown, kind: FailureKind): boolean {
    return this.blame(this.actual, { error: toError(error), kind, phase: phaseOf(this.request, this.response) })
  }
}

/** Addresses with a pool: a connection to them was used by a request that has not made it. At most MAX_ADDRESSES. */
const sharedAddresses = new Set<string>()
const MAX_ADDRESSES = 1000

/** A connection that requests take in turn, and which of them uses it now. */
export class PooledConnection {
  readonly #address: string
  /** Whether it was made in a request. */
  readonly #isOfRequest: boolean
  #user: RequestContext | undefined
  /** Something was read since the last write. */
  #isAnswered = true
  /** Several requests have written before anything was read. */
  #isMixed = false
  /** The last write was of an unknown request. */
  #isIndirect = false
  /** A request other than the one that has made it has used it, or no request has made it. */
  #isShared: boolean
  #context: ConnectionContext | undefined

  /** @param creator the request in which it was made, if there was one */
  constructor(creator: RequestContext | undefined, address: string) {
    this.#address = address
    this.#user = creator
    this.#isOfRequest = creator !== undefined
    this.#isShared = creator === undefined
  }

  /** Code that runs in this context writes to it. */
  written(context: FailureContext | undefined): void {
    const user = context === undefined || this.#isUncertain(context) ? undefined : requestContextOf(context)
    if (user === undefined) {
      this.#isIndirect = true
    } else {
      user.writes++
      this.#usedBy(user)
    }
    this.#isAnswered = false
  }

  /** Something was read. */
  read(): void {
    this.#isAnswered = true
  }

  /** The context in which an event is emitted. @param current the one that Node emits it in */
  contextOf(current: FailureContext | undefined, isRead: boolean): FailureContext | undefined {
    const user = this.#user
    if (current === undefined && (!isRead || user === undefined)) return undefined
    const isShared = this.#isShared || sharedAddresses.has(this.#address)
    if (!isShared) return this.#contextWith(requestContextOf(current) ?? user, this.#isIndirect ? blameIfAlone : blame)
    const isKnown = isRead && user !== undefined && !this.#isMixed && !this.#isIndirect
    return this.#contextWith(user ?? requestContextOf(current), isKnown ? blameSuspect : blameNobody)
  }

  /** Whether code in this context may run for another request than the context says. */
  #isUncertain(context: FailureContext): boolean {
    return context instanceof ConnectionContext && (context.use === this || context.blame !== blame)
  }

  #usedBy(user: RequestContext): void {
    const isOther = user !== this.#user
    if (isOther && !this.#isShared) this.#share()
    if (!this.#isAnswered && (isOther || this.#isIndirect)) this.#isMixed = true
    this.#user = user
    this.#isIndirect = false
  }

  #share(): void {
    this.#isShared = true
    if (this.#isOfRequest && sharedAddresses.size < MAX_ADDRESSES) sharedAddresses.add(this.#address)
  }

  #contextWith(actual: RequestContext | undefined, toBlame: Blame): FailureContext | undefined {
    if (actual === undefined) return undefined
    if (this.#context?.actual !== actual || this.#context.blame !== toBlame) this.#context = new ConnectionContext(this, actual, toBlame)
    return this.#context
  }
}
