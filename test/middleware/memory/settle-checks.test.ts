/** Settle checks: one at a time, and on request. */
import http from 'node:http'
import { describe, expect, it } from '@jest/globals'
import request from 'supertest'
import { settleHandlerOf } from '../../../middleware/memory/routes/actions.js'
import { SettleChecks, type SettleReport } from '../../../middleware/memory/settle-check.js'

/** Forces no real collections. */
function checksWith(wait = 0): { checks: SettleChecks; collected: () => number; reports: SettleReport[] } {
  let count = 0
  const reports: SettleReport[] = []
  const collect = (): Promise<void> => { count++; return Promise.resolve() }
  return { checks: new SettleChecks({ collect, wait }, (report) => { reports.push(report) }), collected: () => count, reports }
}

describe('settle checks', () => {
  it('the last report is remembered, and told of', async () => {
    const { checks, collected, reports } = checksWith()
    expect(checks.last).toBeUndefined()
    const report = await checks.run('load-drop')
    expect(report.trigger).toBe('load-drop')
    expect([reports, checks.last, collected()]).toEqual([[report], report, 1])
  })

  it('two at the same time share one collection, and a later one has its own', async () => {
    const { checks, collected } = checksWith(50)
    const [one, other] = await Promise.all([checks.run('request'), checks.run('request')])
    expect(other).toBe(one)
    expect(collected()).toBe(1)
    expect(await checks.run('request')).not.toBe(one)
    expect(collected()).toBe(2)
  })
})

describe('POST /settle', () => {
  const serverFor = (checks: SettleChecks): http.Server => {
    const handler = settleHandlerOf(checks)
    return http.createServer((incoming, response) => { void handler(incoming, response) })
  }

  it('answers with the parts of RSS as JSON', async () => {
    const { checks, collected } = checksWith()
    const { headers, text } = await request(serverFor(checks)).post('/settle').expect(200)
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    const report = JSON.parse(text) as SettleReport
    expect(report.trigger).toBe('request')
    expect(report.collectionMs).toBeGreaterThanOrEqual(0)
    expect(report.sentence).toContain('RSS is')
    expect(report.explained.map(({ part }) => part).sort()).toEqual(expect.arrayContaining(['allocator', 'external', 'freePages', 'liveHeap']))
    expect(collected()).toBe(1)
  })

  it.each([['?format=text', '*/*'], ['', 'text/plain']])('as text for "%s" and Accept: %s', async (query, accept) => {
    const { checks } = checksWith()
    const { text, headers } = await request(serverFor(checks)).post(`/settle${query}`).set('Accept', accept).expect(200)
    expect(headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(text).toMatch(/^A collection was forced on request; it took [\d.]+ ms\.\nThe collection freed /)
  })

  it('GET forces nothing', async () => {
    const { checks, collected } = checksWith()
    const { headers } = await request(serverFor(checks)).get('/settle').expect(405)
    expect(headers['allow']).toBe('POST')
    expect(collected()).toBe(0)
  })
})
