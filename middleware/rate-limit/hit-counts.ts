/**
 * Counts hits in this process, at once: a store for express-rate-limit whose counts can also be taken without a promise. As with
 * express-rate-limit's own, a key's window begins with its first hit. A key costs its text and some 60 octets: counts and times are in
 * typed arrays, where express-rate-limit's MemoryStore has two objects a key.
 */
import type { ClientRateLimitInfo, IncrementResponse, Options, Store } from 'express-rate-limit'

/** Keys that a generation has room for at first. */
const FIRST_ROOM = 1024

/** The keys that were hit in one interval of `windowMs`. It is forgotten as a whole. */
class Generation {
  readonly indexes = new Map<string, number>()
  hits = new Uint32Array(FIRST_ROOM)
  /** When the windows end, in ms since 1970. */
  ends = new Float64Array(FIRST_ROOM)
  /** Indexes are not used again: a key that was reset leaves its own behind. */
  #used = 0

  add(key: string, hits: number, end: number): number {
    const index = this.#used++
    if (index === this.hits.length) this.#grow()
    this.indexes.set(key, index)
    this.hits[index] = hits
    this.ends[index] = end
    return index
  }

  #grow(): void {
    const { hits, ends } = this
    this.hits = new Uint32Array(2 * hits.length)
    this.hits.set(hits)
    this.ends = new Float64Array(2 * ends.length)
    this.ends.set(ends)
  }
}

/** A window of a key: its hits, and when it ends, in ms since 1970. */
export interface Window {
  hits: number
  end: number
}

/** A store of counts in this process. */
export class HitCounts implements Store {
  /** By it express-rate-limit knows that no other process has these keys. */
  readonly localKeys = true
  #windowMs = 0
  #current = new Generation()
  #previous = new Generation()
  #rotation: NodeJS.Timeout | undefined
  /** What `countWithin()` has counted last: one object for all, since each is read at once. */
  readonly #counted: Window = { hits: 0, end: 0 }

  init({ windowMs }: Pick<Options, 'windowMs'>): void {
    this.#windowMs = windowMs
    clearInterval(this.#rotation)
    this.#rotation = setInterval(() => {
      this.#previous = this.#current
      this.#current = new Generation()
    }, windowMs).unref()
  }

  /**
   * Counts a hit of a key whose window has begun and has room for it; else counts nothing.
   *
   * @param limit hits that a window may have
   * @param now ms since 1970
   * @returns its window, to be read before the next call; undefined where nothing was counted
   */
  countWithin(key: string, limit: number, now: number): Readonly<Window> | undefined {
    const index = this.#find(key)
    if (index === undefined) return undefined
    const { hits, ends } = this.#current
    const before = hits[index] ?? 0
    const end = ends[index] ?? 0
    if (before >= limit || end <= now) return undefined
    hits[index] = before + 1
    const counted = this.#counted
    counted.hits = before + 1
    counted.end = end
    return counted
  }

  increment(key: string): IncrementResponse {
    const now = Date.now()
    const index = this.#find(key) ?? this.#current.add(key, 0, now + this.#windowMs)
    const { hits, ends } = this.#current
    if ((ends[index] ?? 0) <= now) {
      hits[index] = 0
      ends[index] = now + this.#windowMs
    }
    const totalHits = (hits[index] ?? 0) + 1
    hits[index] = totalHits
    return { totalHits, resetTime: new Date(ends[index] ?? 0) }
  }

  decrement(key: string): void {
    const index = this.#find(key)
    if (index === undefined) return
    const { hits } = this.#current
    hits[index] = Math.max(0, (hits[index] ?? 0) - 1)
  }

  /** Asynchronous, as express-rate-limit has it. */
  // eslint-disable-next-line @typescript-eslint/require-await -- the store's interface wants a promise
  async get(key: string): Promise<ClientRateLimitInfo | undefined> {
    const index = this.#find(key)
    const end = index === undefined ? 0 : this.#current.ends[index] ?? 0
    return index === undefined || end <= Date.now() ? undefined : { totalHits: this.#current.hits[index] ?? 0, resetTime: new Date(end) }
  }

  resetKey(key: string): void {
    this.#current.indexes.delete(key)
    this.#previous.indexes.delete(key)
  }

  resetAll(): void {
    this.#current = new Generation()
    this.#previous = new Generation()
  }

  shutdown(): void {
    clearInterval(this.#rotation)
    this.resetAll()
  }

  /** The key's index in the present generation; a key of the one before is moved into it. */
  #find(key: string): number | undefined {
    const index = this.#current.indexes.get(key)
    if (index !== undefined) return index
    const { indexes, hits, ends } = this.#previous
    const before = indexes.get(key)
    if (before === undefined) return undefined
    indexes.delete(key)
    return this.#current.add(key, hits[before] ?? 0, ends[before] ?? 0)
  }
}
