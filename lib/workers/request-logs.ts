/** The access log and the slow log of a worker: one look at each request when it begins, and one when it is over. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { optionChecks } from '../errors.js'
import { compileLogFormat } from './log-format.js'
import { acquireLogWriter, releaseLogWriter } from './log-writer.js'
import { LoggedRequest } from './logged-request.js'
import { SlowLog } from './slow-log.js'

/** Which logs there are, and where they go. */
export interface RequestLogOptions {
  /**
   * The access log: a path, or `-` for stdout. In a file lines of all workers are whole.
   * @defaultValue none
   */
  readonly accessLog?: string | number | undefined
  /**
   * `common`, `combined`, `json`, or a text with directives of Apache's or nginx'.
   * @defaultValue `'combined'`
   */
  readonly accessLogFormat?: string | undefined
  /**
   * Milliseconds that a request may run before the slow log tells of it.
   * @defaultValue none
   */
  readonly slowLog?: number | undefined
  /**
   * Where the slow log goes: a path, or `-` for stdout.
   * @defaultValue `'stderr'`
   */
  readonly slowLogFile?: string | number | undefined
  /**
   * Whether the slow log has the stack of the event loop where that is blocked: a thread looks.
   * @defaultValue `true`
   */
  readonly slowLogStack?: boolean | undefined
}

/** The logs of a worker. */
export interface RequestLogs {
  /** Is told of each request before the app is given it. */
  readonly observe: (request: IncomingMessage, response: ServerResponse) => void
  /** The slow log that is to have stacks; undefined where none is. */
  readonly watched: SlowLog | undefined
  /** Writes what is left, and closes the files. */
  readonly close: () => Promise<void>
}

const LONGEST_THRESHOLD = 24 * 3_600_000
const NOTHING = { cpu: false, loop: false } as const

/**
 * Opens the logs.
 *
 * @returns undefined where there are none: then nothing needs to be called
 * @throws FastCgiError ERR_FCGI_OPTION for a format with an unknown directive or a wrong threshold, ERR_FCGI_LOG_FILE where a file cannot
 *   be opened
 */
export function openRequestLogs({ accessLog, accessLogFormat = 'combined', slowLog, slowLogFile = 'stderr', slowLogStack = true }: RequestLogOptions): RequestLogs | undefined {
  const format = compileLogFormat(accessLogFormat)
  if (slowLog !== undefined) optionChecks('express-responder').number('slowLog', slowLog, 1, LONGEST_THRESHOLD)
  if (accessLog === undefined && slowLog === undefined) return undefined
  const writer = accessLog === undefined ? undefined : acquireLogWriter(accessLog, 'accessLog')
  const slowWriter = slowLog === undefined ? undefined : acquireLogWriter(slowLogFile, 'slowLogFile')
  const slow = slowLog === undefined || slowWriter === undefined ? undefined : new SlowLog(slowLog, slowWriter)
  const measures = writer === undefined ? NOTHING : format.measures

  function end(logged: LoggedRequest): void {
    const duration = performance.now() - logged.startedAt
    slow?.end(logged, duration)
    writer?.write(format.line(logged, { time: Date.now(), duration }))
  }
  return {
    watched: slowLogStack ? slow : undefined,
    observe(request, response) {
      const logged = new LoggedRequest(request, response, measures)
      slow?.begin(logged)
      response.on('close', () => {
        try {
          end(logged)
        } catch (error) {
          // The app has done something strange to its request: that must not end the process.
          emitProcessWarning('ERR_FCGI_LOG_FILE', `a request could not be logged: ${String(error)}`)
        }
      })
    },
    async close() {
      slow?.close()
      await Promise.all([writer, slowWriter].filter((each) => each !== undefined).map(releaseLogWriter))
    },
  }
}
