/** `redisLease()`: a limit that all processes which name the same key hold together, on however many hosts. */
import { randomUUID } from 'node:crypto'
import { optionChecks } from '../../shared/options.js'
import { RedisScript, type SendCommand } from './script.js'
import { LEASE_SCRIPT, readGrant, type LeaseRequest, type LeaseGrant } from './script.js'

const checks = optionChecks('redisLease')
/** What keys begin with in Redis. */
const PREFIX = 'concurrency-limit:'
/** Milliseconds, as is the timeout. */
const DEFAULT_TTL = 10_000
const DEFAULT_TIMEOUT = 1000
/** A lease is refreshed when this share of it has passed. */
export const REFRESH_SHARE = 1 / 3

/** The options of `redisLease()`. */
export interface RedisLeaseOptions {
  /**
   * Sends a command to Redis. With `redis`: `(...command) => client.sendCommand(command)`. With `ioredis`: `(name,
   * ...args) => client.call(name, ...args)`.
   */
  sendCommand: SendCommand
  /**
   * What is capped. Processes that name the same key share the limit. In Redis the key is `concurrency-limit:` and
   * this.
   */
  key: string
  /**
   * How many requests are answered at a time, by all processes together. Give all of them the same.
   */
  limit: number
  /**
   * Milliseconds after which the slots of a dead process are free for others. Give all processes the same.
   * @defaultValue `10000`
   */
  ttl?: number | undefined
  /**
   * Milliseconds after which a silent Redis counts as away; at most a third of `ttl`.
   * @defaultValue `1000`, at most `ttl` / 3
   */
  timeout?: number | undefined
  /**
   * How many requests this process may answer at a time while Redis is away. 0: none.
   * @defaultValue the limit divided by the last known number of processes, at least 1
   */
  fallback?: number | undefined
}

/** Made by `redisLease()`, for the option `limit`. */
export class RedisLease {
  readonly key: string
  readonly limit: number
  readonly ttl: number
  readonly timeout: number
  readonly fallback: number | undefined
  readonly #sendCommand: SendCommand

  constructor(options: Omit<RedisLease, 'connect'>, sendCommand: SendCommand) {
    this.key = options.key
    this.limit = options.limit
    this.ttl = options.ttl
    this.timeout = options.timeout
    this.fallback = options.fallback
    this.#sendCommand = sendCommand
  }

  /** The connection of a new lease client to Redis. */
  connect(): LeaseConnection {
    const id = randomUUID()
    const run = (request: LeaseRequest, ttl: number): Promise<unknown> =>
      script.run(this.#sendCommand, PREFIX + this.key, [id, ...[request.sequence, request.hold, request.need, request.want, request.limit, ttl].map(String)])
    return {
      renew: async (request) => readGrant(await run(request, this.ttl)),
      leave: async () => {
        await run({ sequence: 0, hold: 0, need: 0, want: 0, limit: 0 }, 0)
      },
    }
  }
}

/** How a lease client asks Redis. */
export interface LeaseConnection {
  renew(request: LeaseRequest): Promise<LeaseGrant>
  /** Gives all slots back. */
  leave(): Promise<void>
}

const script = new RedisScript(LEASE_SCRIPT)

/**
 * A limit that is leased from Redis, for something scarce that many processes use. Needs Redis 5 or later; the key is
 * one, so a cluster serves as well.
 *
 * @param given how to reach Redis, the key, and the limit of all processes together; see {@link RedisLeaseOptions}
 * @returns what the option `limit` of `concurrencyLimit()` takes
 * @throws OptionError ERR_MIDDLEWARE_OPTION that names a wrong option
 *
 * @example
 * ```ts
 * import { createClient } from 'redis'
 * import { concurrencyLimit, redisLease } from 'express-responder/middleware'
 *
 * const client = await createClient().connect()
 * const sendCommand = (...command: string[]) => client.sendCommand(command)
 * app.use(concurrencyLimit({ limit: redisLease({ sendCommand, key: 'db', limit: 100 }) }))
 * ```
 */
export function redisLease(given: RedisLeaseOptions): RedisLease {
  const options = checks.object('options', given, ['sendCommand', 'key', 'limit', 'ttl', 'timeout', 'fallback'])
  const sendCommand = checks.optionalFunction('sendCommand', options.sendCommand)
  if (sendCommand === undefined) throw checks.wrong('sendCommand', undefined, 'give a function that sends a command to Redis: (...command) => client.sendCommand(command)')
  if (typeof options.key !== 'string' || options.key === '') throw checks.wrong('key', options.key, 'give the name of what is capped, such as \'db\'')
  const ttl = checks.wholeNumber('ttl', options.ttl ?? DEFAULT_TTL, 300, 2 ** 31 - 1)
  const refresh = Math.floor(ttl * REFRESH_SHARE)
  return new RedisLease({
    key: options.key,
    limit: checks.wholeNumber('limit', options.limit, 1, 2 ** 31 - 1),
    ttl,
    timeout: checks.wholeNumber('timeout', options.timeout ?? Math.min(DEFAULT_TIMEOUT, refresh), 1, refresh),
    fallback: options.fallback === undefined ? undefined : checks.wholeNumber('fallback', options.fallback, 0),
  }, sendCommand)
}
