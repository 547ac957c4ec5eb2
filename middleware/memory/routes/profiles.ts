/** The paths of Go's net/http/pprof that V8 has an honest answer for, and the call sites of the page. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { sendProblem } from '../../shared/problem.js'
import { hasLeft, isAnswered } from '../../shared/request-lifetime.js'
import { costsOf, spanText } from '../costs.js'
import { CallSiteTable } from '../profile/call-sites.js'
import { CPU_INTERVAL, takeCpuProfile } from '../profile/cpu-sampler.js'
import { HeapProfileCache, type RecentProfile } from '../profile/heap-profile-cache.js'
import type { HeapProfile } from '../profile/heap-sampler.js'
import { heapText } from '../profile/heap-text.js'
import { encodePprof, type PprofInput } from '../profile/pprof.js'
import type { ProfileTools } from '../process-monitor.js'
import { SourceMaps } from '../profile/source-maps.js'
import { difference, type Stack } from '../profile/stacks.js'
import { SymbolTable } from '../profile/symbols.js'
import type { Handle, Route } from '../route.js'
import { memStats } from '../sampling/mem-stats.js'
import { ParameterError, rawQuery, wholeParameter } from './query.js'
import { announceForcedCollection, handleFailures, untilClientLeaves, whileConnected } from './profile-responses.js'
import { type ContentDescription, JSON_TYPE, send, sendHead, sendJson, sendPprofProblem } from './responses.js'

/** What the profile routes may wait for, and share. */
export interface ProfileOptions {
  /** The endpoint is closed, and what takes long is given up. Default: never. */
  closing?: AbortSignal
  /** ms for which the last heap profile is sent to those who ask again. Default: 0. */
  sharing?: number
}

/** Seconds that a profile may take; Go's default for the processor. */
const SECONDS = { least: 1, most: 300 }
const DEFAULT_SECONDS = 30

const TEXT = { type: 'text/plain; charset=utf-8' }
const HEAP_TYPES = [{ type: 'samples', unit: 'count' }, { type: 'inuse_space', unit: 'bytes' }]
const CPU_TYPES = [{ type: 'samples', unit: 'count' }, { type: 'cpu', unit: 'nanoseconds' }]
/** pprof prints them above what it shows. */
const HEAP_COMMENTS = [
  'A full garbage collection was forced for this profile.',
  'inuse_space is an estimate by V8, from samples; samples are no objects.',
  'Lines are those where functions begin; what was inlined counts for its caller.',
]
const DIFFERENCE_COMMENT = 'A difference: what is alive at the end, less what was alive at the start. Where more was freed than allocated it is negative.'
const CPU_COMMENTS = [
  'The thread that runs JavaScript, without the time in which it had nothing to do.',
  'Lines are those that were running in the innermost functions, and those where the others begin.',
]

const NO_ALLOCS = 'V8 cannot tell what was allocated and collected since: it has one sampling profiler for a process, which remembers '
  + 'either what is alive or everything that ever was, and heap needs what is alive. Ask for heap, which has inuse_space: in Parca '
  + 'and Grafana Alloy give the profile "memory" the path of heap in place of that of allocs, and turn block, goroutine and mutex off. '
  + 'TotalAlloc in heap?debug=1 is the sum, from Node 26 on.'

const NEVER = new AbortController().signal
/** ms that a collection and the answer made of it take, where others wait: somewhat more than is likely. */
const READING = 500

/** The routes of heap, allocations, processor and call sites. */
export function profileRoutes(tools: ProfileTools, { closing = NEVER, sharing = 0 }: ProfileOptions = {}): Route[] {
  const { maps = new SourceMaps() } = tools
  const sampler = tools.sampler instanceof HeapProfileCache ? tools.sampler : new HeapProfileCache(tools.sampler)
  sampler.keep(sharing)
  const symbols = new SymbolTable()
  const sites = new CallSiteTable(sampler, maps)
  const all = { ...tools, sampler, maps, symbols, closing, sharing }
  const scrape = { expensive: true, forces: true, lasts: () => costsOf(getHeapStatistics().used_heap_size).collection[1] + READING }
  const routes: Route[] = [
    {
      ...scrape, method: 'GET', path: 'heap', pprof: true, head: headOf(heapParameters), handle: (request, response) => heap(request, response, all),
      recent: (request, response) => recentHeap(request, response, all),
      lasts: (request) => scrape.lasts() + secondsOf(request, 0) * 1000,
    },
    {
      method: 'GET', path: 'profile', pprof: true, expensive: true, head: headOf(processorParameters), handle: (request, response) => processor(request, response, maps, closing),
      stalls: { kind: 'profile', from: 'start' }, lasts: (request) => secondsOf(request, DEFAULT_SECONDS) * 1000,
    },
    { method: 'GET', path: 'allocs', pprof: true, expensive: false, handle: (request, response) => { sendPprofProblem(request, response, { status: 404, detail: NO_ALLOCS }) } },
    { method: 'GET', path: 'cmdline', pprof: true, expensive: false, handle: (_request, response) => { send(response, TEXT, commandLine()) } },
    {
      ...scrape, method: 'GET', path: 'callsites', head: headOf(() => ({ answer: JSON_TYPE })),
      handle: async (_request, response) => { sendSites(response, await sites.sites()) },
      recent: (request, response) => recentSites(request, response, sites, sampler.recent(sharing)),
    },
    { ...scrape, method: 'POST', path: 'mark', handle: async (_request, response) => { sendSites(response, await sites.mark()) } },
    ...symbolRoutes(symbols),
  ]
  return routes.map(withAnswers)
}

