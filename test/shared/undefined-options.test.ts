/** An option that is undefined is absent: for who compiles with exactOptionalPropertyTypes, as these tests are, and at run time. */
import { afterEach, describe, expect, it } from '@jest/globals'
import type { GatewayOptions, Limits, ServeOptions, ServerOptions, Timeouts } from 'express-responder'
import { createServer, gateway, serve, type GatewayTarget } from 'express-responder'
import {
  concurrencyLimit, memoryStats, rateLimit, recovery, redisLease,
  type ConcurrencyLimitOptions, type Intensity, type LimitBounds, type MemoryStatsOptions, type MetricsOptions, type QueueOptions,
  type RateLimitOptions, type RecoveryOptions, type RedisLeaseOptions,
} from 'express-responder/middleware'
import { Registry } from 'prom-client'
import { resolveOptions as resolveGateway } from '../../lib/gateway/options.js'
import { resolveOptions as resolveServe } from '../../lib/process/options.js'
import { resolveServerOptions } from '../../lib/server/options.js'
import { resolveOptions as resolveConcurrency } from '../../middleware/concurrency/options.js'
import { resolveOptions as resolveMemory } from '../../middleware/memory/options.js'
import { resolveOptions as resolveRateLimit } from '../../middleware/rate-limit/options.js'
import { resolveOptions as resolveRecovery } from '../../middleware/recovery/options.js'

/** The names of the options that may be left out. */
type Optional<Options> = { [Name in keyof Options]-?: object extends Pick<Options, Name> ? Name : never }[keyof Options]
/** Those of them that may not be undefined. */
type Refusing<Options> = { [Name in Optional<Options>]: Record<Name, undefined> extends Pick<Options, Name> ? never : Name }[Optional<Options>]
/** `true` where there are none; else their names. */
type Undefinable<Options> = [Refusing<Options>] extends [never] ? true : Refusing<Options>

/** Compiles where all of them may be undefined. */
const TYPES: readonly true[] = [
  true satisfies Undefinable<ServerOptions>,
  true satisfies Undefinable<NonNullable<ServerOptions['limits']>>,
  true satisfies Undefinable<NonNullable<ServerOptions['timeouts']>>,
  true satisfies Undefinable<ServeOptions>,
  true satisfies Undefinable<GatewayOptions>,
  true satisfies Undefinable<Extract<GatewayTarget, { port: number }>>,
  true satisfies Undefinable<ConcurrencyLimitOptions>,
  true satisfies Undefinable<QueueOptions>,
  true satisfies Undefinable<LimitBounds>,
  true satisfies Undefinable<MetricsOptions>,
  true satisfies Undefinable<RedisLeaseOptions>,
  true satisfies Undefinable<RateLimitOptions>,
  true satisfies Undefinable<Exclude<RateLimitOptions['validate'], boolean | undefined>>,
  true satisfies Undefinable<RecoveryOptions>,
  true satisfies Undefinable<Intensity>,
  true satisfies Undefinable<MemoryStatsOptions>,
]

/** What a type that is not as it should be says. */
interface Wrong {
  right?: number | undefined
  wrong?: number
}
'wrong' satisfies Undefinable<Wrong>

const SECRET = process.env['OF_NOBODY']
const NAMES_OF_LIMITS: readonly (keyof Limits)[] = ['paramsBytes', 'paramsCount', 'requestsPerConnection', 'connections', 'bodyBytes', 'bufferedBytes', 'drainBytes', 'headBytes', 'headerCount']
const NAMES_OF_TIMEOUTS: readonly (keyof Timeouts)[] = ['params', 'idle', 'linger', 'body', 'drain']

afterEach(() => { recovery.uninstall() })

/** The names that the function says there are, when it is given another one. */
async function namesOf(call: (options: object) => unknown): Promise<string[]> {
  try {
    await call({ nonsense: 1 })
  } catch (error) {
    const [, names = ''] = /no such option; there are ([\w, ]+)/.exec(String(error)) ?? []
    return names.split(', ')
  }
  throw new Error('nothing was thrown')
}

function allUndefined(names: readonly string[]): object {
  return Object.fromEntries(names.map((name) => [name, undefined]))
}

