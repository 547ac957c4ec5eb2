/**
 * The program of a worker process: loads the app, proves that it answers, listens, reports once a second, and stops when the primary
 * says so. It runs in a process that the primary has forked, with the listening socket as descriptor 4.
 */
import cluster from 'node:cluster'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { basename } from 'node:path'
import { inspect, types } from 'node:util'
import { codeOf } from '../../shared/errors.js'
import { readStatusSources } from '../../shared/status-sources.js'
import { FastCgiError } from '../errors.js'
import { prepareStop, type Stop, type StoppedPlace } from '../process/graceful-stop.js'
import { waitingAt } from '../process/listen.js'
import { createServer, type FastCgiServer } from '../server/server.js'
import { OPEN_REQUESTS, REQUEST_COUNTS } from '../server/request-counts.js'
import { proveApp } from './boot-request.js'
import { createFront, type Front } from './front.js'
import { acceptOnDescriptor, listenOnFreePorts } from './listening-descriptor.js'
import { loadApp } from './load-app.js'
import { toldByPrimary, wrap, type DiagnosisOrder, type Failure, type FromWorker, type StopOrder, type WorkerConfiguration } from './messages.js'
import type { WorkerReport } from './reports.js'
import { reopenOnSignal } from './reopen-signal.js'
import type { StatusAnswer, StatusRequest } from './status-path.js'
import { watchEventLoop } from './stuck-loop.js'
import { WorkerDiagnosis } from './worker-diagnosis.js'

/** Where the primary has put the listening socket; 0 to 2 are the usual ones, 3 is the channel to the primary. */
export const LISTENING_DESCRIPTOR = 4
/** Where the thread that watches the event loop writes to. */
export const FINDINGS_DESCRIPTOR = 5

const REPORT_INTERVAL_MS = 1000
const STATUS_TIMEOUT_MS = 3000
/** What process managers and terminals send to all processes at once. The primary decides what a worker does about it. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR2'] as const

/** A worker that serves, or is about to. */
class Worker {
  readonly #configuration: WorkerConfiguration
  readonly #server: FastCgiServer
  readonly #stopGracefully: Stop
  #stopping: Promise<void> | undefined
  #released = 0
  #timedOut = 0
  /** Requests that were no client's: the one that the worker was tried with. */
  #own = 0
  readonly #front: Front
  readonly #diagnosis: WorkerDiagnosis
  #state: 'starting' | 'ready' | 'draining' = 'starting'
  /** Questions about the status that the primary has not answered. */
  readonly #asked = new Map<number, (answer: StatusAnswer) => void>()
  #lastQuestion = 0
  #utilization = performance.eventLoopUtilization()

