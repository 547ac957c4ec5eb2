import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Profile } from 'pprof-format'
import { SamplingError, type HeapProfile } from '../../../../middleware/memory/profile/heap-sampler.js'
import { profileRoutes } from '../../../../middleware/memory/routes/profiles.js'
import type { Stack } from '../../../../middleware/memory/profile/stacks.js'
import { TRANSPORTS, type Running } from '../../../contract/support/transports.js'
import { fetchFrom, type HttpRequest, type HttpResponse } from '../../../support/http.js'
import http from 'node:http'
import { parseHeapPage } from '../profile/support/heap-page.js'

const gc = { major: 3, forced: 1, pauseTotalNs: 9, minorPauseTotalNs: 4, pauseNs: [2, 3, 4], pauseEnd: [5, 6, 7], lastGc: 7 }

function stack(names: string, samples: number, bytes: number): Stack {
  return { places: names.split(' ').map((name) => ({ name, url: '/srv/app/visits.js', line: 15, column: 2, at: 0 })), values: [samples, bytes] }
}

/** What the sampler of the tests has to say, one after another; the last one for ever. */
class Source {
  readonly profiles: (Stack[] | Error)[] = []
  taken = 0

  take(): Promise<HeapProfile> {
    const stacks = this.profiles[Math.min(this.taken, this.profiles.length - 1)] ?? []
    this.taken++
    if (stacks instanceof Error) return Promise.reject(stacks)
    const total = stacks.reduce((sum, { values: [, bytes = 0] }) => sum + bytes, 0)
    return Promise.resolve({ time: 1_700_000_000_000 + this.taken * 2000, pauseMs: 12.3, interval: 524_288, total, stacks })
  }
}

