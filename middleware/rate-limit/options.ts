/** The options of `rateLimit()`, checked and completed once: nothing after this knows a default. */
import type { EnabledValidations, Logger, Options, ValueDeterminingMiddleware } from 'express-rate-limit'
import { optionChecks } from '../shared/options.js'
import { processWarnings } from './errors.js'

/** Checks of this middleware's options: what they raise names it. */
export const checks = optionChecks('rateLimit')

/** What happens to requests while the store does not count. */
export const STORE_FAILURES = ['local', 'pass', 'refuse'] as const
/** `'local'`: the process counts by itself; `'pass'`: nobody is limited; `'refuse'`: everybody is refused. */
export type StoreFailure = (typeof STORE_FAILURES)[number]

type Validate = boolean | { readonly [Name in keyof EnabledValidations]?: boolean | undefined }

/** Undefined is absent. */
type OptionsOfExpressRateLimit = { [Name in keyof Options]?: (Name extends 'validate' ? Validate : Options[Name]) | undefined }

/** All options of express-rate-limit, and some more. */
export interface RateLimitOptions extends OptionsOfExpressRateLimit {
  /**
   * How many proxies stand in front of the app and add to X-Forwarded-For. The address that the outermost of them saw is
   * the client's.
   * @defaultValue Express's `req.ip`, which goes by 'trust proxy'; without Express the connection's address
   */
  trustedProxies?: number | undefined
  /**
   * Milliseconds that a request waits for the store's answer.
   * @defaultValue `1000`
   */
  storeTimeout?: number | undefined
  /**
   * What happens while the store does not answer. `'local'`: this process counts. `'pass'`: everybody passes, as with
   * `passOnStoreError: true`. `'refuse'`: an error with status 503 goes to `next()`, as with `passOnStoreError: false`.
   * @defaultValue `'local'`
   */
  onStoreFailure?: StoreFailure | undefined
}

/** The options, checked and completed. */
export interface ResolvedRateLimit {
  /** What express-rate-limit gets as it is. */
  readonly passed: Partial<Options>
  readonly message: unknown
  readonly keyGenerator: ValueDeterminingMiddleware<string> | undefined
  readonly ipv6Subnet: number | false | ValueDeterminingMiddleware<number | false>
  readonly trustedProxies: number | undefined
  readonly store: Options['store'] | undefined
  readonly storeTimeout: number
  readonly onStoreFailure: StoreFailure
  readonly logger: Logger
  /** Whether one of express-rate-limit's validations is on. */
  readonly validates: (name: keyof EnabledValidations) => boolean
}

/** The longest that Node's timers can wait. */
export const LONGEST_TIMER = 2 ** 31 - 1

type Check = (name: string, value: unknown) => unknown

const aFlag: Check = (name, value) => checks.flag(name, value)
const aFunction: Check = (name, value) => checks.optionalFunction(name, value as (() => unknown) | undefined)
const aLimit = (name: string, value: unknown): number => checks.wholeNumber(name, value, 0)
/** Retry-After takes whole seconds (RFC 9110, section 10.2.3). */
const aWait = (name: string, value: unknown): number => checks.wholeNumber(name, value, 0)

/** Of each option, what it must be; functions are asked when their time comes. */
const CHECKS: Readonly<Record<keyof RateLimitOptions, Check>> = {
  windowMs: (name, value) => checks.wholeNumber(name, value, 1),
  limit: orFunction(aLimit),
  max: orFunction(aLimit),
  message: aMessage,
  statusCode: (name, value) => checks.wholeNumber(name, value, 400, 599),
  legacyHeaders: aFlag,
  headers: aFlag,
  standardHeaders: (name, value) => typeof value === 'boolean' ? value : checks.oneOf(name, value, ['draft-6', 'draft-7', 'draft-8']),
  identifier: orFunction(anIdentifier),
  retryAfter: orFunction(aWait),
  requestPropertyName: aPropertyName,
  skipFailedRequests: aFlag,
  skipSuccessfulRequests: aFlag,
  keyGenerator: aFunction,
  ipv6Subnet: orFunction(aSubnet),
  handler: aFunction,
  skip: aFunction,
  requestWasSuccessful: aFunction,
  store: aStore,
  validate: (name, value) => {
    if (typeof value !== 'boolean' && (typeof value !== 'object' || value === null)) throw checks.wrong(name, value, 'give true, false or an object of them')
  },
  passOnStoreError: aFlag,
  logger: aLogger,
  trustedProxies: (name, value) => checks.wholeNumber(name, value, 0, 100),
  storeTimeout: (name, value) => checks.wholeNumber(name, value, 1, LONGEST_TIMER),
  onStoreFailure: (name, value) => checks.oneOf(name, value, STORE_FAILURES),
}