  constructor(configuration: WorkerConfiguration, app: RequestListener) {
    this.#configuration = configuration
    const server = createServer(app, configuration.server)
    this.#server = server
    this.#front = createFront(app, configuration.front, { state: () => this.#state, askStatus: (request) => this.#askStatus(request) })
    server.removeAllListeners('request').on('request', this.#front.listener)
    this.#diagnosis = new WorkerDiagnosis(server, (arrival) => {
      tell({ type: 'arrival', arrival })
    })
    this.#stopGracefully = prepareStop(server)
    server.on('clientError', (error: FastCgiError) => {
      if (error.code === 'ERR_FCGI_REQUEST_TIMEOUT') this.#timedOut++
      tell({ type: 'notice', code: error.code, message: error.message })
    })
    server.on('warning', (error: FastCgiError) => {
      tell({ type: 'notice', code: error.code, message: error.message })
    })
  }

  static async boot(configuration: WorkerConfiguration): Promise<Worker> {
    const begun = performance.now()
    // ps tells workers from the primary. An app may have a title of its own.
    process.title = `express-responder worker ${process.env['EXPRESS_RESPONDER_WORKER'] ?? ''}: ${basename(configuration.module)}`
    if (configuration.isTrial) listenOnFreePorts()
    const app = await loadApp(configuration.module, () => {
      tell({ type: 'phase', phase: 'making' })
    })
    tell({ type: 'phase', phase: 'answering' })
    const worker = new Worker(configuration, app)
    await worker.#prove()
    tell({ type: 'booted', milliseconds: Math.round(performance.now() - begun) })
    return worker
  }

  async #prove(): Promise<void> {
    const { bootPath } = this.#configuration
    if (bootPath !== undefined) await proveApp(this.#server, bootPath)
    this.#own = this.#server[REQUEST_COUNTS].begun
  }

  async listen(): Promise<void> {
    const { backlog, address } = this.#configuration
    await acceptOnDescriptor(this.#server, LISTENING_DESCRIPTOR, backlog, address)
    this.#server.address = () => address
    this.#state = 'ready'
    const { stuckTimeout } = this.#configuration
    const { watched } = this.#front
    if (stuckTimeout !== undefined || watched !== undefined) {
      const openRequests = (): IncomingMessage[] => this.#server[OPEN_REQUESTS]()
      const watch = watchEventLoop({ timeout: stuckTimeout, slow: watched, report: FINDINGS_DESCRIPTOR, openRequests })
      watched?.watchedBy(watch)
    }
    tell({ type: 'listening' })
    this.report()
    setInterval(() => {
      this.report()
    }, REPORT_INTERVAL_MS).unref()
  }

  /** The whole is about to stop: those who ask are told that it is not ready. */
  setDraining(): void {
    this.#state = 'draining'
  }

  #askStatus(request: StatusRequest): Promise<StatusAnswer> {
    const id = this.#lastQuestion++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id)
        reject(new FastCgiError('ERR_FCGI_STATUS_SOCKET', 'the primary process has not answered in time'))
      }, STATUS_TIMEOUT_MS).unref()
      this.#asked.set(id, (answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      tell({ type: 'status', id, request })
    })
  }

  /** The primary has answered a question about the status. */
  onStatus(id: number, answer: StatusAnswer): void {
    this.#asked.get(id)?.(answer)
    this.#asked.delete(id)
  }

  /** Asks the web server to close some connections, so that it opens new ones to whoever has time. */
  release(count: number): void {
    const released = this.#server.releaseConnections(count, this.#configuration.linger)
    this.#released += released
    if (released > 0) this.#front.leaveNewToOthers()
  }

  report(): void {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization)
    this.#utilization = now
    const { begun, over, serverErrors, closedKept } = this.#server[REQUEST_COUNTS]
    const { rss, heapUsed } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    const report: WorkerReport = {
      requests: begun - this.#own,
      healthChecks: this.#front.healthChecks(),
      active: begun - over,
      connections: this.#server.openConnections,
      serverErrors,
      timedOut: this.#timedOut,
      released: this.#released,
      closedKept,
      utilization,
      waiting: this.#front.meanWaiting(),
      rss,
      heapUsed,
      cpu: user + system,
    }
    tell({ type: 'report', report })
  }

  /** The primary wants something of a diagnosis. */
  diagnose(id: number, order: DiagnosisOrder): void {
    tell({ type: 'diagnosed', id, held: this.#diagnosis.obey(order) })
  }

  /** The primary is gone: nobody would replace this worker, nor tell it to stop. */
  abandon(): Promise<void> {
    this.#diagnosis.end()
    return this.stop({ timeout: this.#configuration.stopTimeout, acceptsBacklog: false, succeeded: true })
  }

  /** Answers what it has, and ends the process. Calling it again changes nothing. */
  stop({ timeout, acceptsBacklog, succeeded }: Omit<StopOrder, 'type'>): Promise<void> {
    return this.#stopping ??= this.#stop(timeout, acceptsBacklog, succeeded)
  }

  /** The primary has unlisted the socket file, or closed its copy of the port. */
  #backlog(): Pick<StoppedPlace, 'unlist' | 'hasWaiting'> {
    const { address } = this.#configuration
    return address.startsWith('/') ? { unlist: () => undefined } : { hasWaiting: waitingAt(address) }
  }

  async #stop(timeout: number, acceptsBacklog: boolean, succeeded: boolean): Promise<void> {
    const place = { ...(acceptsBacklog ? this.#backlog() : {}), isSucceeded: () => succeeded }
    const closed = once(this.#server, 'close')
    await this.#stopGracefully(place, { timeout, linger: Math.min(this.#configuration.linger, timeout) })
    await closed
    this.report()
    await letAppEnd(timeout)
    await this.#front.close()
    await told({ type: 'stopped', sources: readStatusSources() })
    process.exit(0)
  }
}

function tell(message: FromWorker): void {
  void told(message)
}

/** Resolves once the message has left, or cannot: the primary is gone. */
function told(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else {
      process.send(wrap(message), undefined, {}, () => {
        resolve()
      })
    }
  })
}

/**
 * An app may end what it has opened when it gets SIGTERM, as it did before it had workers. It is told now, when its requests are
 * answered; one that has no listener for it ends at once.
 */
async function letAppEnd(timeout: number): Promise<void> {
  if (process.listenerCount('SIGTERM') <= 1) return
  process.removeListener('SIGTERM', onSignal)
  const idle = once(process, 'beforeExit')
  const late = new Promise((resolve) => setTimeout(resolve, timeout).unref())
  process.emit('SIGTERM', 'SIGTERM')
  if (process.connected) process.channel?.unref()
  await Promise.race([idle, late])
}

function onSignal(signal: NodeJS.Signals): void {
  tell({ type: 'signal', signal })
}

function run(): void {
  for (const signal of SIGNALS) process.on(signal, onSignal)
  reopenOnSignal()
  // Else node:cluster ends the process at once, requests and all, when the primary is gone.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
  let worker: Worker | undefined
  process.on('disconnect', () => {
    if (worker === undefined) process.exit(1)
    void worker.abandon()
  })
  process.on('message', (received: unknown) => {
    const message = toldByPrimary(received)
    if (message === undefined) return
    if (message.type === 'boot') {
      process.on('uncaughtExceptionMonitor', onUncaught)
      Worker.boot(message.configuration).then((booted) => {
        process.removeListener('uncaughtExceptionMonitor', onUncaught)
        worker = booted
      }, fail)
    } else if (message.type === 'listen') worker?.listen().catch(fail)
    else if (message.type === 'stop') worker?.stop(message).catch(fail)
    else if (message.type === 'release') worker?.release(message.count)
    else if (message.type === 'draining') worker?.setDraining()
    else if (message.type === 'status') worker?.onStatus(message.id, message.answer)
    else if (message.type === 'diagnosis') worker?.diagnose(message.id, message.order)
    else tell({ type: 'details', id: message.id, sources: readStatusSources() })
  })
  tell({ type: 'up' })
}

/** While the app is loaded and tried: Node ends the process at such an error, and the primary would know its exit status alone. */
function onUncaught(error: unknown): void {
  tell({ type: 'uncaught', failure: failureOf(error) })
}

async function fail(error: unknown): Promise<void> {
  await told({ type: 'failed', failure: failureOf(error) })
  process.exit(1)
}

/** Not by instanceof alone: an error of another realm is no instance of this one's Error. */
function failureOf(error: unknown): Failure {
  if (!(error instanceof Error) && !types.isNativeError(error)) return { code: codeOf(error), message: inspect(error, { depth: 1, breakLength: Infinity }), stack: undefined }
  const { message, stack } = error
  return { code: codeOf(error), message, stack }
}

run()
