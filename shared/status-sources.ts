/**
 * What parts of a process tell of themselves to those who ask how it is. A source is registered by its name, and is asked only
 * when somebody looks. lib and middleware meet here, because neither imports the other; and a process may have loaded the
 * package twice, so the sources are kept by the process.
 */

/** Tells the present state as a value that JSON can carry. It is called when somebody asks, and may throw. */
export type StatusSource = () => unknown

/** What a `concurrencyLimit()` tells, as the source 'concurrencyLimit'. Counters only rise. */
export interface ConcurrencyLimitStatus {
  readonly active: number
  readonly waiting: number
  /** null where a function of the request gives it. */
  readonly limit: number | null
  /** Whether each key has a limit of its own. */
  readonly keyed: boolean
  /** Whether it only counts, and turns nobody away. */
  readonly observing: boolean
  /** Whether all slots are held and the queue is full: who comes now is turned away. */
  readonly full: boolean
  readonly accepted: number
  /** By reason. */
  readonly rejected: Readonly<Record<string, number>>
  readonly leaked: number
  readonly abandoned: number
}

/** What a `rateLimit()` tells, as the source 'rateLimit'. Counters only rise. */
export interface RateLimitStatus {
  readonly passed: number
  readonly limited: number
  /** By reason. */
  readonly failed: Readonly<Record<string, number>>
  /** Whether the store does not answer. */
  readonly storeAway: boolean
}

/** What a `recovery()` tells, as the source 'recovery'. Counters only rise. */
export interface RecoveryStatus {
  readonly total: number
  /** Whether the process is about to end. */
  readonly givenUp: boolean
  readonly counts: readonly { readonly route: string; readonly kind: string; readonly count: number }[]
}

/** What `memoryStats()` tells, as the source 'memoryStats'; all endpoints of a process tell the same. Bytes. */
export interface MemoryStatus {
  /** The state of the verdict on leaks, when it began (ms since 1970), and the verdict in words. */
  readonly state: string
  readonly since: number
  readonly sentence: string
  readonly rss: number
  readonly heapUsed: number
  /** In use after the last major collection; null before the first. */
  readonly liveHeap: number | null
}

const REGISTRY = Symbol.for('express-responder.status-sources')

function sourcesOfProcess(): Map<string, Set<StatusSource>> {
  const present: unknown = Reflect.get(globalThis, REGISTRY)
  if (present instanceof Map) return present as Map<string, Set<StatusSource>>
  const made = new Map<string, Set<StatusSource>>()
  Reflect.set(globalThis, REGISTRY, made)
  return made
}

/**
 * Registers a source; several may have one name.
 *
 * @returns a function that takes it back
 */
export function addStatusSource(name: string, source: StatusSource): () => void {
  const sources = sourcesOfProcess()
  const named = sources.get(name) ?? new Set()
  sources.set(name, named.add(source))
  return () => {
    named.delete(source)
    if (named.size === 0) sources.delete(name)
  }
}

/** What all sources tell: a list by each name. A source that throws tells `{ error }`. */
export function readStatusSources(): Record<string, unknown[]> {
  return Object.fromEntries([...sourcesOfProcess()].map(([name, sources]) => [name, [...sources].map(ask)]))
}

function ask(source: StatusSource): unknown {
  try {
    return source()
  } catch (error) {
    return { error: String(error) }
  }
}
