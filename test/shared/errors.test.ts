/** Errors and warnings: one base, whichever entry they come from, and the address of a heading that there is. */
import { readdirSync } from 'node:fs'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import express from 'express'
import * as face from 'express-responder'
import * as concurrency from 'express-responder/concurrency'
import * as memory from 'express-responder/memory'
import * as middleware from 'express-responder/middleware'
import * as rateLimiting from 'express-responder/rate-limit'
import * as recovering from 'express-responder/recovery'
import request from 'supertest'
import { ERROR_CODES } from '../../lib/errors.js'
import { addressOf, DOCUMENTATION, markAsOurs, withAddress } from '../../shared/errors.js'
import { fragments, page, root } from '../readme/support/markdown.js'

const { createServer, ExpressResponderError, FastCgiError, gateway, serve } = face
const { ConcurrencyLimitError, concurrencyLimit, memoryStats, NoPrometheusError, OptionError, RateLimitKeyError, RateLimitStoreError, rateLimit, recovery, redisLease, SamplingError, ThrownValueError } = middleware

/** Codes in quotation marks; those of express-rate-limit's and Node's own are explained by them. */
const CODE = /(?<=')(?:ERR_(?:MIDDLEWARE|RECOVERY|CONCURRENCY|RATE_LIMIT|MEMORY_STATS)|CONCURRENCY_LIMIT)(?:_[A-Z]+)*(?=')/g
const sources = readdirSync(`${root}/middleware`, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const codes = [...new Set([...Object.keys(ERROR_CODES), 'EADDRINUSE', ...sources.flatMap((file) => page(`middleware/${file}`).match(CODE) ?? [])])].sort()

/** Whether there is such a heading, in the documentation that is packed. */
function leadsSomewhere(address: string): boolean {
  const [path = '', fragment = ''] = address.replace(DOCUMENTATION, 'docs/').split('#')
  return fragments(page(path)).includes(fragment)
}

afterEach(() => {
  jest.restoreAllMocks()
  recovery.uninstall()
})

describe('every code', () => {
  it('is found: those of the server, of the system, and of the middleware', () => {
    expect(codes.length).toBeGreaterThan(50)
  })

  it.each(codes)('%s: the message ends with the address of its heading, once', (code) => {
    const { message } = new ExpressResponderError(code, 'what went wrong')
    expect(message).toBe(`what went wrong. See ${addressOf(code)}`)
    expect(withAddress(code, message)).toBe(message)
    expect(leadsSomewhere(addressOf(code))).toBe(true)
  })
})

describe('the address', () => {
  it.each([
    ['a sentence.', 'a sentence. See '], ['a remedy', 'a remedy. See '], ['a question?', 'a question? See '], ['Error: a\n    at a stack', 'Error: a\n    at a stack\nSee '],
  ])('stands apart from the message %j', (text, begin) => {
    expect(withAddress('ERR_FCGI_OPTION', text)).toBe(`${begin}express-responder/docs/reference/errors.md#err_fcgi_option`)
  })

  it.each(['the app is broken', 'Error: a\n    at a stack'])('is one, also where the message is that of another error: %j', (text) => {
    const { message } = new ExpressResponderError('ERR_FCGI_RELOAD', `the old workers go on: ${withAddress('ERR_FCGI_BOOT', text)}`)
    expect(message.match(/See /g)).toHaveLength(1)
    expect(message.endsWith(addressOf('ERR_FCGI_RELOAD'))).toBe(true)
  })
})

describe('ExpressResponderError', () => {
  it('is one class, whichever entry it comes from', () => {
    const classes = [face, middleware, concurrency, rateLimiting, recovering, memory].map((entry) => entry.ExpressResponderError)
    expect(new Set(classes).size).toBe(1)
    expect(new Set([middleware, concurrency, rateLimiting, recovering, memory].map((entry) => entry.OptionError)).size).toBe(1)
  })

  it.each([
    [new FastCgiError('ERR_FCGI_ABORTED'), 'FastCgiError', 'ERR_FCGI_ABORTED'],
    [new OptionError('wrong'), 'OptionError', 'ERR_MIDDLEWARE_OPTION'],
    [new ConcurrencyLimitError({ reason: 'limit', status: 503, retryAfter: '1' }), 'ConcurrencyLimitError', 'ERR_CONCURRENCY_LIMIT'],
    [new RateLimitKeyError('whose'), 'RateLimitKeyError', 'ERR_RATE_LIMIT_KEY'],
    [new RateLimitStoreError('away'), 'RateLimitStoreError', 'ERR_RATE_LIMIT_STORE'],
    [new ThrownValueError('text'), 'ThrownValueError', 'ERR_RECOVERY_THROWN_VALUE'],
    [new NoPrometheusError(), 'NoPrometheusError', 'ERR_MEMORY_STATS_PROMETHEUS'],
    [new SamplingError('ended'), 'SamplingError', 'ERR_MEMORY_STATS_SAMPLING'],
    [recovery.ABORT, 'ExpressResponderError', 'ERR_RECOVERY_ABORT'],
  ])('is the base of %s', (error, name, code) => {
    expect(error).toBeInstanceOf(ExpressResponderError)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name, code })
    expect(error.message.endsWith(` See ${addressOf(code)}`)).toBe(true)
  })

  it('is not the base of others, and its classes are told apart', () => {
    const others = [new Error('x'), new TypeError('x'), Object.assign(new Error('x'), { code: 'ERR_FCGI_OPTION' }), { code: 'ERR_FCGI_OPTION' }, undefined, null, 'x', Readable]
    expect(others.filter((other) => other instanceof ExpressResponderError)).toEqual([])
    expect(new OptionError('x')).toBeInstanceOf(TypeError)
    expect(new OptionError('x')).not.toBeInstanceOf(FastCgiError)
    expect(recovery.ABORT).not.toBeInstanceOf(FastCgiError)
    expect(new FastCgiError('ERR_FCGI_ABORTED')).not.toBeInstanceOf(OptionError)
  })

  it('knows the errors of another copy of the package', () => {
    class OfAnotherCopy extends Error {
      readonly code = 'ERR_FCGI_OPTION'
    }
    expect(new OfAnotherCopy()).not.toBeInstanceOf(ExpressResponderError)
    markAsOurs(OfAnotherCopy)
    expect(new OfAnotherCopy()).toBeInstanceOf(ExpressResponderError)
  })
})

