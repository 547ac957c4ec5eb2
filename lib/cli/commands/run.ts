/** `express-responder <module>`: runs the app until it is told to stop. */
import { constants } from 'node:os'
import { basename } from 'node:path'
import { isatty } from 'node:tty'
import type { Logger } from 'pino'
import { codeOf } from '../../../shared/errors.js'
import { FastCgiError } from '../../errors.js'
import { checkRuntime } from '../../http/node-internals.js'
import type { Place } from '../../process/options.js'
import { resolveServerOptions, type ServerConfiguration } from '../../server/options.js'
import type { Backlog } from '../../status/snapshot.js'
import { StatusReporter } from '../../status/status-reporter.js'
import { startStatusServer } from '../../status/status-server.js'
import { createBacklogReader } from '../../process/accept-backlog.js'
import { WorkerPool } from '../../workers/pool.js'
import { reopenOnSignal } from '../../workers/reopen-signal.js'
import { createNotifier, type Notifier } from '../../workers/systemd-notify.js'
import { controlSocketOf, serveControl } from '../control.js'
import { ExitCode } from '../exit-codes.js'
import { createLog } from '../log.js'
import { resolveCommand, type CommandLine, type CommandOptions, type ResolvedCommand } from '../options.js'

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const
const STANDARD_DESCRIPTORS = [0, 1, 2] as const
const RELOAD_SIGNALS = ['SIGHUP', 'SIGUSR2'] as const
/** Sockets by which the process is asked: they stay where they are for as long as it runs. */
const OPENED_ONCE = ['controlSocket', 'statusSocket'] as const
/**
 * How often systemd is told how many workers there are, where that has changed. In milliseconds. Not each second: a process that has
 * slept must first get its code back into the caches, which is a millisecond or two of CPU each time.
 */
const STATUS_MS = 5000
/** Signals that come together are one wish: a terminal tells npm and the command, and npm tells the command again. In milliseconds. */
const SAME_WISH_MS = 100
/** A worker that has not reported for so long does not live, as systemd's watchdog sees it. In milliseconds. */
const SILENT_MS = 10_000

/** Runs the app. @returns the exit status */
export async function run(line: CommandLine): Promise<number> {
  checkRuntime()
  const directory = process.cwd()
  const resolve = (): ResolvedCommand => resolveCommand(line, process.env, directory)
  const { options, pool: configuration } = resolve()
  const log = await createLog(options.logLevel)
  const pool = new WorkerPool(configuration, log)
  const operation = new Operation(pool, log, () => reloadPool(pool, log, options, resolve))
  reopenOnSignal(() => {
    pool.signalWorkers('SIGUSR1')
  })
  process.title = `express-responder ${basename(configuration.module)}`
  let address: string
  try {
    address = await pool.start()
  } catch (error) {
    if (operation.isStopping) return ended(pool, log)
    log.error({ err: error }, error instanceof Error ? error.message : String(error))
    return exitCodeFor(error)
  }
  const closeAll = await operation.open(options, configuration.place)
  log.info({ address, workers: configuration.workers, module: configuration.module }, `listening on ${address}`)
  operation.serves()
  await pool.ended
  await closeAll()
  return ended(pool, log)
}

/** Reads the configuration anew. @throws FastCgiError ERR_FCGI_RELOAD */
async function reloadPool(pool: WorkerPool, log: Logger, before: CommandOptions, resolve: () => ResolvedCommand): Promise<void> {
  let { level } = log
  await pool.reload(() => {
    const { options, pool: configuration } = resolve()
    const moved = OPENED_ONCE.find((name) => options[name] !== before[name])
    if (moved !== undefined) throw new FastCgiError('ERR_FCGI_RELOAD', `${moved} cannot change in a reload. Stop the process and start it again`)
    level = options.logLevel
    return configuration
  })
  log.level = level
}

async function ended(pool: WorkerPool, log: Logger): Promise<number> {
  const how = await pool.ended
  log.info({}, how === 'stopped' ? 'stopped' : 'gave up')
  return how === 'stopped' ? ExitCode.DONE : ExitCode.GAVE_UP
}

/** What starting has failed with, as an exit status. */
function exitCodeFor(error: unknown): number {
  const code = codeOf(error) ?? ''
  if (code === 'ERR_FCGI_BOOT' || code === 'ERR_FCGI_APP') return ExitCode.FAILED
  return code === 'ERR_FCGI_OPTION' ? ExitCode.USAGE : ExitCode.LISTEN
}

/** The queue of the app's socket, where the system tells of it. */
function backlogReader(pool: WorkerPool, place: Place): () => Backlog | undefined {
  const { boundPath, address } = pool.status()
  const port = Number(/:(\d+)$/.exec(address)?.[1])
  if (boundPath === undefined && !Number.isInteger(port)) return () => undefined
  const read = createBacklogReader(boundPath === undefined ? { port } : { path: boundPath }, place.backlog)
  return () => {
    const { waiting, limit } = read() ?? {}
    return waiting === undefined || limit === undefined ? undefined : { waiting, limit }
  }
}

