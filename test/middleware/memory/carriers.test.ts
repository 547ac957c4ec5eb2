/** What an app and its visitors see of memoryStats(), on everything that it may run on. */
import type http from 'node:http'
import { describe, expect, it } from '@jest/globals'
import type { SettleReport } from '../../../middleware/memory.js'
import type { Columns } from '../../../middleware/memory/sampling/history.js'
import { CARRIERS, type Answer } from './memory-server.js'
import { start, problem, JSON_ONLY, PROTECTED } from './support.js'

/** The event of a collection that was asked for. */
const FORCED = /^event: gc\ndata: (.*"forced":true.*)$/m

describe.each(CARRIERS)('%s', (carrier) => {
  it('memstats: Go\'s names and V8\'s, as JSON', async () => {
    const server = await start(carrier)
    const { status, headers, body } = await server.get('memstats')
    expect(status).toBe(200)
    expect(headers).toMatchObject({ ...PROTECTED, 'content-type': 'application/json', 'cross-origin-resource-policy': 'same-origin' })
    const { process: { pid }, memStats, v8, memoryUsage, spaces } = JSON.parse(body) as Record<string, Record<string, number>> & { process: { pid: number }; spaces: { name: string }[] }
    expect(pid).toBe(process.pid)
    expect([memStats?.['HeapSys'], memStats?.['HeapAlloc']]).toEqual([v8?.['total_heap_size'], v8?.['used_heap_size']])
    expect(memoryUsage?.['rss']).toBeGreaterThan(10_000_000)
    expect(spaces.map(({ name }) => name)).toEqual(expect.arrayContaining(['new_space', 'old_space']))
  })

  it('metrics: text for Prometheus, with nothing to be set up', async () => {
    const server = await start(carrier)
    const { status, headers, body } = await server.get('metrics')
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    expect(headers).toMatchObject(PROTECTED)
    expect(body).toMatch(/^express_responder_resident_memory_bytes \d{8,}$/m)
    expect(body).toMatch(/^express_responder_gc_collections_total\{kind="major"\} \d+$/m)
    expect(body).toMatch(/^express_responder_memory_verdict\{state="warming"\} 1$/m)
    expect(body).toMatch(/^express_responder_heap_space_used_bytes\{space="old_space"\} \d+$/m)
  })

  it('history: columns of equal length, and what the page needs besides', async () => {
    const server = await start(carrier, { worker: 'three', gc: true })
    const { body } = await server.get('history')
    const { process: info, limits, fine, coarse, verdict, settle, allowed, gc } = JSON.parse(body) as {
      process: { worker: string; node: string }; limits: { heap: number }; fine: Columns; coarse: Columns
      verdict: { state: string; since: number }; settle: null; allowed: object; gc: Record<string, unknown[]>
    }
    expect(info).toMatchObject({ worker: 'three', node: process.version })
    expect(limits.heap).toBeGreaterThan(100_000_000)
    for (const columns of [fine, coarse]) expect(new Set(Object.values(columns).map(({ length }) => length)).size).toBe(1)
    expect(Object.keys(gc)).toEqual(['time', 'durationMs', 'forced'])
    expect(verdict.state).toBe('warming')
    expect(Math.abs(verdict.since - Date.now())).toBeLessThan(3_600_000)
    expect([settle, allowed]).toEqual([null, { gc: true, snapshot: false, profiles: true }])
  })

  it('events: tells of what happens, and ends with the endpoint', async () => {
    const server = await start(carrier, { gc: true })
    const { request: watching, answer } = server.request('GET', 'events')
    const seen: string[] = []
    const [, told] = await new Promise<[http.IncomingHttpHeaders, string]>((resolve) => {
      watching.on('response', (response) => {
        expect(response.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store, no-transform', 'x-accel-buffering': 'no' })
        response.on('data', (piece: string) => {
          if (seen.length === 0) void server.post('gc')
          seen.push(piece)
          const text = seen.join('')
          // V8 may collect by itself before the collection that is asked for.
          if (FORCED.test(text) && /^event: sample$/m.test(text)) resolve([response.headers, text])
        })
      })
    })
    const dataIn = (event: RegExp): Record<string, unknown> => JSON.parse(event.exec(told)?.[1] ?? '') as Record<string, unknown>
    expect(dataIn(FORCED)).toMatchObject({ pid: process.pid, forced: true })
    const sample = dataIn(/^event: sample\ndata: (.*)$/m)
    expect(sample).toMatchObject({ pid: process.pid, inFlight: 0 })
    expect(sample['rss']).toBeGreaterThan(10_000_000)
    expect(sample['spaces']).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'old_space' })]))
    server.stats.close()
    await answer
  })

  it('POST settle and POST gc: what was forced is announced, in head and body', async () => {
    const reports: SettleReport[] = []
    const server = await start(carrier, { gc: true, onSettle: (report) => { reports.push(report) } })
    const settled = await server.post('settle')
    expect(settled.status).toBe(200)
    expect(settled.headers).toMatchObject({ ...PROTECTED, 'forced-gc': 'true' })
    expect(reports).toEqual([JSON.parse(settled.body)])
    const collected = await server.post('gc')
    expect(collected.headers).toMatchObject({ ...PROTECTED, 'forced-gc': 'true' })
    expect((JSON.parse(collected.body) as { sentence: string }).sentence).toMatch(/^A collection was forced; it took [\d.]+ ms/)
    const { settle, gc } = JSON.parse((await server.get('history')).body) as { settle: object; gc: { forced: boolean[] } }
    expect(settle).toEqual(reports[0])
    expect(gc.forced.filter(Boolean).length).toBeGreaterThanOrEqual(2)
  })

  it('gc and snapshot are off by default', async () => {
    const server = await start(carrier)
    expect(problem(await server.post('gc'))).toMatchObject({ status: 403, detail: 'POST gc is off: memoryStats({ gc: true }) turns it on.' })
    expect(problem(await server.post('snapshot'))).toMatchObject({ status: 403 })
  })

  it('what is not there is a 404, another method a 405 with Allow, HEAD a GET without its body', async () => {
    const server = await start(carrier)
    expect(problem(await server.get('nothing', JSON_ONLY))).toMatchObject({ status: 404, detail: expect.stringContaining('memstats, metrics') })
    const wrong = await server.request('DELETE', 'memstats').answer
    expect(problem(wrong)).toMatchObject({ status: 405 })
    expect(wrong.headers).toMatchObject({ ...PROTECTED, allow: 'GET, HEAD' })
    expect((await server.get('settle')).headers.allow).toBe('POST')
    const head = await server.request('HEAD', 'memstats').answer
    expect([head.status, head.body, head.headers['content-type']]).toEqual([200, '', 'application/json'])
    expect(Number(head.headers['content-length'])).toBeGreaterThan(1000)
    expect((await server.request('HEAD', 'events').answer).headers['content-type']).toBe('text/event-stream')
  })

  it.each([
    'heap', 'heap?debug=1', 'heap?seconds=1', 'heap?seconds=0', 'profile?seconds=1', 'profile?seconds=none', 'callsites', 'allocs',
    'cmdline', 'symbol?0x1', 'memstats', 'metrics', 'history', '', 'page.js', 'nothing', 'settle',
  ])('HEAD of "%s" says what GET does, and forces nothing', async (path) => {
    const server = await start(carrier, { scrapeInterval: 0 })
    const head = await server.request('HEAD', path).answer
    const get = await server.get(path)
    const said = ({ status, headers }: Answer): unknown[] => [status, ...['content-type', 'content-disposition', 'allow', ...Object.keys(PROTECTED), 'cross-origin-resource-policy'].map((name) => headers[name])]
    expect(said(head)).toEqual(said(get))
    expect([head.body, head.headers['forced-gc']]).toEqual(['', undefined])
    expect(head.headers['content-length']).not.toBe('0')
  })

  it('requests of the whole app count, those to the endpoint do not', async () => {
    let release: () => void = () => undefined
    let entered: () => void = () => undefined
    const inside = new Promise<void>((resolve) => { entered = resolve })
    const server = await start(carrier, {}, (_request, response) => {
      release = () => { response.end('late') }
      entered()
    })
    const read = async (): Promise<[number, number]> => {
      const { body } = await server.get('metrics')
      const figure = (name: string): number => Number(new RegExp(`^express_responder_requests_${name} (\\d+)$`, 'm').exec(body)?.[1])
      return [figure('in_flight'), figure('total')]
    }
    const [open, over] = await read()
    const { answer } = server.request('GET', '', {}, '/elsewhere')
    await inside
    expect(await read()).toEqual([open + 1, over])
    release()
    await answer
    expect(await read()).toEqual([open, over + 1])
    expect(await read()).toEqual([open, over + 1])
  })
})
