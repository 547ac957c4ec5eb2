/** Every option: its default, and what is said of a wrong one. */
import type http from 'node:http'
import { describe, expect, it } from '@jest/globals'
import express from 'express'
import express4 from 'express4'
import { Registry } from 'prom-client'
import request from 'supertest'
import { memoryStats } from '../../../middleware/memory.js'
import { resolveOptions } from '../../../middleware/memory/options.js'

/** What each message ends with. */
const ADDRESS = 'See express-responder/docs/reference/middleware-errors.md#err_middleware_option'

describe('options', () => {
  it('have defaults', () => {
    expect(resolveOptions()).toEqual({
      authorize: undefined, allowed: { gc: false, snapshot: false, profiles: true }, registry: undefined, scrapeInterval: 10_000,
      settleAfter: false, onVerdict: undefined, onSettle: undefined, worker: undefined,
    })
    expect(resolveOptions({})).toEqual(resolveOptions())
  })

  it('are taken as they are given', () => {
    const authorize = (): boolean => true
    const registry = new Registry()
    expect(resolveOptions({ authorize, gc: true, snapshot: true, profiles: false, registry, scrapeInterval: 0, settleAfter: 60_000, worker: 'a' })).toMatchObject({
      authorize, allowed: { gc: true, snapshot: true, profiles: false }, registry, scrapeInterval: 0, settleAfter: 60_000, worker: 'a',
    })
  })

  it.each([
    [{ authorise: true }, 'memoryStats: option authorise: no such option; there are authorize, gc, snapshot, profiles, registry, scrapeInterval, settleAfter, onVerdict, onSettle, worker'],
    [{ authorize: true }, 'memoryStats: option authorize is true: give a function'],
    [{ gc: 'yes' }, 'memoryStats: option gc is \'yes\': give true or false'],
    [{ snapshot: 1 }, 'memoryStats: option snapshot is 1: give true or false'],
    [{ profiles: null }, /* as undefined */ undefined],
    [{ registry: {} }, 'memoryStats: option registry is {}: give a Registry of prom-client, such as its register'],
    [{ scrapeInterval: -1 }, 'memoryStats: option scrapeInterval is -1: give a whole number from 0 to 2147483647'],
    [{ settleAfter: true }, 'memoryStats: option settleAfter is true: give milliseconds that load must have stayed low, or false'],
    [{ settleAfter: 5 }, 'memoryStats: option settleAfter is 5: give a whole number from 1000 to 2147483647'],
    [{ onVerdict: {} }, 'memoryStats: option onVerdict is {}: give a function'],
    [{ onSettle: 'log' }, 'memoryStats: option onSettle is \'log\': give a function'],
    [{ worker: 3 }, 'memoryStats: option worker is 3: give a name as a string'],
    [true, 'memoryStats: option options is true: give an object'],
  ])('%j', (options, message) => {
    if (message === undefined) expect(() => resolveOptions(options as never)).not.toThrow()
    else {
      expect(() => memoryStats(options as never)).toThrow(TypeError)
      expect(() => memoryStats(options as never)).toThrow(expect.objectContaining({ message: `${message}. ${ADDRESS}`, code: 'ERR_MIDDLEWARE_OPTION' }))
    }
  })

  it.each([['Express 5', express], ['Express 4', express4]])('app.use(memoryStats), not called, is said to be just that: %s', async (_name, create) => {
    const app = create()
    app.use('/debug', memoryStats as never)
    // Express tells an error handler by its four parameters.
    // eslint-disable-next-line @typescript-eslint/no-unused-vars
    app.use(((error: Error, _request: unknown, response: http.ServerResponse, _next: unknown) => { response.end(error.message) }) as never)
    const { text } = await request(app as never).get('/debug/memstats')
    expect(text).toBe(`memoryStats was given to app.use() itself: call it, app.use(memoryStats()). ${ADDRESS}`)
  })
})
