/**
 * Handles failures: passes them to the app, answers, cuts the response off, or only reports; gives up when they are too
 * many.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { RecoveryStatus } from '../../shared/status-sources.js'
import type { Figures, MetricValue } from '../shared/metrics.js'
import { sendProblem } from '../shared/problem.js'
import { attempt } from '../shared/safe-call.js'
import { abort, sendErrorResponseSafely, cutOff, statusOf } from './error-response.js'
import { contexts, type FailureHandler, type RequestContext } from './context.js'
import { passToApp } from './error-middleware.js'
import { ABORT, note, phaseOf, recoveryInfo, toError, type Failure } from './failure.js'
import { FailureBudget, giveUp } from './failure-budget.js'
import { callAppCallback, isolatedEmitter, warnOfAppCallback } from './app-callbacks.js'
import type { RecoveryConfiguration } from './options.js'
import { isLoggedByExpress, logTextOf, RecoveryCounters, reportOf, requestIdOf, unattributedReportOf, type RecoveryOutcome, type RecoveryReport } from './report.js'

/** Events for loggers. */
export interface RecoveryEvents {
  recover: [report: RecoveryReport]
  /** The process stops taking requests, and ends when the open ones are answered. */
  'give-up': [report: RecoveryReport]
}

/** An error with a lower status is the client's fault, and is not reported. */
const SERVER_ERROR = 500

/** What one `recovery()` does with the failures of its requests. */
export class ErrorHandler implements FailureHandler {
  readonly events = isolatedEmitter<RecoveryEvents>()
  readonly counts = new RecoveryCounters()
  readonly #configuration: RecoveryConfiguration
  readonly #failureBudget: FailureBudget | undefined
  readonly #servers = new Set<Server>()
  #hasGivenUp = false

  constructor(configuration: RecoveryConfiguration) {
    this.#configuration = configuration
    const { intensity } = configuration
    this.#failureBudget = intensity === undefined ? undefined : new FailureBudget(intensity.max, intensity.windowMs)
  }