/** What a request asks for, where it is right; what is wrong is told by who reads it. */
function secondsOf(request: IncomingMessage, otherwise: number): number {
  try {
    return wholeParameter(request, 'seconds', SECONDS) ?? otherwise
  } catch {
    return 0
  }
}

function withAnswers(route: Route): Route {
  const { head, handle, recent, pprof = false } = route
  const told = (given: Handle): Handle => handleFailures(given, pprof ? sendPprofProblem : sendProblem)
  return {
    ...route,
    handle: told(handle),
    ...head === undefined ? {} : { head: told(head) },
    ...recent === undefined ? {} : {
      recent: async (request, response) => {
        await told(async () => { await recent(request, response) })(request, response)
        return isAnswered(response)
      },
    },
  }
}

type HeapTools = Required<ProfileTools> & Required<ProfileOptions> & { sampler: HeapProfileCache; symbols: SymbolTable }

interface HeapParameters {
  /** For a difference; undefined: what is alive now. */
  seconds: number | undefined
  debug: number
  answer: ContentDescription
}

/**
 * What a request for the heap asks for.
 *
 * @throws ParameterError
 */
function heapParameters(request: IncomingMessage): HeapParameters {
  const seconds = wholeParameter(request, 'seconds', SECONDS)
  const debug = wholeParameter(request, 'debug', { least: 0, most: 2 }) ?? 0
  // As Go has it; here a collection is forced in any case.
  wholeParameter(request, 'gc', { least: 0, most: 1 })
  if (seconds !== undefined && debug > 0) {
    throw new ParameterError('seconds and debug exclude each other: a difference has no text form.')
  }
  if (seconds !== undefined) return { seconds, debug, answer: attachment('heap-delta') }
  return { seconds, debug, answer: debug > 0 ? TEXT : attachment('heap') }
}

async function heap(request: IncomingMessage, response: ServerResponse, tools: HeapTools): Promise<void> {
  const { seconds, debug, answer } = heapParameters(request)
  let body: string | Buffer | undefined
  if (seconds !== undefined) body = await heapDifference(request, response, tools, seconds)
  else if (debug > 0) body = await heapAsText(tools)
  else {
    const profile = await tools.sampler.take()
    body = await encodeHeap(profile, profile.stacks, tools.maps)
  }
  if (body === undefined) return
  announceForcedCollection(response)
  send(response, answer, body)
}

/** With the profile that was taken last, if it is recent; for a difference there is none. */
async function recentHeap(request: IncomingMessage, response: ServerResponse, tools: HeapTools): Promise<boolean> {
  const { seconds, debug, answer } = heapParameters(request)
  const recent = seconds === undefined ? tools.sampler.recent(tools.sharing) : undefined
  if (recent === undefined) return false
  response.setHeader('Age', String(recent.age))
  if (request.method === 'HEAD') sendHead(response, answer)
  else send(response, answer, debug > 0 ? await heapAsText(tools, recent) : await encodeHeap(recent.profile, recent.profile.stacks, tools.maps, { age: recent.age }))
  return true
}

async function recentSites(request: IncomingMessage, response: ServerResponse, table: CallSiteTable, recent: RecentProfile | undefined): Promise<boolean> {
  const sites = recent === undefined ? undefined : await table.recent(recent.profile)
  if (recent === undefined || sites === undefined) return false
  response.setHeader('Age', String(recent.age))
  if (request.method === 'HEAD') sendHead(response, JSON_TYPE)
  else sendJson(response, { ...sites, age: recent.age })
  return true
}

async function heapAsText({ sampler, gc, maps, symbols }: HeapTools, recent?: RecentProfile): Promise<string> {
  const before = { stats: memStats(gc()), rss: process.memoryUsage.rss() }
  const { stacks, pauseMs, interval } = recent?.profile ?? await sampler.take()
  const liveHeap = recent?.liveHeap ?? getHeapStatistics().used_heap_size
  return heapText({ stacks: await maps.resolve(stacks), symbols, before, liveHeap, pauseMs, interval, age: recent?.age })
}

/** Undefined where the client has left. */
async function heapDifference(request: IncomingMessage, response: ServerResponse, { sampler, maps, closing }: HeapTools, seconds: number): Promise<Buffer | undefined> {
  const profiles = await untilClientLeaves(request, response, closing, async (signal) => {
    const then = await sampler.take()
    await delay(seconds * 1000, undefined, { signal, ref: false })
    return { then, now: await sampler.take() }
  })
  if (profiles === undefined) return undefined
  const { then, now } = profiles
  return encodeHeap(now, difference(then.stacks, now.stacks), maps, { duration: now.time - then.time })
}