/** What is thrown at once, or what the promise is rejected with. */
async function thrownBy(attempt: () => unknown): Promise<unknown> {
  try {
    await attempt()
    return undefined
  } catch (error) {
    return error
  }
}

const wrong = { nonsense: 1 } as never

describe('what is thrown', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['ERR_FCGI_OPTION', () => createServer(() => undefined, wrong), /^createServer: option nonsense: no such option; there are limits, /],
    ['ERR_FCGI_OPTION', () => createServer(() => undefined, { limits: { connections: 0 } }), /^createServer: option limits\.connections is 0: give a whole number of at least 1\. /],
    ['ERR_FCGI_OPTION', () => serve(() => undefined, wrong), /^serve: option nonsense: no such option; there are socket, /],
    ['ERR_FCGI_OPTION', () => serve(() => undefined, { limits: { connections: 0 } }), /^serve: option limits\.connections is 0: give a whole number of at least 1\. /],
    ['ERR_FCGI_OPTION', () => serve(() => undefined, { socket: '/s', port: 1 }), /^serve: options socket and port: /],
    ['ERR_FCGI_OPTION', () => gateway('/s', { timeout: -1 }), /^gateway: option timeout is -1: give a whole number of at least 0\. /],
    ['ERR_FCGI_OPTION', () => gateway(express as never), /^the gateway's target is an app\. /],
    ['ERR_FCGI_OPTION', () => serve(), /^the app is undefined: /],
    ['ERR_FCGI_SOCKET_PATH', () => serve(() => undefined, { socket: `/${'x'.repeat(200)}` }), /^option socket: /],
    ['ERR_FCGI_SOCKET_DIRECTORY', () => serve(() => undefined, { socket: '/nowhere/at/all/app.sock' }), /./],
    ['ERR_FCGI_SOCKET_FILE', () => serve(() => undefined, { socket: `${root}/package.json` }), /./],
    ['ERR_FCGI_NO_SOCKET', () => serve(() => undefined, { fd: 'nobody' }), /^option fd: /],
    ['ERR_MIDDLEWARE_OPTION', () => concurrencyLimit(wrong), /^concurrencyLimit: option nonsense: no such option; there are limit, /],
    ['ERR_MIDDLEWARE_OPTION', () => concurrencyLimit({ queue: { max: -1 } }), /^concurrencyLimit: option queue\.max is -1: give a whole number of at least 0\. /],
    ['ERR_MIDDLEWARE_OPTION', () => { concurrencyLimit({ key: () => 'a', limit: () => 1 }).limit = 3 }, /^concurrencyLimit: limit cannot be set where a function gives it\. /],
    ['ERR_MIDDLEWARE_OPTION', () => redisLease(wrong), /^redisLease: option nonsense: no such option; /],
    ['ERR_MIDDLEWARE_OPTION', () => rateLimit(wrong), /^rateLimit: option nonsense: no such option; there are windowMs, /],
    ['ERR_MIDDLEWARE_OPTION', () => rateLimit({ windowMs: 0 }), /^rateLimit: option windowMs is 0: give a whole number of at least 1\. /],
    ['ERR_MIDDLEWARE_OPTION', () => recovery(wrong), /^recovery: option nonsense: no such option; /],
    ['ERR_MIDDLEWARE_OPTION', () => recovery.errors({ answerTimeout: 0 }), /^recovery\.errors: option answerTimeout is 0: give a whole number from 1 to /],
    ['ERR_MIDDLEWARE_OPTION', () => recovery.callbacks(wrong, 'query'), /^recovery\.callbacks: option methods: query: name a method of the client\. /],
    ['ERR_MIDDLEWARE_OPTION', () => memoryStats(wrong), /^memoryStats: option nonsense: no such option; /],
    ['ERR_MIDDLEWARE_OPTION', () => memoryStats({ scrapeInterval: 1.5 }), /^memoryStats: option scrapeInterval is 1\.5: give a whole number from 0 to /],
  ])('%s %#: has code, name, value and remedy, and ends with the address', async (code, attempt, begin) => {
    const error = await thrownBy(attempt)
    expect(error).toBeInstanceOf(ExpressResponderError)
    expect(error).toMatchObject({ code, message: expect.stringMatching(begin) })
    expect(String(error)).toMatch(new RegExp(` See \\S+#${code.toLowerCase()}$`))
  })

  it('EADDRINUSE has the address as well', async () => {
    const socket = `/tmp/errors-${String(process.pid)}.sock`
    const { stop } = await serve(() => undefined, { socket, signals: false })
    try {
      const error = await thrownBy(() => serve(() => undefined, { socket, signals: false }))
      expect(error).toBeInstanceOf(ExpressResponderError)
      expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', address: socket, name: 'AddressInUseError', message: expect.stringMatching(/ See \S+#eaddrinuse$/) })
    } finally {
      await stop()
    }
  })
})

