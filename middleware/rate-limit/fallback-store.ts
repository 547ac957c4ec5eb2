/**
 * A store that may fail, guarded: no request waits long for it, and none at all once it is known to be away. Then, one request
 * a second also asks the store again, without waiting for it. What queues up in a client that holds commands back is bounded so.
 */
import { performance } from 'node:perf_hooks'
import { MemoryStore, type ClientRateLimitInfo, type IncrementResponse, type Options, type Store } from 'express-rate-limit'
import { RateLimitStoreError, storeFailure } from './errors.js'
import { HitCounts, type Window } from './hit-counts.js'
import { LONGEST_TIMER, type StoreFailure } from './options.js'

/** Milliseconds until a store that has failed is asked again. */
const RETRY_INTERVAL_MS = 1000
/** And while it has not answered that: it may have lost the question. */
const LOST_AFTER_MS = 60_000

/** How a store is guarded, and what happens while it fails. */
export interface FallbackSettings {
  /** Milliseconds that an answer may take. */
  readonly timeout: number
  readonly onFailure: StoreFailure
  /** Called once for each time that the store is away. */
  failed(error: unknown): void
  recovered(milliseconds: number): void
}

interface Outage {
  readonly since: number
  readonly error: unknown
  nextTry: number
}

/** A store that may fail or hang: others count in its place, and it is asked again. */
export class FallbackStore implements Store {
  readonly localKeys: boolean
  readonly prefix: string
  /** Only where the store has it. */
  readonly get?: (key: string) => Promise<ClientRateLimitInfo | undefined>
  readonly #store: Store
  readonly #settings: FallbackSettings
  readonly #local = new HitCounts()
  #options: Options | undefined
  #outage: Outage | undefined
  /** Some stores prepare in `init()` what they cannot do without; others cannot do it twice. So every second time. */
  #mustInit = false

  constructor(store: Store, guard: FallbackSettings) {
    this.#store = store
    this.#settings = guard
    this.localKeys = store.localKeys ?? false
    this.prefix = store.prefix ?? ''
    // express-rate-limit tells kinds of stores apart by it, to notice that a request is counted twice.
    Object.defineProperty(this, 'constructor', { value: store.constructor })
    if (typeof store.get === 'function') {
      this.get = async (key) => this.#outage === undefined ? this.#answer(async () => store.get?.(key)) : this.#local.get(key)
    }
  }

  /** Whether the store does not answer. */
  get isAway(): boolean {
    return this.#outage !== undefined
  }

  /** Ends its own timers. The store is the app's. */
  shutdown(): void {
    this.#local.shutdown()
  }