describe.each(Object.values(TRANSPORTS))('profiles over $name', (transport) => {
  let source: Source
  let running: Running
  /** One for each request: settled when its handler has ended. */
  let handled: Promise<void>[]

  beforeEach(async () => {
    source = new Source()
    handled = []
    const routes = profileRoutes({ sampler: source, gc: () => gc })
    const listener: RequestListener = (request: IncomingMessage & { body?: unknown }, response: ServerResponse) => {
      const [path = ''] = (request.url ?? '').split('?')
      const route = routes.find((candidate) => path.endsWith(`/${candidate.path}`) && candidate.method === request.method)
      if (request.headers['x-parsed'] !== undefined) request.body = Buffer.from(String(request.headers['x-parsed']))
      const done = Promise.resolve(route?.handle(request, response))
      handled.push(done)
      done.catch((error: unknown) => { response.writeHead(500).end(String(error)) })
    }
    running = await transport.start(listener)
  })

  afterEach(() => running.stop())

  const ask = (path: string, request: HttpRequest = {}): Promise<HttpResponse> => (
    fetchFrom(running.server, { port: running.port, path: `/debug/pprof/${path}`, headers: { Accept: 'application/json' }, ...request })
  )
  const problem = (response: HttpResponse): unknown => {
    expect(response.headers['content-type']).toBe('application/problem+json')
    const { title, ...rest } = JSON.parse(response.body.toString()) as { title: string }
    expect(title.length).toBeGreaterThan(3)
    return rest
  }

  it('heap: profile.proto, gzipped, not to be kept, and announces the collection', async () => {
    source.profiles.push([stack('remember handler', 2, 1_048_600), stack('handler', 1, 524_300)])
    const { status, headers, body } = await ask('heap')
    const profile = Profile.decode(gunzipSync(body))
    expect(status).toBe(200)
    expect(profile.sample.map(({ value }) => value)).toEqual([[2, 1_048_600], [1, 524_300]])
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(body.length),
      'content-disposition': 'attachment; filename="heap.pb.gz"',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'forced-gc': 'true',
    })
    expect(profile.comment.map((index) => profile.stringTable.strings[Number(index)])[0]).toBe('A full garbage collection was forced for this profile.')
  })

  it.each(['heap?debug=1', 'heap?debug=2', 'heap?gc=1&debug=1'])('%s: Go\'s page', async (path) => {
    source.profiles.push([stack('remember handler', 2, 1_048_600)])
    const { status, headers, body } = await ask(path)
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'forced-gc': 'true' })
    const { header, records, stats } = parseHeapPage(body.toString())
    expect(header).toEqual({ samples: 2, bytes: 1_048_600, rate: 2 })
    expect(records[0]?.frames.map(({ name }) => name)).toEqual(['remember', 'handler'])
    expect(stats.get('NumGC')).toBe('3')
  })

  it('symbol: the names of the page\'s addresses, by GET and by POST', async () => {
    source.profiles.push([stack('remember handler', 2, 1_048_600)])
    const addresses = parseHeapPage((await ask('heap?debug=1')).body.toString()).records[0]?.addresses ?? []
    const before = addresses.map((address) => `0x${(Number(address) - 1).toString(16)}`)
    const expected = ['remember (visits.js:15)', 'handler (visits.js:15)']
    const table = (given: string[]): string => ['num_symbols: 1', ...given.map((address, index) => `${address} ${expected[index] ?? ''}`), ''].join('\n')
    const posted = await ask('symbol', { method: 'POST', body: [before.join('+')], headers: { 'Content-Type': 'application/octet-stream' } })
    expect(posted.body.toString()).toBe(table(before))
    expect(posted.headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    expect((await ask(`symbol?${addresses.join('+')}`)).body.toString()).toBe(table(addresses))
    expect((await ask('symbol', { method: 'POST', headers: { 'X-Parsed': before.join('+') } })).body.toString()).toBe(table(before))
    expect(source.taken).toBe(1)
  })

  it('symbol: nothing for what is no address, and a limit', async () => {
    for (const list of ['', '0', '0x0', '+++', 'x', '0xfffffffffffffffffffffffff', '-1', '%00', '1e9', 'NaN']) {
      expect([list, (await ask(`symbol?${list}`)).body.toString()]).toEqual([list, 'num_symbols: 1\n'])
    }
    const long = await ask('symbol', { method: 'POST', body: Array<string>(20).fill('0x1+'.repeat(16_384)) })
    expect(problem(long)).toEqual({ status: 413, detail: 'At most 1048576 bytes of addresses.' })
  })

  it('heap?seconds=1: what has changed, which may be less than nothing', async () => {
    source.profiles.push([stack('remember', 2, 200), stack('f', 9, 900), stack('g', 1, 100)], [stack('remember', 5, 500), stack('f', 9, 900)])
    const { headers, body } = await ask('heap?seconds=1')
    const profile = Profile.decode(gunzipSync(body))
    expect(profile.sample.map(({ value }) => value.map((of) => Number(BigInt.asIntN(64, BigInt(of)))))).toEqual([[3, 300], [-1, -100]])
    expect(BigInt(profile.durationNanos)).toBe(2_000_000_000n)
    expect(headers).toMatchObject({ 'content-disposition': 'attachment; filename="heap-delta.pb.gz"', 'forced-gc': 'true', 'cache-control': 'no-store' })
  })

  it('profile?seconds=1: the processor', async () => {
    const { status, headers, body } = await ask('profile?seconds=1')
    const profile = Profile.decode(gunzipSync(body))
    const text = (index: number | bigint): string | undefined => profile.stringTable.strings[Number(index)]
    expect(status).toBe(200)
    expect(profile.sampleType.map(({ type, unit }) => [text(type), text(unit)])).toEqual([['samples', 'count'], ['cpu', 'nanoseconds']])
    expect([text(profile.periodType?.type ?? 0), Number(profile.period), text(profile.defaultSampleType)]).toEqual(['cpu', 10_000_000, 'cpu'])
    expect(Number(profile.durationNanos)).toBeGreaterThanOrEqual(990_000_000)
    expect(headers).toMatchObject({ 'content-disposition': 'attachment; filename="profile.pb.gz"', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    expect(headers['forced-gc']).toBeUndefined()
    expect(source.taken).toBe(0)
  })

  it.each([
    ['heap?seconds=0', 'seconds=0: give one whole number from 1 to 300.'],
    ['heap?seconds=301', 'seconds=301: give one whole number from 1 to 300.'],
    ['heap?seconds=', 'seconds=: give one whole number from 1 to 300.'],
    ['heap?debug=3', 'debug=3: give one whole number from 0 to 2.'],
    ['heap?debug=true', 'debug=true: give one whole number from 0 to 2.'],
    ['heap?gc=yes', 'gc=yes: give one whole number from 0 to 1.'],
    ['heap?seconds=1&debug=1', 'seconds and debug exclude each other: a difference has no text form.'],
    ['profile?seconds=-1', 'seconds=-1: give one whole number from 1 to 300.'],
    ['profile?seconds=1&seconds=2', 'seconds=1, 2: give one whole number from 1 to 300.'],
  ])('%s is refused before anything is done', async (path, detail) => {
    expect(problem(await ask(path))).toEqual({ status: 400, detail })
    expect(source.taken).toBe(0)
  })

  it.each(['heap?seconds=300', 'profile?seconds=300', 'profile'])('%s ends when the client leaves', async (path) => {
    source.profiles.push([])
    const request = http.request({ host: '127.0.0.1', port: running.port, path: `/debug/pprof/${path}`, agent: false })
    request.on('error', () => undefined)
    const begun = once(running.server, 'request')
    request.end()
    await begun
    request.destroy()
    await Promise.all(handled)
    expect(handled).toHaveLength(1)
    expect(source.taken).toBeLessThanOrEqual(1)
  })

  it('allocs: says why there is none', async () => {
    const response = await ask('allocs')
    expect(problem(response)).toMatchObject({ status: 404, detail: expect.stringMatching(/^V8 cannot tell what was allocated and collected since: /) as unknown })
    expect(response.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  })

  it('cmdline: what the process was started with', async () => {
    const { headers, body } = await ask('cmdline')
    expect(body.toString().split('\0')).toEqual([process.argv0, ...process.execArgv, ...process.argv.slice(1)])
    expect(headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  })

  it('callsites and mark: what holds the heap, and how it has grown', async () => {
    source.profiles.push([stack('remember', 2, 200)], [stack('remember', 2, 200)], [stack('remember', 5, 500)])
    const json = (response: HttpResponse): unknown => {
      expect(response.headers).toMatchObject({ 'content-type': 'application/json', 'forced-gc': 'true', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      return JSON.parse(response.body.toString())
    }
    const site = { name: 'remember', url: '/srv/app/visits.js', line: 15 }
    expect(json(await ask('callsites'))).toEqual({ mark: null, sites: [{ ...site, octets: 200, growth: null }] })
    expect(json(await ask('mark', { method: 'POST' }))).toEqual({ mark: 1_700_000_004_000, sites: [{ ...site, octets: 200, growth: 0 }] })
    expect(json(await ask('callsites'))).toEqual({ mark: 1_700_000_004_000, sites: [{ ...site, octets: 500, growth: 300 }] })
  })

  it('is not available where the heap is not sampled, and hides no other error', async () => {
    source.profiles.push(new SamplingError('the heap is not being sampled'), new RangeError('a mistake'))
    expect(problem(await ask('heap?debug=1'))).toEqual({ status: 503, detail: 'The heap is not being sampled.' })
    expect((await ask('callsites')).body.toString()).toBe('RangeError: a mistake')
    await expect(Promise.all(handled)).rejects.toThrow('a mistake')
  })
})

it('the routes, which of them are expensive, and which force a collection', () => {
  const routes = profileRoutes({ sampler: new Source(), gc: () => gc })
    .map(({ method, path, expensive, forces = false }) => `${method} ${path}${expensive ? ', expensive' : ''}${forces ? ', forces' : ''}`)
  expect(routes).toEqual([
    'GET heap, expensive, forces', 'GET profile, expensive', 'GET allocs', 'GET cmdline', 'GET callsites, expensive, forces', 'POST mark, expensive, forces',
    'GET symbol', 'POST symbol',
  ])
})
