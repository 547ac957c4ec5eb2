/** What happens to a failure: the app's error middleware, the built-in answer, a cut, or a report; and giving up. */
import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { tell } from '../shared/listeners.js'
import { sendProblem } from '../shared/problem.js'
import { routePatternOf } from '../shared/route.js'
import { abort, answer, cutOff, statusOf } from './answer.js'
import { contexts, type FailureHandler, type RequestContext } from './context.js'
import { Counts } from './counts.js'
import { ABORT, note, phaseOf, recoveryInfo, toError, type Failure } from './failure.js'
import { Window, giveUp } from './giving-up.js'
import type { RecoveryConfiguration } from './options.js'
import { reportOf, requestIdOf, type RecoveryOutcome, type RecoveryReport } from './report.js'

/** What loggers may listen to. */
export interface RecoveryEvents {
  recover: [report: RecoveryReport]
  /** The process stops taking requests, and ends when the open ones are answered. */
  'give-up': [report: RecoveryReport]
}

/** Failures with these statuses are the client's, and no news. */
const SERVER_ERROR = 500

export class Recoverer implements FailureHandler {
  readonly events = new EventEmitter<RecoveryEvents>()
  readonly counts = new Counts()
  readonly #configuration: RecoveryConfiguration
  readonly #window: Window | undefined
  readonly #servers = new Set<Server>()
  #hasGivenUp = false

  constructor(configuration: RecoveryConfiguration) {
    this.#configuration = configuration
    const { intensity } = configuration
    this.#window = intensity === undefined ? undefined : new Window(intensity.max, intensity.windowMs)
  }

  /** Whether the process is about to end. */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp
  }

  /** Refuses a request while the process is about to end. */
  refuse(request: IncomingMessage, response: ServerResponse): void {
    sendProblem(request, response, { status: 503, detail: 'The server is about to restart.' }, { 'Retry-After': '1', 'Connection': 'close' })
  }

  onLateFailure(context: RequestContext, failure: Failure): void {
    context.failures++
    if (failure.error === ABORT) {
      if (failure.phase !== 'after-response') abort(context.response)
      return
    }
    note(failure)
    const outcome = this.#settle(context, failure)
    const report = this.#report(context.request, context.response, failure, true, outcome)
    // A request that fails again and again is one failure of the process.
    const isTooMany = context.failures === 1 && this.#window?.add(performance.now()) === true
    if (isTooMany || this.#isFatal(failure.error)) this.#giveUp(context, report)
  }

  /** A failure that Express has brought to the boundary. */
  onError(request: IncomingMessage, response: ServerResponse, value: unknown): void {
    if (value === ABORT) {
      abort(response)
      return
    }
    const error = toError(value)
    const failure: Failure = { error, kind: 'throw', phase: phaseOf(response) }
    const id = requestIdOf(request, this.#configuration.requestId)
    const isNews = recoveryInfo(error) === undefined && statusOf(error) >= SERVER_ERROR
    if (isNews) note(failure)
    const outcome = failure.phase === 'before-headers' ? 'answered' : failure.phase === 'streaming' ? 'cut off' : 'reported only'
    if (isNews) this.#report(request, response, failure, false, outcome)
    if (outcome === 'answered') answer(request, response, error, id, this.#configuration.answer)
    else if (outcome === 'cut off') cutOff(response)
  }

  #settle(context: RequestContext, { error, phase }: Failure): RecoveryOutcome {
    const { request, response } = context
    if (phase === 'after-response' || isUpgraded(request)) return 'reported only'
    if (phase === 'streaming') {
      cutOff(response)
      return 'cut off'
    }
    if (context.failures > 1) {
      this.#answer(context, error)
      return 'answered'
    }
    setTimeout(() => { this.#answer(context, error) }, this.#configuration.answerTimeout).unref()
    try {
      contexts.run(context, context.next, error)
      return 'passed to the app'
    } catch {
      this.#answer(context, error)
      return 'answered'
    }
  }

  /** The built-in answer, unless there is one by now. */
  #answer({ request, response }: RequestContext, error: Error): void {
    if (phaseOf(response) !== 'before-headers') return
    try {
      answer(request, response, error, requestIdOf(request, this.#configuration.requestId), this.#configuration.answer)
    } catch {
      // Whatever the app has made of its response, the client must not wait for ever.
      cutOff(response)
    }
  }

  #report(request: IncomingMessage, response: ServerResponse, failure: Failure, late: boolean, outcome: RecoveryOutcome): RecoveryReport {
    const id = requestIdOf(request, this.#configuration.requestId)
    const report = reportOf(request, response, failure, { late, outcome, id })
    this.counts.add(routePatternOf(request), failure.kind)
    const { onRecover } = this.#configuration
    this.#tell(() => {
      onRecover?.(report)
      this.events.emit('recover', report)
    })
    return report
  }

  #isFatal(error: Error): boolean {
    try {
      return this.#configuration.isFatal(error)
    } catch {
      return false
    }
  }

  /** A listener that fails must not fail the recovery. */
  #tell(call: () => void): void {
    tell('recovery', 'ERR_RECOVERY_LISTENER', () => { contexts.run(undefined, call) })
  }

  #giveUp({ request }: RequestContext, report: RecoveryReport): void {
    if (this.#hasGivenUp) return
    this.#hasGivenUp = true
    const { server } = request.socket as { server?: Server }
    if (server !== undefined) this.meet(server)
    this.#tell(() => {
      this.events.emit('give-up', report)
    })
    contexts.run(undefined, giveUp, this.#servers, this.#configuration.drainTimeout, (status) => process.exit(status))
  }

  /** Remembers who gives requests, to be closed when the process gives up. */
  meet(server: Server): void {
    if (this.#servers.has(server)) return
    this.#servers.add(server)
    server.once('close', () => this.#servers.delete(server))
  }
}

/** The connection speaks another protocol now. */
function isUpgraded(request: IncomingMessage): boolean {
  return (request as { upgrade?: unknown }).upgrade === true
}
