/**
 * Which request uses a connection of a client, such as that of a pool. Node runs the events of a connection in the
 * context of the request that has made it, whoever is served by it later: what is known of its users is gathered here.
 *
 * - Only its creator has written to it: the failure is the creator's, at once.
 * - Others have written, one at a time, each after something had been read: the failure is that of the last one, unless
 *   that shows that it goes on by itself.
 * - Several have written before anything was read, or the client has written on its own, out of an event of a
 *   connection: it may have taken that from a queue, which no context goes through. Nobody can tell.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { requestContextOf, type FailureContext, type RequestContext } from './context.js'
import { phaseOf, toError, type FailureKind } from './failure.js'
import { blame, blameIfAlone, blameNobody, blameSuspect, type Blame } from './failure-suspects.js'

/** The context of code that descends from an event of a connection. */
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

/** Addresses to which a connection was used by a request that has not made it: there is a pool. A bounded number. */
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
  #isMixed = false
  #isIndirect = false
  #isShared: boolean
  #context: ConnectionContext | undefined

  /** @param creator the request in which it was made, if there was one */
  constructor(creator: RequestContext | undefined, address: string) {
    this.#address = address
    this.#user = creator
    this.#isOfRequest = creator !== undefined
    this.#isShared = creator === undefined
  }

  /** Somebody writes. */
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

  /** The context for an event. @param current the one that Node has given to it */
  contextOf(current: FailureContext | undefined, isRead: boolean): FailureContext | undefined {
    const user = this.#user
    if (current === undefined && (!isRead || user === undefined)) return undefined
    const isShared = this.#isShared || sharedAddresses.has(this.#address)
    if (!isShared) return this.#contextWith(requestContextOf(current) ?? user, this.#isIndirect ? blameIfAlone : blame)
    const isKnown = isRead && user !== undefined && !this.#isMixed && !this.#isIndirect
    return this.#contextWith(user ?? requestContextOf(current), isKnown ? blameSuspect : blameNobody)
  }

  /** Whether code may run for another request than its context says. */
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