  /** Whether the process is about to end. */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp
  }

  /** What it tells to those who ask how the process is. */
  status(): RecoveryStatus {
    return { total: this.counts.total, givenUp: this.#hasGivenUp, counts: this.counts.list() }
  }

  /** What it has counted, as metrics. */
  figures(): Figures {
    const failures = (): MetricValue[] => this.counts.list().map(({ route, kind, count }) => ({ labels: { route, kind }, value: count }))
    return {
      middleware: 'recovery',
      owner: this,
      prefix: 'recovery',
      labels: ['route', 'kind'],
      figures: [
        { name: 'failures_total', kind: 'counter', help: 'Failures that were recovered from, by route and kind.', read: failures },
        { name: 'given_up', kind: 'gauge', help: '1 once the process has given up, else 0; over several workers, how many have.', read: () => [{ value: this.#hasGivenUp ? 1 : 0 }] },
      ],
    }
  }

  /** Refuses a request while the process is about to end. */
  refuse(request: IncomingMessage, response: ServerResponse): void {
    sendProblem(request, response, { status: 503, detail: 'The server is about to restart.' }, { 'Retry-After': '1', 'Connection': 'close' })
  }

  onLateFailure(context: RequestContext, failure: Failure): boolean {
    try {
      this.#recover(context, failure)
    } catch (error) {
      // The app may have broken its request or response. An exception from here would end the process.
      cutOff(context.response)
      warnOfAppCallback('the recovery of a request', error)
    }
    return true
  }

  /** No request is answered for it, for it is unknown which has failed. */
  onUnattributed(_context: RequestContext | undefined, failure: Failure): boolean {
    const isTooMany = this.#failureBudget?.add(performance.now()) === true
    if (failure.error === ABORT) return true
    note(failure)
    const report = unattributedReportOf(failure)
    this.#publish(report, this)
    if (isTooMany || this.#configuration.isFatal(failure.error)) this.#giveUp(report)
    return true
  }

  /**
   * An error that Express has passed to an error boundary.
   * @param boundary its handler, whose options get the report, too
   */
  onError(request: IncomingMessage, response: ServerResponse, value: unknown, boundary: ErrorHandler): void {
    if (value === ABORT) {
      abort(response)
      return
    }
    const error = toError(value)
    const failure: Failure = { error, kind: 'throw', phase: phaseOf(request, response) }
    const id = requestIdOf(request, this.#configuration.requestId)
    const isNews = recoveryInfo(error) === undefined && statusOf(error) >= SERVER_ERROR
    if (isNews) note(failure)
    const outcome = failure.phase === 'before-headers' ? 'answered' : failure.phase === 'streaming' ? 'cut off' : 'reported only'
    if (isNews) this.#report(request, response, failure, false, outcome, boundary)
    if (outcome === 'answered') sendErrorResponseSafely(request, response, error, id, this.#configuration.answer)
    else if (outcome === 'cut off') cutOff(response)
  }

  #recover(context: RequestContext, failure: Failure): void {
    context.failures++
    if (failure.error === ABORT) {
      if (failure.phase !== 'after-response') abort(context.response)
      return
    }
    note(failure)
    const outcome = this.#respond(context, failure)
    // Where the app is a plain function and no Express app, what it throws at once comes here, too. That is not late.
    const late = failure.kind !== 'throw'
    const report = this.#report(context.request, context.response, failure, late, outcome, this)
    if (!late) return
    // An open request that fails again and again counts once. After its end each failure counts: it may be another
    // request's.
    const isCounted = context.failures === 1 || failure.phase === 'after-response'
    const isTooMany = isCounted && this.#failureBudget?.add(performance.now()) === true
    if (isTooMany || this.#configuration.isFatal(failure.error)) this.#giveUp(report, context)
  }

  #respond(context: RequestContext, { error, phase }: Failure): RecoveryOutcome {
    const { request, response } = context
    if (phase === 'after-response' || isUpgraded(request)) return 'reported only'
    if (phase === 'streaming') {
      cutOff(response)
      return 'cut off'
    }
    if (context.isPassed) return 'reported only'
    context.isPassed = context.failures === 1 && attempt(() => contexts.run(context, passToApp, context, error), false)
    if (!context.isPassed) {
      this.#sendErrorResponse(context, error)
      return 'answered'
    }
    setTimeout(() => { this.#sendErrorResponse(context, error) }, this.#configuration.answerTimeout).unref()
    return 'passed to the app'
  }

  /** Sends the built-in answer, unless the response has been begun by now. */
  #sendErrorResponse({ request, response }: RequestContext, error: Error): void {
    if (phaseOf(request, response) !== 'before-headers') return
    sendErrorResponseSafely(request, response, error, requestIdOf(request, this.#configuration.requestId), this.#configuration.answer)
  }

  #report(request: IncomingMessage, response: ServerResponse, failure: Failure, late: boolean, outcome: RecoveryOutcome, boundary: ErrorHandler): RecoveryReport {
    const id = requestIdOf(request, this.#configuration.requestId)
    const report = reportOf(request, response, failure, { late, outcome, id })
    this.#publish(report, boundary, isLoggedByExpress(request))
    return report
  }

  /** @param isLogged whether Express logs an error that is passed to the app */
  #publish(report: RecoveryReport, boundary: ErrorHandler, isLogged = false): void {
    this.counts.add(report.route, report.kind)
    const isTaken = this.#notify(report, boundary.#configuration)
    if (!isTaken && !(report.outcome === 'passed to the app' && isLogged)) {
      // To stderr, as Express does. If stderr has been closed, that throws nothing.
      // eslint-disable-next-line no-console
      attempt(() => { console.error(logTextOf(report)) }, undefined)
    }
  }

  /** Gives the report to callbacks, listeners and loggers. False where there are none: then it is printed. */
  #notify(report: RecoveryReport, others: RecoveryConfiguration): boolean {
    const given = <Value>(values: (Value | undefined)[]): Value[] => [...new Set(values)].filter((value) => value !== undefined)
    const takers = given([this.#configuration.onRecover, others.onRecover])
    const loggers = given([this.#configuration.logger, others.logger])
    const hasListener = this.events.listenerCount('recover') > 0
    for (const onRecover of takers) callAppCallback('the option onRecover', () => onRecover(report))
    if (hasListener) callAppCallback("a listener of 'recover'", () => this.events.emit('recover', report))
    for (const logger of loggers) if (logger !== false) callAppCallback('the option logger', () => logger.error(logTextOf(report)))
    return takers.length > 0 || loggers.length > 0 || hasListener
  }

  #giveUp(report: RecoveryReport, context?: RequestContext): void {
    if (this.#hasGivenUp) return
    this.#hasGivenUp = true
    const { server } = (context?.request.socket ?? {}) as { server?: Server }
    if (server !== undefined) this.trackServer(server)
    callAppCallback("a listener of 'give-up'", () => this.events.emit('give-up', report))
    contexts.run(undefined, giveUp, this.#servers, this.#configuration.drainTimeout, (status) => process.exit(status))
  }

  /** Remembers a server, which is closed when the process gives up. */
  trackServer(server: Server): void {
    if (this.#servers.has(server)) return
    this.#servers.add(server)
    server.once('close', () => this.#servers.delete(server))
  }
}

/** The connection speaks another protocol now. */
function isUpgraded(request: IncomingMessage): boolean {
  return (request as { upgrade?: unknown }).upgrade === true
}
