/** What the status sources of a worker have told, read with care: a worker may run another version of this package. */
import type { ConcurrencyLimitStatus, MemoryStatus, RateLimitStatus, RecoveryStatus } from '../../shared/status-sources.js'
import type { SlowRequestsStatus } from '../workers/slow-log.js'

/** What one worker has told. */
export interface Readings {
  readonly caps: readonly ConcurrencyLimitStatus[]
  readonly rateLimits: readonly RateLimitStatus[]
  readonly recoveries: readonly RecoveryStatus[]
  readonly memory: MemoryStatus | undefined
  readonly slow: SlowRequestsStatus | undefined
}

type Plain = Readonly<Record<string, unknown>>

/** More of one kind are not shown: an app may make a cap for each of its customers. */
const MOST = 50

/** Reads what is known; what has another shape counts as not told. */
export function readingsOf(sources: Plain): Readings {
  return {
    caps: listOf(sources['concurrencyLimit'], capOf),
    rateLimits: listOf(sources['rateLimit'], rateLimitOf),
    recoveries: listOf(sources['recovery'], recoveryOf),
    memory: listOf(sources['memoryStats'], memoryOf)[0],
    slow: listOf(sources['slowRequests'], slowOf)[0],
  }
}

function listOf<Read>(value: unknown, read: (plain: Plain) => Read): Read[] {
  if (!Array.isArray(value)) return []
  return value.slice(0, MOST).filter(isPlain).filter((plain) => plain['error'] === undefined).map(read)
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function numbers(value: unknown): Record<string, number> {
  return isPlain(value) ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, number(each)])) : {}
}

function plains(value: unknown): Plain[] {
  return Array.isArray(value) ? value.filter(isPlain) : []
}

function capOf(plain: Plain): ConcurrencyLimitStatus {
  const { active, waiting, limit, keyed, observing, full, accepted, rejected, leaked, abandoned } = plain
  return {
    active: number(active), waiting: number(waiting), limit: typeof limit === 'number' ? limit : null, keyed: keyed === true,
    observing: observing === true, full: full === true, accepted: number(accepted), rejected: numbers(rejected), leaked: number(leaked), abandoned: number(abandoned),
  }
}

function rateLimitOf({ passed, limited, failed, storeAway }: Plain): RateLimitStatus {
  return { passed: number(passed), limited: number(limited), failed: numbers(failed), storeAway: storeAway === true }
}

function recoveryOf({ total, givenUp, counts }: Plain): RecoveryStatus {
  return {
    total: number(total), givenUp: givenUp === true,
    counts: plains(counts).map(({ route, kind, count }) => ({ route: text(route), kind: text(kind), count: number(count) })),
  }
}

function memoryOf({ state, since, sentence, rss, heapUsed, liveHeap }: Plain): MemoryStatus {
  return { state: text(state), since: number(since), sentence: text(sentence), rss: number(rss), heapUsed: number(heapUsed), liveHeap: typeof liveHeap === 'number' ? liveHeap : null }
}

function slowOf({ threshold, total, running }: Plain): SlowRequestsStatus {
  return {
    threshold: number(threshold), total: number(total),
    running: plains(running).map(({ age, method, path, route }) => ({ age: number(age), method: text(method), path: text(path), route: text(route) })),
  }
}
