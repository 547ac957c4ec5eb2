/** express-rate-limit with its parts replaced: the key, the answer, the store's guard, and where it logs. */
import { EventEmitter } from 'node:events'
import { rateLimit as expressRateLimit, type Logger, type Options, type RateLimitRequestHandler, type Store, type ValueDeterminingMiddleware } from 'express-rate-limit'
import { codeOf } from '../../shared/errors.js'
import { OptionError } from '../shared/options.js'
import { responseOf } from './response.js'
import { addressKeys, clientAddresses, givenKeys } from './client-key.js'
import { AskedOnce, DirectPath } from './direct-path.js'
import { HitCounts } from './hit-counts.js'
import { RateLimitStoreError } from './errors.js'
import { RateLimitCounts } from './counts.js'
import { FallbackStore, modernStore } from './fallback-store.js'
import { checks, type ResolvedRateLimit, type StoreFailure } from './options.js'

/** What listeners on `events` get. */
export interface RateLimitEvents {
  /** The store does not answer, or not in time. */
  'store-failure': [error: unknown]
  /** It does again, after so many milliseconds. */
  'store-recovery': [milliseconds: number]
}

/** The limiter of express-rate-limit, and its store. */
export interface Limiter {
  readonly limiter: RateLimitRequestHandler
  /** For requests that need not ask it; undefined where all must. */
  readonly direct: DirectPath | undefined
  readonly store: Store
  readonly events: EventEmitter<RateLimitEvents>
  readonly counts: RateLimitCounts
  /** Whether it appends to headers. */
  readonly appends: boolean
  /** Ends its timers, and lets another one have the store. The store is the app's. */
  readonly close: () => void
}

const UNTIL_THEN: Readonly<Record<StoreFailure, string>> = {
  local: 'until it does, this process counts by itself',
  pass: 'until it does, all requests pass',
  refuse: 'until it does, all requests are refused',
}

/** Two limits on one store would add up. */
const usedStores = new WeakSet<Options['store']>()

/** Makes express-rate-limit of the resolved options. */
export function createLimiter(options: ResolvedRateLimit): Limiter {
  const { passed, store: given, onStoreFailure, validates } = options
  if (given !== undefined && validates('unsharedStore') && usedStores.has(given)) {
    throw checks.wrong('store', given, 'it counts for another rateLimit() already: give a new one, with a prefix of its own where it takes one')
  }
  const events = new EventEmitter<RateLimitEvents>()
  const counts = new RateLimitCounts()
  const store = given === undefined ? new HitCounts() : guard(modernStore(given), options, events)
  const creation = { isOver: false }
  const addressOf = clientAddresses(options)
  const skip = passed.skip === undefined ? undefined : new AskedOnce(passed.skip)
  const keyGenerator = options.keyGenerator === undefined ? undefined : new AskedOnce(options.keyGenerator)
  const limiter = expressRateLimit({
    ...passed,
    ...(skip === undefined ? {} : { skip: skip.again as ValueDeterminingMiddleware<boolean> }),
    keyGenerator: keyGenerator === undefined ? addressKeys(addressOf, options) : givenKeys(keyGenerator.again, options),
    // What it returns is waited for, whatever the type says.
    handler: counted(passed.handler ?? responseOf(options.message), counts),
    passOnStoreError: onStoreFailure === 'pass',
    logger: loggerOf(options, creation),
    store,
  })
  creation.isOver = true
  if (given !== undefined) usedStores.add(given)
  if (store instanceof FallbackStore) counts.isStoreAway = () => store.isAway
  const close = (): void => {
    store.shutdown()
    if (given !== undefined) usedStores.delete(given)
  }
  const direct = DirectPath.of(options, { counts: store, addressOf, skip, keyGenerator })
  return { limiter, direct, store, events, counts, appends: passed.standardHeaders === 'draft-8', close }
}

function counted(handler: (...given: Parameters<Options['handler']>) => unknown, counts: RateLimitCounts): Options['handler'] {
  const handle = (...given: Parameters<Options['handler']>): unknown => {
    counts.limited += 1
    return handler(...given)
  }
  return handle
}

function guard(store: Store, { storeTimeout, onStoreFailure, logger }: ResolvedRateLimit, events: EventEmitter<RateLimitEvents>): FallbackStore {
  // In a microtask: what listeners and loggers throw must not look like the store's errors.
  return new FallbackStore(store, {
    timeout: storeTimeout,
    onFailure: onStoreFailure,
    failed(error) {
      queueMicrotask(() => {
        logger.error(error, `rateLimit: the store does not answer; ${UNTIL_THEN[onStoreFailure]}`)
        events.emit('store-failure', error)
      })
    },
    recovered(milliseconds) {
      queueMicrotask(() => {
        logger.warn(`rateLimit: the store answers again, after ${String(Math.ceil(milliseconds / 1000))} s`)
        events.emit('store-recovery', milliseconds)
      })
    },
  })
}

/** What express-rate-limit only logs of options is an error. What has been told of the store already is not told again. */
function loggerOf({ logger, store }: ResolvedRateLimit, creation: { isOver: boolean }): Logger {
  const refuse = (error: unknown): void => {
    if (creation.isOver || (store !== undefined && codeOf(error) === CREATED_LATE)) return
    if (error instanceof OptionError) throw error
    const reason = codeOf(error) === CREATED_LATE ? CALL_ONCE : error instanceof Error ? error.message : String(error)
    throw new OptionError(`rateLimit: ${reason}`, { cause: error })
  }
  return {
    error(error, message) {
      if (error instanceof RateLimitStoreError) return
      refuse(error)
      logger.error(error, message)
    },
    warn(error, message) {
      refuse(error)
      logger.warn(error, message)
    },
  }
}

const CREATED_LATE = 'ERR_ERL_CREATED_IN_REQUEST_HANDLER'
const CALL_ONCE = 'called while a request was answered, it would count anew each time: call it once, where the app is made'
