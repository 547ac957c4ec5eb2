import { describe, expect, it } from '@jest/globals'
import express from 'express'
import http from 'node:http'
import request from 'supertest'
import { ExpressResponderError } from '../../../shared/errors.js'
import { optionChecks } from '../../../middleware/shared/options.js'
import { retryAfter, sendProblem } from '../../../middleware/shared/problem.js'

interface Options {
  max?: number
  mode?: string
}
const checks = optionChecks('limit')
const check = (given: unknown): Options => checks.object('options', given as Options, ['max', 'mode'])

describe('options', () => {
  it('known names pass, none is an empty object', () => {
    expect(check({ max: 3 })).toEqual({ max: 3 })
    expect(check(undefined)).toEqual({})
  })
  it.each([
    [() => check({ maximum: 3 }), 'limit: option maximum: no such option; there are max, mode'],
    [() => check(null), 'limit: option options is null: give an object'],
    [() => check('x'), "limit: option options is 'x': give an object"],
    [() => checks.object('queue', { size: 1 } as Options, ['max']), 'limit: option queue.size: no such option; there are max'],
    [() => checks.wholeNumber('max', 1.5, 1), 'limit: option max is 1.5: give a whole number of at least 1'],
    [() => checks.wholeNumber('max', 11, 1, 10), 'limit: option max is 11: give a whole number from 1 to 10'],
    [() => checks.number('ratio', NaN, 0, 1), 'limit: option ratio is NaN: give a number from 0 to 1'],
    [() => checks.oneOf('mode', 'obsrve', ['enforce', 'observe']), "limit: option mode is 'obsrve': give 'enforce' or 'observe'"],
    [() => checks.flag('on', 1), 'limit: option on is 1: give true or false'],
    [() => { checks.optionalFunction('key', 'ip' as never); }, "limit: option key is 'ip': give a function"],
  ])('%# wrong ones are named with value and remedy', (attempt, message) => {
    expect(attempt).toThrow(expect.objectContaining({ message: `${message}. See express-responder/docs/reference/middleware-errors.md#err_middleware_option`, code: 'ERR_MIDDLEWARE_OPTION' }))
    expect(attempt).toThrow(TypeError)
    expect(attempt).toThrow(ExpressResponderError)
  })
  it('a factory given to app.use() without being called says so', async () => {
    const app = express().use(check as never)
    const { text } = await request(app).get('/').expect(500)
    expect(text).toContain('app.use(limit())')
  })
})

describe('problems', () => {
  const server = http.createServer((req, res) => {
    sendProblem(req, res, { status: 503, detail: 'too much', reason: 'limit' }, { 'Retry-After': '2' })
  })
  it('are problem+json with what was given', async () => {
    const response = await request(server).get('/').expect(503)
    expect(response.headers).toMatchObject({ 'content-type': 'application/problem+json', 'retry-after': '2', 'cache-control': 'no-store' })
    expect(JSON.parse(response.text || String(response.body))).toEqual({ title: 'Service Unavailable', status: 503, detail: 'too much', reason: 'limit' })
  })
  it('HEAD gets the head of it', async () => {
    const response = await request(server).head('/').expect(503)
    expect(Number(response.headers['content-length'])).toBeGreaterThan(10)
  })
  it('Retry-After is between once and twice', () => {
    expect([0, 0.5, 0.999].map((random) => retryAfter(2, () => random))).toEqual(['2', '3', '4'])
    expect(retryAfter(0.1, () => 0)).toBe('1')
  })
})