/** As text, with the text of functions. */
function shown(value: unknown): string {
  return JSON.stringify(value, (_name, inner: unknown) => typeof inner === 'function' ? String(inner) : inner)
}

const FACTORIES: readonly (readonly [name: string, call: (options: object) => unknown, resolved: (options: object) => unknown])[] = [
  ['createServer', (options) => createServer(() => undefined, options), (options) => resolveServerOptions(options, {})],
  ['serve', (options) => serve(() => undefined, options), (options) => resolveServe(options)],
  ['gateway', (options) => gateway('/run/app.sock', options), (options) => resolveGateway(options)],
  ['concurrencyLimit', (options) => { concurrencyLimit(options).close() }, (options) => resolveConcurrency(options)],
  ['rateLimit', (options) => rateLimit(options), (options) => resolveRateLimit(options)],
  ['recovery', (options) => recovery(options), (options) => resolveRecovery('recovery', options)],
  ['recovery.errors', (options) => recovery.errors(options), (options) => resolveRecovery('recovery', options)],
  ['memoryStats', (options) => { memoryStats(options).close() }, (options) => resolveMemory(options)],
]

describe('options that are undefined', () => {
  it('are allowed alike by the types of all functions', () => {
    expect(TYPES).toHaveLength(16)
  })

  it.each(FACTORIES)('of %s are absent: all of them, and each', async (name, call, resolved) => {
    const names = await namesOf(call)
    expect(names.length).toBeGreaterThan(4)
    const absent = shown(resolved({}))
    expect(shown(resolved(allUndefined(names)))).toBe(absent)
    for (const one of names) expect([one, shown(resolved({ [one]: undefined }))]).toEqual([one, absent])
    // Without a place, serve() has nothing to listen on; what it then says is not of the options.
    if (name === 'serve') await expect(call(allUndefined(names))).rejects.toThrow(expect.objectContaining({ code: 'ERR_FCGI_NO_SOCKET' }))
    else expect(() => call(allUndefined(names))).not.toThrow()
  })

  it.each<[string, (options: object) => unknown, readonly string[]]>([
    ['limits of createServer', (limits) => resolveServerOptions({ limits }, {}), NAMES_OF_LIMITS],
    ['timeouts of createServer', (timeouts) => resolveServerOptions({ timeouts }, {}), NAMES_OF_TIMEOUTS],
    ['queue of concurrencyLimit', (queue) => resolveConcurrency({ queue }), ['max', 'timeout', 'order']],
    ['bounds of concurrencyLimit', (limit) => resolveConcurrency({ limit }), ['min', 'max', 'initial']],
    ['intensity of recovery', (intensity) => resolveRecovery('recovery', { intensity }), ['max', 'windowMs']],
    ['validate of rateLimit', (validate) => resolveRateLimit({ validate }), ['default', 'trustProxy', 'ip', 'limit', 'xForwardedForHeader']],
  ])('are absent in %s', (_group, resolved, names) => {
    const absent = shown(resolved({}))
    expect(shown(resolved(allUndefined(names)))).toBe(absent)
    for (const one of names) expect([one, shown(resolved({ [one]: undefined }))]).toEqual([one, absent])
  })

  it('are absent for redisLease and registerMetrics', async () => {
    const right: RedisLeaseOptions = { sendCommand: () => Promise.resolve(null), key: 'db', limit: 4 }
    expect(shown(redisLease({ ...right, ttl: undefined, timeout: undefined, fallback: undefined }))).toBe(shown(redisLease(right)))
    const registry = new Registry()
    const cap = concurrencyLimit({ limit: 1 })
    cap.registerMetrics(registry, { prefix: undefined, labels: undefined })
    expect(await registry.metrics()).toContain('\nconcurrency_limit_limit 1\n')
    cap.close()
  })

  it('compile as an environment gives them', () => {
    const one = SECRET === undefined ? undefined : 1
    const cap = concurrencyLimit({ limit: one, queue: { max: one }, key: undefined })
    expect(cap.limit).toBe(10_000)
    cap.close()
    expect(() => rateLimit({ limit: one, windowMs: one, store: undefined, validate: { trustProxy: undefined } })).not.toThrow()
    expect(createServer(() => undefined, { limits: { connections: one } }).configuration.limits.connections).toBe(4096)
  })
})
