/** The options of recovery(), resolved once. */
import type { IncomingMessage } from 'node:http'
import type { OptionChecks } from '../../shared/option-checks.js'
import { optionChecks } from '../shared/options.js'
import type { ErrorResponseConfiguration } from './error-response.js'
import { callAppCallback } from './app-callbacks.js'
import type { RecoveryLogger, RecoveryReport } from './report.js'
import { propertyOf } from '../shared/safe-call.js'

/** How many late failures are too many. */
export interface Intensity {
  /**
   * More late failures than that within the window, and the process gives up.
   * @defaultValue `10`
   */
  max?: number | undefined
  /**
   * The window, in milliseconds.
   * @defaultValue `60000`
   */
  windowMs?: number | undefined
}

/** The options of `recovery()`. */
export interface RecoveryOptions {
  /**
   * When the process gives up. It then takes no more connections, answers 503 on kept ones, waits for open requests,
   * and ends with status 1 for its supervisor. `false`: never. When memory cannot be allocated, and for errors that
   * `isFatal` returns true for, it gives up at once.
   * @defaultValue `{ max: 10, windowMs: 60000 }`
   */
  intensity?: Intensity | false | undefined
  /**
   * `(error) => boolean`: whether this error means that the process cannot be trusted any more. A failed allocation of
   * memory always does.
   * @defaultValue none
   */
  isFatal?: ((error: Error) => boolean) | undefined
  /**
   * Called with each report: error, kind, phase, outcome, id, method, url, route with what its routers are mounted on,
   * headers. Authorization, Cookie and Set-Cookie are masked. Its own failures become process warnings.
   * @defaultValue none
   */
  onRecover?: ((report: RecoveryReport) => unknown) | undefined
  /**
   * Gets a text with route, id and error: an object with `error(text)`, such as `console` or most loggers. `false`:
   * nothing is printed. By default stderr is not used where `onRecover` or a listener of 'recover' takes the report.
   * @defaultValue stderr
   */
  logger?: RecoveryLogger | false | undefined
  /**
   * Milliseconds that the app's error middleware may take to begin an answer.
   * @defaultValue `1000`
   */
  answerTimeout?: number | undefined
  /**
   * Milliseconds that open requests may take once the process has given up.
   * @defaultValue `10000`
   */
  drainTimeout?: number | undefined
  /**
   * Milliseconds that an upload is read on, at the most, after its request was answered. 0: not at all.
   * @defaultValue `10000`
   */
  linger?: number | undefined
  /**
   * Whether 5xx answers show message and stack. Never where `NODE_ENV` is 'production'.
   * @defaultValue `NODE_ENV` is 'development'
   */
  expose?: boolean | undefined
  /**
   * `(request) => string`: the request's id.
   * @defaultValue `req.id`, a plausible X-Request-Id, or a new UUID
   */
  requestId?: ((request: IncomingMessage) => string) | undefined
  /**
   * Whether AsyncResources, bound functions and `queueMicrotask` are watched, too.
   * @defaultValue `true`
   */
  bound?: boolean | undefined
  /**
   * Whether Node 24 and 26 note which request makes each promise, as 20 and 22 do anyway. Without it an unhandled
   * rejection belongs to the code that rejects the promise: with a client of Redis that is its connection, of no
   * request. It costs some 70 ns an `await` of the whole process.
   * @defaultValue `false`
   */
  trackPromises?: boolean | undefined
}

/** The resolved options. */
export interface RecoveryConfiguration {
  readonly intensity: { readonly max: number; readonly windowMs: number } | undefined
  readonly isFatal: (error: Error) => boolean
  readonly onRecover: ((report: RecoveryReport) => unknown) | undefined
  /** Undefined: stderr, unless `onRecover` or a listener takes the report. */
  readonly logger: RecoveryLogger | false | undefined
  readonly answerTimeout: number
  readonly drainTimeout: number
  readonly answer: ErrorResponseConfiguration
  readonly requestId: ((request: IncomingMessage) => string) | undefined
  readonly bound: boolean
  readonly trackPromises: boolean
}

const NAMES = [
  'intensity', 'isFatal', 'onRecover', 'logger', 'answerTimeout', 'drainTimeout', 'linger', 'expose', 'requestId', 'bound', 'trackPromises',
] as const
const MOST = 2 ** 31 - 1

/**
 * Checks the options and completes them.
 *
 * @throws OptionError naming the option, its value and the remedy
 */
export function resolveOptions(middleware: string, given: RecoveryOptions | undefined): RecoveryConfiguration {
  const checks = optionChecks(middleware)
  const options = checks.object<RecoveryOptions>('options', given, NAMES)
  const environment = process.env['NODE_ENV']
  const isFatal = checks.optionalFunction('isFatal', options.isFatal)
  return {
    intensity: resolveIntensity(checks, options.intensity),
    isFatal: (error) => isOutOfMemory(error) || (isFatal !== undefined && callAppCallback<unknown>('the option isFatal', () => isFatal(error)) === true),
    onRecover: checks.optionalFunction('onRecover', options.onRecover),
    logger: resolveLogger(checks, options.logger),
    answerTimeout: checks.wholeNumber('answerTimeout', options.answerTimeout ?? 1000, 1, MOST),
    drainTimeout: checks.wholeNumber('drainTimeout', options.drainTimeout ?? 10_000, 0, MOST),
    answer: {
      expose: checks.flag('expose', options.expose ?? environment === 'development') && environment !== 'production',
      linger: checks.wholeNumber('linger', options.linger ?? 10_000, 0, MOST),
    },
    requestId: checks.optionalFunction('requestId', options.requestId),
    bound: checks.flag('bound', options.bound ?? true),
    trackPromises: checks.flag('trackPromises', options.trackPromises ?? false),
  }
}

function resolveIntensity(checks: OptionChecks, given: Intensity | false | undefined): RecoveryConfiguration['intensity'] {
  if (given === false) return undefined
  if ((given as unknown) === true) throw checks.wrong('intensity', given, 'give { max, windowMs } or false')
  const { max, windowMs } = checks.object<Intensity>('intensity', given, ['max', 'windowMs'])
  return {
    max: checks.wholeNumber('intensity.max', max ?? 10, 0),
    windowMs: checks.wholeNumber('intensity.windowMs', windowMs ?? 60_000, 1, MOST),
  }
}

function resolveLogger(checks: OptionChecks, given: unknown): RecoveryLogger | false | undefined {
  if (given === undefined || given === false) return given
  if (isLogger(given)) return given
  throw checks.wrong('logger', given, 'give an object with a method error(text), such as console, or false')
}

function isLogger(given: unknown): given is RecoveryLogger {
  return typeof given === 'object' && given !== null && typeof propertyOf(given, 'error') === 'function'
}

/** Whether memory could not be allocated. An exhausted heap of V8 ends the process without an exception. */
function isOutOfMemory(error: Error): boolean {
  const code = propertyOf(error, 'code')
  const message = propertyOf(error, 'message')
  const isOfBuffer = typeof message === 'string' && message.startsWith('Array buffer allocation failed')
  return code === 'ERR_MEMORY_ALLOCATION_FAILED' || code === 'ENOMEM' || isOfBuffer
}
