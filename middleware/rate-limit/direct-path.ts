/**
 * The way of a request that finds everything in order: its client is known, its window has begun and has room. express-rate-limit has
 * then said all that there is to say, and only the count and two numbers in the headers are new. So the request passes at once: no
 * promise, no hash. All other requests are express-rate-limit's, and what it says of them is learned here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RateLimitInfo, ValueDeterminingMiddleware } from 'express-rate-limit'
import type { Window } from './hit-counts.js'
import { ownText } from './client-key.js'
import { KnownClients, type KnownClient } from './known-clients.js'
import type { ResolvedRateLimit } from './options.js'

/** Counts that are taken at once, where that can be had. */
export interface DirectCounts {
  /** Counts a hit where the key's window has begun and has room; undefined where it has not, or the count must be asked for. */
  countWithin(key: string, limit: number, now: number): Readonly<Window> | undefined
}

type Determine = ValueDeterminingMiddleware<unknown>
type Request = Parameters<Determine>[0]
type Response = Parameters<Determine>[1]

/** What a request's limit is, as express-rate-limit tells the app. */
class DirectInfo implements RateLimitInfo {
  readonly limit: number
  readonly used: number
  readonly remaining: number
  readonly resetTime: Date
  readonly key: string

  constructor(limit: number, used: number, { resetTime, key }: KnownClient) {
    this.limit = limit
    this.used = used
    this.remaining = limit - used
    this.resetTime = resetTime
    this.key = key
  }

  /** The old name of `used`; not to be listed. */
  get current(): number {
    return this.used
  }
}

/** How express-rate-limit 8 writes the policy of draft 8: where it is written otherwise, all requests stay with it. */
const POLICY = /^("[^"]+"); q=\d+; w=\d+; pk=:[^:]+:$/

/** A function of the app's that both ways may have to ask, and that is called once for a request. */
export class AskedOnce {
  readonly #given: Determine
  readonly #kept = new WeakMap<IncomingMessage, unknown>()

  constructor(given: Determine) {
    this.#given = given
  }

  /** What it gives; what it throws, as a promise that is rejected. */
  ask(request: Request, response: Response): unknown {
    try {
      return this.#given(request, response)
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- whatever the app has thrown
      return Promise.reject(error)
    }
  }

  /** Keeps what it has given for whoever asks next. */
  keep(request: IncomingMessage, given: unknown): void {
    this.#kept.set(request, given)
  }

  /** For express-rate-limit. */
  readonly again: Determine = (request, response) =>
    this.#kept.has(request) ? this.#kept.get(request) : this.#given(request, response)
}

/** What the direct path works with. */
export interface DirectPathParts {
  readonly counts: DirectCounts
  /** The client's address, after all checks. Throws where the request must not be counted. */
  readonly addressOf: (request: IncomingMessage) => string
  readonly skip: AskedOnce | undefined
  readonly keyGenerator: AskedOnce | undefined
}

/** The direct path of one rate limit. */
export class DirectPath {
  readonly #parts: DirectPathParts
  readonly #limit: number
  readonly #hasHeaders: boolean
  readonly #property: string
  readonly #clients = new KnownClients()
  /** How the RateLimit header ended the last time, and for how many seconds that is: made once a second, or a few times. */
  #end = ''
  #endSeconds = -1

  private constructor(limit: number, { passed }: ResolvedRateLimit, parts: DirectPathParts) {
    this.#parts = parts
    this.#limit = limit
    this.#hasHeaders = passed.standardHeaders === 'draft-8'
    this.#property = passed.requestPropertyName ?? 'rateLimit'
  }

  /** undefined where the options ask for what only express-rate-limit does: other headers, a limit by request, counts taken back. */
  static of(options: ResolvedRateLimit, parts: DirectPathParts): DirectPath | undefined {
    const { passed, ipv6Subnet } = options
    const { limit, standardHeaders, legacyHeaders, identifier, skipFailedRequests, skipSuccessfulRequests } = passed
    if (typeof limit !== 'number' || typeof identifier === 'function' || typeof ipv6Subnet === 'function') return undefined
    if (legacyHeaders === true || skipFailedRequests === true || skipSuccessfulRequests === true) return undefined
    if (standardHeaders !== false && standardHeaders !== 'draft-8') return undefined
    return new DirectPath(limit, options, parts)
  }

  /**
   * Counts a request that finds everything in order, and sets its headers.
   * @returns false where nothing was done: the request is express-rate-limit's
   */
  passes(request: Request, response: Response): boolean {
    if (response.headersSent) return false
    const { skip, keyGenerator } = this.#parts
    const skips = skip?.ask(request, response)
    if (skips === true) return true
    if (skips === undefined || skips === false) {
      const key = keyGenerator?.ask(request, response)
      if (this.#counts(request, response, keyGenerator === undefined ? this.#addressOf(request) : key)) return true
      keyGenerator?.keep(request, key)
    }
    skip?.keep(request, skips)
    return false
  }

  #counts(request: Request, response: Response, subject: unknown): boolean {
    const client = typeof subject === 'string' ? this.#clients.get(subject) : undefined
    if (client === undefined) return false
    const now = Date.now()
    const counted = this.#parts.counts.countWithin(client.key, this.#limit, now)
    if (counted === undefined) return false
    this.#tell(request, response, client, counted, now)
    return true
  }

  #addressOf(request: IncomingMessage): string | undefined {
    try {
      return this.#parts.addressOf(request)
    } catch {
      // express-rate-limit asks again, and answers.
      return undefined
    }
  }

  /** Learns what express-rate-limit has said of a request that it lets pass. */
  learn(request: IncomingMessage, response: ServerResponse): void {
    const info = Reflect.get(request, this.#property) as RateLimitInfo | undefined
    if (info?.resetTime === undefined) return
    const { key, resetTime } = info
    const { keyGenerator } = this.#parts
    const subject = keyGenerator === undefined ? this.#addressOf(request) : key
    const policy = this.#hasHeaders ? [response.getHeader('RateLimit-Policy')].flat().at(-1) : ''
    const name = this.#hasHeaders ? POLICY.exec(String(policy))?.[1] : ''
    if (subject === undefined || name === undefined) return
    this.#clients.add(ownText(subject), { key, beginning: `${name}; r=`, policy: String(policy), resetTime })
  }

  #tell(request: Request, response: Response, client: KnownClient, { hits, end }: Readonly<Window>, now: number): void {
    // A Date for each window, and not for each request.
    if (client.resetTime.getTime() !== end) client.resetTime = new Date(end)
    const properties = request as unknown as Record<string, unknown>
    properties[this.#property] = new DirectInfo(this.#limit, hits, client)
    if (!this.#hasHeaders) return
    const seconds = Math.max(0, Math.ceil((end - now) / 1000))
    if (seconds !== this.#endSeconds) {
      this.#endSeconds = seconds
      this.#end = `; t=${String(seconds)}`
    }
    const state = client.beginning + String(this.#limit - hits) + this.#end
    // All drafts have this one. Node makes a new name of one with capitals.
    if (response.getHeader('ratelimit-policy') === undefined) {
      response.setHeader('RateLimit', state)
      response.setHeader('RateLimit-Policy', client.policy)
    } else {
      // Another limit has told its own before.
      response.append('RateLimit', state)
      response.append('RateLimit-Policy', client.policy)
    }
  }
}
