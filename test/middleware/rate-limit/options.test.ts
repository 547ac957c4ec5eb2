/** Wrong options are errors at once that name the option, its value and the remedy. */
import { describe, expect, it } from '@jest/globals'
import { ipKeyGenerator, MemoryStore, rateLimit, type RateLimitOptions } from '../../../middleware/rate-limit.js'

const wrong = (options: unknown): (() => unknown) => () => rateLimit(options as RateLimitOptions)

describe('wrong options', () => {
  it.each<[object, string]>([
    [{ limt: 5 }, 'option limt: no such option; there are windowMs, limit, '],
    [{ onLimitReached: () => undefined }, 'option onLimitReached: no such option'],
    [{ windowMs: '60s' }, "option windowMs is '60s': give a whole number of at least 1"],
    [{ windowMs: 0 }, 'option windowMs is 0: give a whole number of at least 1'],
    [{ windowMs: 2 ** 31 }, 'option windowMs is 2147483648: without a store give at most 2147483647'],
    [{ limit: -1 }, 'option limit is -1: give a whole number of at least 0'],
    [{ max: '5' }, "option max is '5': give a whole number of at least 0"],
    [{ max: 5, limit: 6 }, 'option max is 5: it is the old name of limit: leave it out'],
    [{ headers: true, legacyHeaders: true }, 'option headers is true: it is the old name of legacyHeaders: leave it out'],
    [{ message: 5 }, 'option message is 5: give a string, an object or a function'],
    [{ message: ['slow'] }, "option message is [ 'slow' ]: give a string, an object or a function"],
    [{ statusCode: 200 }, 'option statusCode is 200: give a whole number from 400 to 599'],
    [{ standardHeaders: 'draft-9' }, "option standardHeaders is 'draft-9': give 'draft-6' or 'draft-7' or 'draft-8'"],
    [{ identifier: 'my "api"' }, 'option identifier is \'my "api"\': give printable ASCII characters without quotation marks'],
    [{ retryAfter: -1 }, 'option retryAfter is -1: give a whole number of at least 0'],
    [{ retryAfter: 1.5 }, 'option retryAfter is 1.5: give a whole number of at least 0'],
    [{ requestPropertyName: '' }, "option requestPropertyName is '': give the name of a property"],
    [{ skipFailedRequests: 1 }, 'option skipFailedRequests is 1: give true or false'],
    [{ keyGenerator: 'ip' }, "option keyGenerator is 'ip': give a function"],
    [{ skip: ['/health'] }, "option skip is [ '/health' ]: give a function"],
    [{ ipv6Subnet: 24 }, 'option ipv6Subnet is 24: give a whole number from 32 to 128, or false'],
    [{ ipv6Subnet: 64, keyGenerator: () => 'a' }, 'option ipv6Subnet is 64: keyGenerator makes the key: leave this out'],
    [{ trustedProxies: 1, keyGenerator: () => 'a' }, 'option trustedProxies is 1: keyGenerator makes the key: leave one of them out'],
    [{ trustedProxies: true }, 'option trustedProxies is true: give a whole number from 0 to 100'],
    [{ store: MemoryStore }, 'option store is [class MemoryStore]: give a store of express-rate-limit, such as new RedisStore({ sendCommand })'],
    [{ store: { incr: () => undefined } }, 'option store is { incr: [Function: incr] }: give a store of express-rate-limit'],
    [{ storeTimeout: 0 }, 'option storeTimeout is 0: give a whole number from 1 to 2147483647'],
    [{ onStoreFailure: 'open' }, "option onStoreFailure is 'open': give 'local' or 'pass' or 'refuse'"],
    [{ onStoreFailure: 'pass', passOnStoreError: true }, 'option passOnStoreError is true: onStoreFailure says more: leave this out'],
    [{ logger: { error: () => undefined } }, 'give an object with the functions error and warn'],
    [{ validate: 'no' }, "option validate is 'no': give true, false or an object of them"],
    [{ validate: { proxy: false } }, 'options.validate.proxy is not recognized. Supported validate options are: '],
  ])('%# %p', (options, message) => {
    expect(wrong(options)).toThrow(expect.objectContaining({ code: 'ERR_MIDDLEWARE_OPTION', message: expect.stringContaining(message) }))
    expect(wrong(options)).toThrow(TypeError)
    expect(wrong(options)).toThrow(/^rateLimit: /)
  })

  it('a key of the bare address, with which IPv6 clients would have as many counts as they like', () => {
    const keyGenerator: RateLimitOptions['keyGenerator'] = (request) => request.ip ?? ''
    expect(wrong({ keyGenerator })).toThrow('call ipKeyGenerator(request.ip) in it')
    expect(wrong({ keyGenerator, validate: { keyGeneratorIpFallback: false } })).not.toThrow()
    expect(wrong({ keyGenerator: (request: { ip: string }) => ipKeyGenerator(request.ip) })).not.toThrow()
    expect(wrong({ keyGenerator: ({ headers }: { headers: Record<string, string> }) => headers['x-user'] ?? '' })).not.toThrow()
  })

  it('a store that counts for another limit already', () => {
    const store = new MemoryStore()
    rateLimit({ store })
    expect(wrong({ store })).toThrow('rateLimit: option store is MemoryStore')
    expect(wrong({ store })).toThrow('it counts for another rateLimit() already: give a new one')
    expect(wrong({ store, validate: { unsharedStore: false } })).not.toThrow()
    store.shutdown()
  })
})

it.each<[RateLimitOptions | undefined]>([
  [undefined],
  [{}],
  [{ limit: undefined, store: undefined }],
  [{ limit: 0, windowMs: 1, ipv6Subnet: 128, validate: false, standardHeaders: false }],
  [{ ipv6Subnet: false, message: { error: 'slow-down' }, validate: { trustProxy: false, default: true } }],
])('right options are no error: %p', (options) => {
  expect(typeof rateLimit(options)).toBe('function')
})