const NAMES = Object.keys(CHECKS) as (keyof RateLimitOptions)[]

/** What express-rate-limit does not know, or gets from us. */
const OURS: ReadonlySet<string> = new Set<keyof RateLimitOptions>([
  'trustedProxies', 'storeTimeout', 'onStoreFailure', 'message', 'store', 'logger', 'keyGenerator', 'passOnStoreError', 'ipv6Subnet',
])

const OLD_NAMES: Readonly<Record<string, keyof RateLimitOptions>> = { max: 'limit', headers: 'legacyHeaders' }

/** Of two, one makes the other mean nothing. */
const EITHER: readonly [keyof RateLimitOptions, keyof RateLimitOptions, remedy: string][] = [
  ['max', 'limit', 'it is the old name of limit: leave it out'],
  ['headers', 'legacyHeaders', 'it is the old name of legacyHeaders: leave it out'],
  ['ipv6Subnet', 'keyGenerator', 'keyGenerator makes the key: leave this out, and call ipKeyGenerator(address, subnet) in it'],
  ['trustedProxies', 'keyGenerator', 'keyGenerator makes the key: leave one of them out'],
  ['passOnStoreError', 'onStoreFailure', 'onStoreFailure says more: leave this out'],
]

/** Checks the options and completes them. */
export function resolveOptions(given?: RateLimitOptions): ResolvedRateLimit {
  const options = checked(given)
  const { validate = true, ipv6Subnet = 56, storeTimeout = 1000, logger = processWarnings } = options
  const validations: EnabledValidations = typeof validate === 'boolean' ? { default: validate } : { default: true, ...present(validate) }
  const validates = (name: keyof EnabledValidations): boolean => validations[name] ?? validations.default ?? true
  if (validates('keyGeneratorIpFallback')) refuseBareAddress(options.keyGenerator)
  return {
    passed: passedOn(options, validations),
    message: options.message,
    keyGenerator: options.keyGenerator,
    ipv6Subnet: determined('ipv6Subnet', ipv6Subnet, aSubnet),
    trustedProxies: options.trustedProxies,
    store: options.store,
    storeTimeout,
    onStoreFailure: options.onStoreFailure ?? failureOf(options.passOnStoreError),
    logger,
    validates,
  }
}

/** Under their new names, and without those that are undefined. */
function checked(given: RateLimitOptions | undefined): RateLimitOptions {
  const options = present(checks.object<RateLimitOptions>('options', given, NAMES))
  for (const name of NAMES) {
    if (options[name] !== undefined) CHECKS[name](name, options[name])
  }
  for (const [name, other, remedy] of EITHER) {
    if (options[name] !== undefined && options[other] !== undefined) throw checks.wrong(name, options[name], remedy)
  }
  const { store, windowMs } = options
  if (store === undefined && windowMs !== undefined && windowMs > LONGEST_TIMER) {
    throw checks.wrong('windowMs', windowMs, `without a store give at most ${String(LONGEST_TIMER)}`)
  }
  return Object.fromEntries(Object.entries(options).map(([name, value]: [string, unknown]) => [OLD_NAMES[name] ?? name, value]))
}