/** How the process is operated: by signals, by its sockets, by systemd. */
class Operation {
  readonly #pool: WorkerPool
  readonly #log: Logger
  readonly #reloadPool: () => Promise<void>
  readonly #notifier: Notifier = createNotifier()
  /** The terminals that it was started on. */
  readonly #terminals = STANDARD_DESCRIPTORS.filter((fd) => isatty(fd))
  #stoppedAt: number | undefined
  /** Called once it serves: a reload does not begin before. */
  #opened: () => void = () => undefined
  readonly #isOpen = new Promise<void>((resolve) => {
    this.#opened = resolve
  })
  /** The reload that is under way, and the one after it: whoever asks meanwhile gets that one. */
  #reload: Promise<void> | undefined
  #nextReload: Promise<void> | undefined
  /** How the workers were when systemd was told last. */
  #described = ''

  constructor(pool: WorkerPool, log: Logger, reloadPool: () => Promise<void>) {
    this.#pool = pool
    this.#log = log
    this.#reloadPool = reloadPool
    for (const signal of STOP_SIGNALS) {
      process.on(signal, () => {
        this.#onStop(signal)
      })
    }
    for (const signal of RELOAD_SIGNALS) {
      process.on(signal, () => {
        if (signal === 'SIGHUP' && this.#hasLostTerminal()) this.#onStop(signal)
        else void this.reload().catch(() => undefined)
      })
    }
  }

  /** Whether the terminal was closed: that is no wish for a reload, and nobody would ever stop the process. */
  #hasLostTerminal(): boolean {
    return this.#terminals.length > 0 && !this.#terminals.some((fd) => isatty(fd))
  }

  /** It serves: reloads that were asked for meanwhile begin. */
  serves(): void {
    this.#opened()
  }

  /** Whether it has been told to stop. */
  get isStopping(): boolean {
    return this.#stoppedAt !== undefined
  }

  /** Opens what the process is asked by, once it serves. @returns what closes it all */
  async open({ controlSocket, statusSocket, group }: CommandOptions, place: Place): Promise<() => Promise<void>> {
    const reporter = new StatusReporter({ observer: this.#pool, backlog: backlogReader(this.#pool, place) })
    this.#pool.showBy(reporter)
    const replace = place.kind === 'socket' && place.replace
    const control = controlSocket ?? (place.kind === 'socket' ? controlSocketOf(place.path) : undefined)
    const serverConfiguration = (): ServerConfiguration => resolveServerOptions(this.#pool.serverOptions, process.env)
    const closers = [
      await this.#openOrWarn(control, 'express-responder reload and status cannot ask this process. Give it a --control-socket of its own', (path) =>
        serveControl(path, replace, {
          reload: () => this.reload(), reporter, diagnose: () => this.#pool.diagnose(),
          idleLimit: () => serverConfiguration().timeouts.idle,
          trustsForwarded: () => serverConfiguration().forwardedHeaders === 'trust',
        })),
      await this.#openOrWarn(statusSocket, 'nobody can ask for the status', async (socket) =>
        (await startStatusServer({ socket, group, replace, reporter })).close),
    ]
    this.#tellReady(this.#describe())
    this.#notifier.watchdog(() => this.#lives())
    const timer = setInterval(() => { this.#tellChange() }, STATUS_MS).unref()
    return async () => {
      clearInterval(timer)
      for (const close of closers) await close?.()
      reporter.close()
      await this.#notifier.close()
    }
  }

  /** The app serves all the same where this fails. */
  async #openOrWarn(path: string | undefined, effect: string, open: (path: string) => Promise<() => void | Promise<void>>): Promise<(() => void | Promise<void>) | undefined> {
    if (path === undefined) return undefined
    try {
      return await open(path)
    } catch (error) {
      this.#log.warn({ err: error }, `no socket at ${path}: ${effect}`)
      return undefined
    }
  }

  /**
   * Reloads, and says in the log what came of it. There is one at a time; those who ask while one is under way share the next.
   *
   * @throws FastCgiError ERR_FCGI_RELOAD, with the reason
   */
  reload(): Promise<void> {
    if (this.#reload !== undefined) {
      return this.#nextReload ??= this.#reload.catch(() => undefined).then(() => {
        this.#nextReload = undefined
        return this.reload()
      })
    }
    this.#reload = this.#reloadNow().finally(() => {
      this.#reload = undefined
    })
    return this.#reload
  }

  async #reloadNow(): Promise<void> {
    await this.#isOpen
    if (this.isStopping) throw new FastCgiError('ERR_FCGI_RELOAD', 'the process is stopping. Start it again instead')
    this.#log.info({}, 'reloading')
    this.#notifier.reloading('reloading')
    try {
      await this.#reloadPool()
      this.#log.info({}, 'reloaded')
      this.#tellReady(this.#describe())
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.#log.error({ err: error }, message)
      this.#tellReady(message)
      throw error
    }
  }

  /** A reload is over; but a process that ends is not ready again. */
  #tellReady(status: string): void {
    if (this.isStopping) return
    this.#described = this.#describe()
    this.#notifier.ready(status)
  }

  /** Workers have died, or others have come. */
  #tellChange(): void {
    const described = this.#describe()
    if (described === this.#described || this.isStopping || this.#reload !== undefined) return
    this.#described = described
    this.#notifier.status(described)
  }

  #describe(): string {
    const { workers, address } = this.#pool.status()
    const [ready = 0, starting = 0] = (['ready', 'starting'] as const).map((wanted) => workers.filter(({ state }) => state === wanted).length)
    return `${String(ready)} ${ready === 1 ? 'worker' : 'workers'}${starting === 0 ? '' : `, ${String(starting)} starting,`} on ${address}`
  }

  /** Whether some worker's event loop turns. */
  #lives(): boolean {
    return this.#pool.status().workers.some(({ state, reportedAt }) => state === 'ready' && reportedAt !== undefined && Date.now() - reportedAt < SILENT_MS)
  }

  #onStop(signal: NodeJS.Signals): void {
    if (this.#stoppedAt === undefined) {
      this.#stoppedAt = performance.now()
      this.#log.info({ signal }, 'stopping: requests in flight are answered first')
      this.#notifier.stopping('stopping')
      void this.#pool.stop()
    } else if (performance.now() - this.#stoppedAt > SAME_WISH_MS) process.exit(128 + constants.signals[signal])
  }
}