interface Taken {
  /** ms, of a difference. */
  duration?: number
  /** Seconds since it was taken, for somebody else. */
  age?: number
}

async function encodeHeap({ time, interval }: HeapProfile, stacks: readonly Stack[], maps: SourceMaps, { duration, age }: Taken = {}): Promise<Buffer> {
  const input: PprofInput = {
    stacks: await maps.resolve(stacks),
    types: HEAP_TYPES,
    period: { type: 'space', unit: 'bytes', value: interval },
    time,
    comments: [...(age === undefined ? [] : [sharedComment(age)]), ...(duration === undefined ? [] : [DIFFERENCE_COMMENT]), ...HEAP_COMMENTS],
  }
  return encodePprof(duration === undefined ? input : { ...input, duration })
}

function sharedComment(age: number): string {
  return `Taken ${String(age)} s before it was sent, for another request: a new one so soon would have held the app up again.`
}

/**
 * What a request for the processor asks for.
 *
 * @throws ParameterError
 */
function processorParameters(request: IncomingMessage): { seconds: number; answer: ContentDescription } {
  return { seconds: wholeParameter(request, 'seconds', SECONDS) ?? DEFAULT_SECONDS, answer: attachment('profile') }
}

async function processor(request: IncomingMessage, response: ServerResponse, maps: SourceMaps, closing: AbortSignal): Promise<void> {
  const { seconds, answer } = processorParameters(request)
  const profile = await untilClientLeaves(request, response, closing, (signal) => takeCpuProfile(seconds * 1000, signal))
  if (profile === undefined) return
  const { stacks, time, duration, stallMs } = profile
  send(response, answer, await encodePprof({
    stacks: await maps.resolve(stacks),
    types: CPU_TYPES,
    period: { type: 'cpu', unit: 'nanoseconds', value: CPU_INTERVAL * 1000 },
    time,
    duration,
    comments: [...CPU_COMMENTS, `Its start held everything up for ${stallMs.toFixed(0)} ms; with a heap of this size ${spanText(costsOf(getHeapStatistics().used_heap_size).profile)} are to be expected.`],
  }))
}

/** Reads the parameters, which may be wrong, and does nothing. */
function headOf(parameters: (request: IncomingMessage) => { answer: ContentDescription }): Handle {
  return (request, response) => { sendHead(response, parameters(request).answer) }
}

function attachment(name: string): ContentDescription {
  return { type: 'application/octet-stream', file: `${name}.pb.gz` }
}

function sendSites(response: ServerResponse, sites: object): void {
  announceForcedCollection(response)
  sendJson(response, sites)
}

/** As Go's: what the process was started with, by NUL. */
function commandLine(): string {
  return [process.argv0, ...process.execArgv, ...process.argv.slice(1)].join('\0')
}

/* `/symbol`, as Go's pprof.Symbol: which functions are at these addresses? */

/** Bytes of a list of addresses: some 60,000 of them. */
const MOST_BODY = 1024 * 1024

/** The routes by which `go tool pprof` finds names for addresses. */
export function symbolRoutes(symbols: SymbolTable): Route[] {
  return [
    { method: 'GET', path: 'symbol', pprof: true, expensive: false, handle: (request, response) => { answer(response, rawQuery(request.url ?? ''), symbols) } },
    { method: 'POST', path: 'symbol', pprof: true, expensive: false, handle: (request, response) => post(request, response, symbols) },
  ]
}

async function post(request: IncomingMessage, response: ServerResponse, symbols: SymbolTable): Promise<void> {
  const list = await whileConnected(request, response, () => bodyOf(request))
  if (hasLeft(request, response)) return
  if (list === undefined) sendPprofProblem(request, response, { status: 413, detail: `At most ${String(MOST_BODY)} bytes of addresses.` })
  else answer(response, list, symbols)
}

/** pprof wants a number of symbols that is not 0, and else takes the names that are there. */
function answer(response: ServerResponse, list: string, symbols: SymbolTable): void {
  const lines = ['num_symbols: 1']
  for (const word of list.split('+')) {
    const address = /^\s*(?:0x[0-9a-f]{1,13}|\d{1,15})\s*$/i.test(word) ? Number(word) : NaN
    const name = symbols.nameAt(address)
    if (name !== undefined) lines.push(`0x${address.toString(16)} ${name}`)
  }
  send(response, { type: 'text/plain; charset=utf-8' }, `${lines.join('\n')}\n`)
}

/** Undefined where it is too long; it is then read all the same, so that the client gets to the answer. */
async function bodyOf(request: IncomingMessage & { body?: unknown }): Promise<string | undefined> {
  // A body parser of the app's may have been there before.
  if (typeof request.body === 'string' || Buffer.isBuffer(request.body)) {
    return request.body.length <= MOST_BODY ? request.body.toString() : undefined
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= MOST_BODY) chunks.push(chunk)
  }
  return length <= MOST_BODY ? Buffer.concat(chunks).toString('latin1') : undefined
}
