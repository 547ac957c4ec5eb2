/** `express-responder <module>`: runs the app until it is told to stop. */
import { constants } from 'node:os'
import { basename } from 'node:path'
import type { Logger } from 'pino'
import { codeOf } from '../../../shared/errors.js'
import { WorkerPool } from '../../workers/pool.js'
import type { Place } from '../../process/options.js'
import { controlSocketOf, serveControl } from '../control.js'
import { ExitCode } from '../exit-codes.js'
import { createLog } from '../log.js'
import { resolveCommand, type CommandLine, type ResolvedCommand } from '../options.js'

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const
const RELOAD_SIGNALS = ['SIGHUP', 'SIGUSR2'] as const
/** Signals that come together are one wish: a terminal tells npm and the command, and npm tells the command again. In milliseconds. */
const SAME_WISH_MS = 100

/** Runs the app. @returns the exit status */
export async function run(line: CommandLine): Promise<number> {
  const directory = process.cwd()
  const resolve = (): ResolvedCommand => resolveCommand(line, process.env, directory)
  const { options, pool: configuration } = resolve()
  const log = await createLog(options.logLevel)
  const pool = new WorkerPool(configuration, log)
  const handlers = new Signals(pool, log, async () => {
    await pool.reload(() => resolve().pool)
  })
  process.title = `express-responder ${basename(configuration.module)}`
  let address: string
  try {
    address = await pool.start()
  } catch (error) {
    log.error({ err: error }, error instanceof Error ? error.message : String(error))
    return exitCodeFor(error)
  }
  const closeControl = await openControl(options.controlSocket ?? defaultControlSocket(configuration.place), configuration.place, handlers, log)
  log.info({ address, workers: configuration.workers, module: configuration.module }, `listening on ${address}`)
  const how = await pool.ended
  closeControl?.()
  log.info({}, how === 'stopped' ? 'stopped' : 'gave up')
  return how === 'stopped' ? ExitCode.DONE : ExitCode.GAVE_UP
}

function defaultControlSocket(place: Place): string | undefined {
  return place.kind === 'socket' ? controlSocketOf(place.path) : undefined
}

async function openControl(path: string | undefined, place: Place, signals: Signals, log: Logger): Promise<(() => void) | undefined> {
  if (path === undefined) return undefined
  try {
    return await serveControl(path, place.kind === 'socket' && place.replace, {
      reload: () => signals.reload(),
      status: (_request, response) => {
        response.writeHead(404).end()
      },
    })
  } catch (error) {
    // The app serves all the same. SIGHUP reloads as well.
    log.warn({ err: error }, `no control socket at ${path}: express-responder reload cannot ask this process`)
    return undefined
  }
}

/** What starting has failed with, as an exit status. */
function exitCodeFor(error: unknown): number {
  const code = codeOf(error) ?? ''
  if (code === 'ERR_FCGI_BOOT' || code === 'ERR_FCGI_APP') return ExitCode.FAILED
  return code === 'ERR_FCGI_OPTION' ? ExitCode.USAGE : ExitCode.LISTEN
}

/** The signals of the primary. */
class Signals {
  readonly #pool: WorkerPool
  readonly #log: Logger
  readonly #reloadPool: () => Promise<void>
  #stoppedAt: number | undefined

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
        void this.reload().catch(() => undefined)
      })
    }
  }

  /** Reloads, and says in the log what came of it. */
  async reload(): Promise<void> {
    this.#log.info({}, 'reloading')
    try {
      await this.#reloadPool()
      this.#log.info({}, 'reloaded')
    } catch (error) {
      this.#log.error({ err: error }, error instanceof Error ? error.message : String(error))
      throw error
    }
  }

  #onStop(signal: NodeJS.Signals): void {
    if (this.#stoppedAt === undefined) {
      this.#stoppedAt = performance.now()
      this.#log.info({ signal }, 'stopping: requests in flight are answered first')
      void this.#pool.stop()
    } else if (performance.now() - this.#stoppedAt > SAME_WISH_MS) process.exit(128 + constants.signals[signal])
  }
}
