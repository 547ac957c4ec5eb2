/** The options of recovery(), resolved once. */
import type { IncomingMessage } from 'node:http'
import { checkedObject, flag, optionalFunction, wholeNumber, wrongOption } from '../shared/options.js'
import type { ErrorResponseConfiguration } from './error-response.js'
import { callAppCallback } from './app-callbacks.js'
import type { RecoveryLogger } from './log.js'
import type { RecoveryReport } from './report.js'
import { propertyOf } from '../shared/safe-call.js'

/** How many late failures are too many. */
export interface Intensity {
  /** More than so many late failures within the window, and the process gives up. Default 10. */
  max?: number
  /** The window, in milliseconds. Default 60000. */
  windowMs?: number
}

export interface RecoveryOptions {
  /** When to give up, or `false` for never. Default `{ max: 10, windowMs: 60000 }`. */
  intensity?: Intensity | false
  /** Whether this error means that the process cannot be trusted any more. Errors of memory always do. */
  isFatal?: (error: Error) => boolean
  /** Called with each recovery; its own failures, later ones too, become process warnings. */
  onRecover?: (report: RecoveryReport) => unknown
  /**
   * Where each failure leaves a text; `false` for nowhere. Default: `console`, that is stderr, unless `onRecover` or a
   * listener of 'recover' takes the report.
   */
  logger?: RecoveryLogger | false
  /** How long the app's error middleware may take to begin an answer, in milliseconds. Default 1000. */
  answerTimeout?: number
  /** How long requests in flight may take once the process has given up, in milliseconds. Default 10000. */
  drainTimeout?: number
  /** How long at the most an upload is read on after its request was answered, in milliseconds. Default 10000; 0 for not. */
  linger?: number
  /** Whether 5xx answers show message and stack. Default: NODE_ENV is 'development'. Never where it is 'production'. */
  expose?: boolean
  /** The request's id. Default: `req.id`, else a plausible X-Request-Id, else a new UUID. */
  requestId?: (request: IncomingMessage) => string
  /** Whether AsyncResources, bound functions and queueMicrotask are watched too. Default true. */
  bound?: boolean
  /**
   * Whether Node.js 24 and later note which request makes each promise. Without it a rejection that nobody awaits belongs
   * to where the promise was rejected: for a client of Redis, say, its connection, which is no request's. Node.js 20 and
   * 22 know it anyway. Costs some 70 ns an `await`, in requests and elsewhere. Default false.
   */
  trackPromises?: boolean
}

/** The resolved options. */
export interface RecoveryConfiguration {
  readonly intensity: { readonly max: number; readonly windowMs: number } | undefined
  readonly isFatal: (error: Error) => boolean
  readonly onRecover: ((report: RecoveryReport) => unknown) | undefined
  /** Undefined: stderr, where nobody else takes the report. */
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

/** @throws OptionError naming the option, its value and the remedy */
export function resolveOptions(middleware: string, given: RecoveryOptions | undefined): RecoveryConfiguration {
  const options = checkedObject<RecoveryOptions>(middleware, 'options', given, NAMES)
  const environment = process.env['NODE_ENV']
  const isFatal = optionalFunction(middleware, 'isFatal', options.isFatal)
  return {
    intensity: resolveIntensity(middleware, options.intensity),
    isFatal: (error) => isOutOfMemory(error) || (isFatal !== undefined && callAppCallback<unknown>('the option isFatal', () => isFatal(error)) === true),
    onRecover: optionalFunction(middleware, 'onRecover', options.onRecover),
    logger: resolveLogger(middleware, options.logger),
    answerTimeout: wholeNumber(middleware, 'answerTimeout', options.answerTimeout ?? 1000, 1, MOST),
    drainTimeout: wholeNumber(middleware, 'drainTimeout', options.drainTimeout ?? 10_000, 0, MOST),
    answer: {
      expose: flag(middleware, 'expose', options.expose ?? environment === 'development') && environment !== 'production',
      linger: wholeNumber(middleware, 'linger', options.linger ?? 10_000, 0, MOST),
    },
    requestId: optionalFunction(middleware, 'requestId', options.requestId),
    bound: flag(middleware, 'bound', options.bound ?? true),
    trackPromises: flag(middleware, 'trackPromises', options.trackPromises ?? false),
  }
}

function resolveIntensity(middleware: string, given: Intensity | false | undefined): RecoveryConfiguration['intensity'] {
  if (given === false) return undefined
  if ((given as unknown) === true) throw wrongOption(middleware, 'intensity', given, 'give { max, windowMs } or false')
  const { max, windowMs } = checkedObject<Intensity>(middleware, 'intensity', given, ['max', 'windowMs'])
  return {
    max: wholeNumber(middleware, 'intensity.max', max ?? 10, 0),
    windowMs: wholeNumber(middleware, 'intensity.windowMs', windowMs ?? 60_000, 1, MOST),
  }
}

function resolveLogger(middleware: string, given: unknown): RecoveryLogger | false | undefined {
  if (given === undefined || given === false) return given
  if (isLogger(given)) return given
  throw wrongOption(middleware, 'logger', given, 'give an object with a method error(text), such as console, or false')
}

function isLogger(given: unknown): given is RecoveryLogger {
  return typeof given === 'object' && given !== null && typeof propertyOf(given, 'error') === 'function'
}

/** Memory that could not be had. An exhausted heap ends the process without an exception. */
function isOutOfMemory(error: Error): boolean {
  const code = propertyOf(error, 'code')
  const message = propertyOf(error, 'message')
  const isOfBuffer = typeof message === 'string' && message.startsWith('Array buffer allocation failed')
  return code === 'ERR_MEMORY_ALLOCATION_FAILED' || code === 'ENOMEM' || isOfBuffer
}