  init(options: Options): void {
    this.#options = options
    if (this.#settings.onFailure === 'local') this.#local.init({ ...options, windowMs: Math.min(options.windowMs, LONGEST_TIMER) })
    this.#prepare().catch((error: unknown) => {
      this.#mustInit = true
      this.#failed(error)
    })
  }

  /** As HitCounts', where this process counts: with a store of its own memory, and while another store is away. */
  countWithin(key: string, limit: number, now: number): Readonly<Window> | undefined {
    if (this.#outage === undefined) return isMemoryStore(this.#store) ? countInMemoryStore(this.#store, key, limit, now) : undefined
    if (this.#settings.onFailure !== 'local') return undefined
    this.#askAgain(key, this.#outage)
    return this.#local.countWithin(key, limit, now)
  }

  async increment(key: string): Promise<IncrementResponse> {
    if (this.#outage === undefined) {
      try {
        return await this.#answer(() => this.#count(key), () => { this.#answeredLate() })
      } catch (error) {
        this.#failed(error)
      }
    } else this.#askAgain(key, this.#outage)
    return this.#withoutStore(key)
  }

  async decrement(key: string): Promise<void> {
    if (this.#outage !== undefined) {
      if (this.#settings.onFailure === 'local') this.#local.decrement(key)
      return
    }
    try {
      await this.#answer(async () => { await this.#store.decrement(key) })
    } catch (error) {
      this.#failed(error)
    }
  }

  async resetKey(key: string): Promise<void> {
    this.#local.resetKey(key)
    await this.#answer(async () => { await this.#store.resetKey(key) })
  }

  #withoutStore(key: string): IncrementResponse {
    if (this.#settings.onFailure === 'local') return this.#local.increment(key)
    throw new RateLimitStoreError('rateLimit: the store does not count', { cause: this.#outage?.error })
  }

  #answer<Answer>(ask: () => Promise<Answer>, late?: () => void): Promise<Answer> {
    return withTimeout(this.#settings.timeout, ask(), late)
  }

  async #count(key: string): Promise<IncrementResponse> {
    const answer = await this.#store.increment(key)
    if (Number.isFinite(answer.totalHits)) return answer
    throw storeFailure(`answered ${String(answer.totalHits)} instead of a number of hits`)
  }

  async #prepare(): Promise<void> {
    if (this.#options !== undefined) await this.#store.init?.(this.#options)
  }

  #failed(error: unknown): void {
    if (this.#outage !== undefined) return
    const now = performance.now()
    this.#outage = { since: now, error, nextTry: now + RETRY_INTERVAL_MS }
    this.#settings.failed(error)
  }

  /** It is there, and too slow: the next request finds out whether it still is. */
  #answeredLate(): void {
    if (this.#outage !== undefined) this.#outage.nextTry = 0
  }

  #askAgain(key: string, outage: Outage): void {
    const now = performance.now()
    if (now < outage.nextTry) return
    outage.nextTry = now + LOST_AFTER_MS
    const prepares = this.#mustInit
    const attempt = this.#tryAgain(key, prepares)
    attempt.catch(() => {
      this.#mustInit = !prepares
      outage.nextTry = performance.now() + RETRY_INTERVAL_MS
    })
    this.#answer(() => attempt, () => { outage.nextTry = 0 }).then(() => { this.#recovered(outage) }, () => undefined)
  }

  async #tryAgain(key: string, prepares: boolean): Promise<void> {
    if (prepares) await this.#prepare()
    await this.#count(key)
  }

  #recovered(outage: Outage): void {
    if (this.#outage !== outage) return
    this.#outage = undefined
    this.#settings.recovered(performance.now() - outage.since)
  }
}

/** Whether it is express-rate-limit's own store, and no class made of it, which may count in another way. */
function isMemoryStore(store: Store): store is MemoryStore {
  return Object.getPrototypeOf(store) === MemoryStore.prototype
}

/** express-rate-limit's own store counts at once, and only answers by a promise. Its windows are public. */
function countInMemoryStore(store: MemoryStore, key: string, limit: number, now: number): Window | undefined {
  const client = store.current.get(key)
  const end = client?.resetTime.getTime() ?? 0
  if (client === undefined || client.totalHits >= limit || end <= now) return undefined
  void store.increment(key)
  return { hits: client.totalHits, end }
}

/* An answer in time, or an error. */

/** @param late called where the answer comes after the error */
export async function withTimeout<Answer>(milliseconds: number, answer: Promise<Answer>, late?: () => void): Promise<Answer> {
  let isLate = false
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_resolve, reject) => {
    const expire = (): void => {
      isLate = true
      reject(storeFailure(`gave no answer within ${String(milliseconds)} ms`))
    }
    // After a busy time, timers come first: what has been answered meanwhile is read before setImmediate().
    timer = setTimeout(() => { setImmediate(expire) }, milliseconds)
  })
  answer.then(() => { if (isLate) late?.() }, () => undefined)
  try {
    return await Promise.race([answer, expired])
  } finally {
    clearTimeout(timer)
  }
}

/* Stores of old, which answer by a callback, as stores of today. */

/** A store with express-rate-limit's present interface; older ones are wrapped. */
export function modernStore(store: Options['store']): Store {
  if ('increment' in store) return store
  return {
    increment: (key) => new Promise<IncrementResponse>((resolve, reject) => {
      store.incr(key, (error, totalHits, resetTime) => {
        if (error === undefined || (error as unknown) === null) resolve({ totalHits, resetTime })
        else reject(error)
      })
    }),
    decrement: (key) => { store.decrement(key) },
    resetKey: (key) => { store.resetKey(key) },
  }
}