describe('what is told', () => {
  it('errors for the app’s error handlers end with the address, and answers do not have it', async () => {
    const app = express()
    app.use(concurrencyLimit({ limit: 1, queue: false, handler: 'next' }))
    app.get('/', async (_req, res) => {
      const { body } = await request(app).get('/') as { body: unknown }
      res.json(body)
    })
    // Express asks for four parameters.
    // eslint-disable-next-line @typescript-eslint/no-unused-vars
    app.use(((error, _req, res, _next) => { res.json({ code: (error as { code: unknown }).code, message: String(error) }) }) satisfies express.ErrorRequestHandler)
    const { body } = await request(app).get('/') as { body: unknown }
    expect(body).toEqual({ code: 'ERR_CONCURRENCY_LIMIT', message: expect.stringMatching(/^ConcurrencyLimitError: As many requests .* See \S+#err_concurrency_limit$/) })
    const plain = express().use(concurrencyLimit({ limit: 1, queue: false }))
    plain.get('/', async (_req, res) => { res.send((await request(plain).get('/')).text) })
    expect((await request(plain).get('/')).text).not.toContain('docs/')
  })

  it('process warnings end with the address', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    const { NODE_ENV } = process.env
    process.env['NODE_ENV'] = 'production'
    memoryStats({ profiles: false }).close()
    process.env['NODE_ENV'] = NODE_ENV
    recovery()
    const cap = concurrencyLimit({ limit: 1 })
    cap.events.on('limit', () => { throw new Error('of a listener') })
    cap.limit = 2
    await request(express().use(rateLimit({ keyGenerator: () => '' }))).get('/')
    const told = warn.mock.calls.map(([text, options]) => [(options as unknown as { code: string }).code, String(text)] as const)
    expect(told.map(([code]) => code)).toEqual(['ERR_MEMORY_STATS_AUTHORIZE', 'ERR_RECOVERY_UNSUPPORTED', 'ERR_CONCURRENCY_LIMIT_LISTENER', 'ERR_RATE_LIMIT_KEY'])
    for (const [code, text] of told) expect(text).toMatch(new RegExp(`\\sSee \\S+#${code.toLowerCase()}$`))
  })
})
