/**
 * The program of a worker process: loads the app, proves that it answers, listens, reports once a second, and stops when the primary
 * says so. It runs in a process that the primary has forked, with the listening socket as descriptor 4.
 */
import cluster from 'node:cluster'
import { once } from 'node:events'
import { codeOf } from '../../shared/errors.js'
import { readStatusSources } from '../../shared/status-sources.js'
import type { FastCgiError } from '../errors.js'
import { prepareStop, type Stop } from '../process/graceful-stop.js'
import { createServer, type FastCgiServer } from '../server/server.js'
import { REQUEST_COUNTS } from '../server/request-counts.js'
import { proveApp } from './boot-request.js'
import { acceptOnDescriptor } from './listening-descriptor.js'
import { loadApp } from './load-app.js'
import { toldByPrimary, wrap, type FromWorker, type StopOrder, type WorkerConfiguration } from './messages.js'
import type { WorkerReport } from './reports.js'

/** Where the primary has put the listening socket; 0 to 2 are the usual ones, 3 is the channel to the primary. */
export const LISTENING_DESCRIPTOR = 4

const REPORT_INTERVAL_MS = 1000
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
  #utilization = performance.eventLoopUtilization()

  constructor(configuration: WorkerConfiguration, server: FastCgiServer) {
    this.#configuration = configuration
    this.#server = server
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
    const app = await loadApp(configuration.module)
    const worker = new Worker(configuration, createServer(app, configuration.server))
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
    await acceptOnDescriptor(this.#server, LISTENING_DESCRIPTOR, backlog)
    this.#server.address = () => address
    tell({ type: 'listening' })
    this.report()
    setInterval(() => {
      this.report()
    }, REPORT_INTERVAL_MS).unref()
  }

  /** Asks the web server to close some connections, so that it opens new ones to whoever has time. */
  release(count: number): void {
    this.#released += this.#server.releaseConnections(count, this.#configuration.linger)
  }

  report(): void {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization)
    this.#utilization = now
    const { begun, over, serverErrors } = this.#server[REQUEST_COUNTS]
    const { rss, heapUsed } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    const report: WorkerReport = {
      requests: begun - this.#own,
      healthChecks: 0,
      active: begun - over,
      connections: this.#server.openConnections,
      serverErrors,
      timedOut: this.#timedOut,
      released: this.#released,
      utilization,
      rss,
      heapUsed,
      cpu: user + system,
    }
    tell({ type: 'report', report })
  }

  /** The primary is gone: nobody would replace this worker, nor tell it to stop. */
  abandon(): Promise<void> {
    return this.stop({ timeout: this.#configuration.stopTimeout, acceptsBacklog: false, succeeded: true })
  }

  /** Answers what it has, and ends the process. Calling it again changes nothing. */
  stop({ timeout, acceptsBacklog, succeeded }: Omit<StopOrder, 'type'>): Promise<void> {
    return this.#stopping ??= this.#stop(timeout, acceptsBacklog, succeeded)
  }

  async #stop(timeout: number, acceptsBacklog: boolean, succeeded: boolean): Promise<void> {
    const place = { ...(acceptsBacklog ? { unlist: () => undefined } : {}), isSucceeded: () => succeeded }
    const closed = once(this.#server, 'close')
    await this.#stopGracefully(place, { timeout, linger: Math.min(this.#configuration.linger, timeout) })
    await closed
    this.report()
    await letAppEnd(timeout)
    await told({ type: 'stopped' })
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
      Worker.boot(message.configuration).then((booted) => {
        worker = booted
      }, fail)
    } else if (message.type === 'listen') worker?.listen().catch(fail)
    else if (message.type === 'stop') worker?.stop(message).catch(fail)
    else if (message.type === 'release') worker?.release(message.count)
    else tell({ type: 'details', id: message.id, sources: readStatusSources() })
  })
  tell({ type: 'up' })
}

async function fail(error: unknown): Promise<void> {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  await told({ type: 'failed', failure: { code: codeOf(error), message, stack } })
  process.exit(1)
}

run()