function failureOf(passOnStoreError: boolean | undefined): StoreFailure {
  if (passOnStoreError === undefined) return 'local'
  return passOnStoreError ? 'pass' : 'refuse'
}

/** With our defaults, and with checks around the functions that give values. */
function passedOn(options: RateLimitOptions, validations: EnabledValidations): ResolvedRateLimit['passed'] {
  const { windowMs = 60_000, limit = 600, statusCode = 429, standardHeaders = 'draft-8', legacyHeaders = false, identifier, retryAfter } = options
  const others: Partial<Options> = Object.fromEntries(Object.entries(options).filter(([name]) => !OURS.has(name)))
  return {
    ...others,
    windowMs, statusCode, standardHeaders, legacyHeaders,
    limit: determined('limit', limit, aLimit),
    ...(identifier === undefined ? {} : { identifier: determined('identifier', identifier, anIdentifier) }),
    ...(retryAfter === undefined ? {} : { retryAfter: determined('retryAfter', retryAfter, aWait) }),
    // Asked here already, by rules that fit; a limit of 0 refuses everybody, as it should.
    validate: {
      ...validations, limit: false, ipv6Subnet: false, ipv6SubnetOrKeyGenerator: false, keyGeneratorIpFallback: false, unsharedStore: false,
    },
  }
}

/** What is undefined is absent. */
function present<Given extends object>(given: Given): { [Name in keyof Given]?: Exclude<Given[Name], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as { [Name in keyof Given]?: Exclude<Given[Name], undefined> }
}

/** A value, or a function whose answers are checked like it. */
function determined<Value extends number | string | false>(
  name: string,
  given: Value | ValueDeterminingMiddleware<Value>,
  check: (name: string, value: unknown) => Value,
): Value | ValueDeterminingMiddleware<Value> {
  if (typeof given !== 'function') return given
  return async (request, response) => check(name, await given(request, response))
}

function orFunction(check: Check): Check {
  return (name, value) => typeof value === 'function' ? value : check(name, value)
}

function aMessage(name: string, value: unknown): void {
  const isMembers = typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
  if (typeof value !== 'string' && typeof value !== 'function' && !isMembers) {
    throw checks.wrong(name, value, 'give a string, an object or a function that gives one of them; for any other answer give a handler')
  }
}

/** It stands between quotation marks in a header (RFC 9651, section 3.3.3). */
function anIdentifier(name: string, value: unknown): string {
  if (typeof value === 'string' && /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/.test(value)) return value
  throw checks.wrong(name, value, 'give printable ASCII characters without quotation marks and backslashes')
}

function aPropertyName(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw checks.wrong(name, value, 'give the name of a property')
}

/** Wider than /32 is more than one provider. */
function aSubnet(name: string, value: unknown): number | false {
  if (value === false || (typeof value === 'number' && Number.isInteger(value) && value >= 32 && value <= 128)) return value
  throw checks.wrong(name, value, 'give a whole number from 32 to 128, or false')
}

function aStore(name: string, value: unknown): void {
  const has = (method: string): boolean => typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function'
  if ((has('increment') || has('incr')) && has('decrement') && has('resetKey')) return
  throw checks.wrong(name, value, 'give a store of express-rate-limit, such as new RedisStore({ sendCommand })')
}

function aLogger(name: string, value: unknown): void {
  const has = (method: string): boolean => typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function'
  if (!has('error') || !has('warn')) throw checks.wrong(name, value, 'give an object with the functions error and warn')
}

/** IPv6 clients have as many addresses as they like. */
function refuseBareAddress(keyGenerator: ValueDeterminingMiddleware<string> | undefined): void {
  const text = keyGenerator?.toString() ?? ''
  if (!/\breq(uest)?\.ip\b/.test(text) || text.includes('ipKeyGenerator')) return
  throw checks.wrong('keyGenerator', keyGenerator, 'an IPv6 client would get a new count with each of its addresses: call ipKeyGenerator(request.ip) in it, leave it out, or give validate: { keyGeneratorIpFallback: false }')
}
