import http from 'node:http'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import request from 'supertest'
import { settleHandlerOf } from '../../../middleware/memory/routes/actions.js'
import type { SettleReport } from '../../../middleware/memory/settle-check.js'
import type { Verdict } from '../../../middleware/memory/leak-detector/verdict.js'
import { MemoryWatch, type MemoryWatchOptions } from '../../../middleware/memory/process-monitor.js'

const MB = 1_000_000
const MINUTE = 60_000

/** Forces no real collections. */
function watchWith(options: Partial<MemoryWatchOptions> = {}): { watch: MemoryWatch; collected: () => number } {
  let count = 0
  const collect = (): Promise<void> => { count++; return Promise.resolve() }
  return { watch: new MemoryWatch({ settleWait: 0, collect, ...options }), collected: () => count }
}

function live(watch: MemoryWatch, minutes: readonly [from: number, to: number], at: (minute: number) => { live?: number; rate?: number }): void {
  for (let minute = minutes[0]; minute < minutes[1]; minute++) {
    const { live: heap = 30 * MB, rate = 40 } = at(minute)
    const time = minute * MINUTE
    watch.collection({ time, live: heap, external: MB })
    watch.sample({ time, rss: heap + 60 * MB, heapTotal: heap + 10 * MB, external: MB, requestsPerSecond: rate, inFlight: 2, heapLimit: 2000 * MB })
  }
}

afterEach(() => { jest.restoreAllMocks() })

describe('the watch', () => {
  it('calls back when the verdict changes, with the new one and the one before', () => {
    const changes: [Verdict, Verdict][] = []
    const { watch } = watchWith({ onVerdict: (...change) => changes.push(change) })
    live(watch, [0, 120], (minute) => ({ live: 30 * MB + minute * MB / 4 }))
    expect(changes.map(([now, before]) => `${before.state} → ${now.state}`)).toEqual(['warming → growing', 'growing → leak-suspected'])
    expect(watch.verdict.current).toEqual(changes.at(-1)?.[0] && { ...watch.verdict.current, state: 'leak-suspected' })
  })

  it('a callback that throws becomes a warning, and the watch goes on', () => {
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    const { watch } = watchWith({ onVerdict: () => { throw new Error('of the app') } })
    live(watch, [0, 120], (minute) => ({ live: 30 * MB + minute * MB / 4 }))
    expect(watch.verdict.current.state).toBe('leak-suspected')
    expect(warn).toHaveBeenCalledTimes(2)
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('of the app'), { code: 'ERR_MEMORY_STATS_LISTENER' })
  })

  it('remembers the last settle check, and calls back with its report', async () => {
    const reports: SettleReport[] = []
    const { watch, collected } = watchWith({ onSettle: (report) => { reports.push(report) } })
    expect(watch.lastSettle).toBeUndefined()
    const report = await watch.settle('load-drop')
    expect(report.trigger).toBe('load-drop')
    expect([reports, watch.lastSettle, collected()]).toEqual([[report], report, 1])
  })
})

describe('POST /settle', () => {
  const serverFor = (watch: MemoryWatch): http.Server => {
    const handler = settleHandlerOf(watch)
    return http.createServer((incoming, response) => { void handler(incoming, response) })
  }

  it('answers with the parts of RSS as JSON', async () => {
    const { watch, collected } = watchWith()
    const { headers, text } = await request(serverFor(watch)).post('/settle').expect(200)
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    const report = JSON.parse(text) as SettleReport
    expect(report.trigger).toBe('request')
    expect(report.collectionMs).toBeGreaterThanOrEqual(0)
    expect(report.sentence).toContain('RSS is')
    expect(report.explained.map(({ part }) => part).sort()).toEqual(expect.arrayContaining(['allocator', 'external', 'freePages', 'liveHeap']))
    expect(collected()).toBe(1)
  })

  it.each([['?format=text', '*/*'], ['', 'text/plain']])('as text for "%s" and Accept: %s', async (query, accept) => {
    const { watch } = watchWith()
    const { text, headers } = await request(serverFor(watch)).post(`/settle${query}`).set('Accept', accept).expect(200)
    expect(headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(text).toMatch(/^A collection was forced on request; it took [\d.]+ ms\.\nThe collection freed /)
  })

  it('GET forces nothing', async () => {
    const { watch, collected } = watchWith()
    const { headers } = await request(serverFor(watch)).get('/settle').expect(405)
    expect(headers['allow']).toBe('POST')
    expect(collected()).toBe(0)
  })

  it('two at the same time share one collection', async () => {
    const { watch, collected } = watchWith({ settleWait: 50 })
    const [one, other] = await Promise.all([watch.settle('request'), watch.settle('request')])
    expect(other).toBe(one)
    expect(collected()).toBe(1)
  })
})
