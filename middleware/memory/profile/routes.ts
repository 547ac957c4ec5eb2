/** The paths of Go's net/http/pprof that V8 has an honest answer for, and the call sites of the page. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { sendProblem } from '../../shared/problem.js'
import { memStats, type CollectionCounts } from '../mem-stats.js'
import { sendPprofProblem } from '../pprof-problem.js'
import type { Handle, Route } from '../route.js'
import { JSON_TYPE, send, sendHead, sendJson, type Answer } from '../routes/send.js'
import { announceCollection, answering, whileWanted } from './answers.js'
import { CallSiteTable } from './call-sites.js'
import { CPU_INTERVAL, takeCpuProfile } from './cpu-sampler.js'
import type { HeapProfile, HeapSource } from './heap-sampler.js'
import { heapText } from './heap-text.js'
import { ParameterError, wholeParameter } from './parameters.js'
import { encodePprof, type PprofInput } from './pprof.js'
import { SourceMaps } from './source-maps.js'
import { difference, type Stack } from './stacks.js'
import { symbolRoutes } from './symbol-routes.js'
import { SymbolTable } from './symbols.js'

export interface ProfileTools {
  /** Of the live heap; started. */
  sampler: HeapSource
  /** What memStats() needs to know of the collections. */
  gc: () => CollectionCounts
  /** Where functions are in their author's files. Default: new ones. */
  maps?: SourceMaps
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
const CPU_COMMENTS = [
  'The thread that runs JavaScript, without the time in which it had nothing to do.',
  'Lines are those that were running in the innermost functions, and those where the others begin.',
]

const NO_ALLOCS = 'V8 cannot tell what was allocated and collected since: it has one sampling profiler for a process, which remembers '
  + 'either what is alive or everything that ever was, and heap needs what is alive. TotalAlloc in heap?debug=1 is the sum, from Node 26 on.'

/** `closing`: the endpoint is closed, and what takes long is given up. Default: never. */
export function profileRoutes(tools: ProfileTools, closing: AbortSignal = new AbortController().signal): Route[] {
  const { sampler, maps = new SourceMaps() } = tools
  const symbols = new SymbolTable()
  const sites = new CallSiteTable(sampler, maps)
  const routes: Route[] = [
    { method: 'GET', path: 'heap', pprof: true, expensive: true, forces: true, head: headOf(heapParameters), handle: (request, response) => heap(request, response, { ...tools, maps, symbols, closing }) },
    { method: 'GET', path: 'profile', pprof: true, expensive: true, head: headOf(processorParameters), handle: (request, response) => processor(request, response, maps, closing) },
    { method: 'GET', path: 'allocs', pprof: true, expensive: false, handle: (request, response) => { sendPprofProblem(request, response, { status: 404, detail: NO_ALLOCS }) } },
    { method: 'GET', path: 'cmdline', pprof: true, expensive: false, handle: (_request, response) => { send(response, TEXT, commandLine()) } },
    { method: 'GET', path: 'callsites', expensive: true, forces: true, head: headOf(() => ({ answer: JSON_TYPE })), handle: async (_request, response) => { sendSites(response, await sites.sites()) } },
    { method: 'POST', path: 'mark', expensive: true, forces: true, handle: async (_request, response) => { sendSites(response, await sites.mark()) } },
    ...symbolRoutes(symbols),
  ]
  return routes.map(withAnswers)
}

function withAnswers(route: Route): Route {
  const { head, handle, pprof = false } = route
  const told = (given: Handle): Handle => answering(given, pprof ? sendPprofProblem : sendProblem)
  return { ...route, handle: told(handle), ...head === undefined ? {} : { head: told(head) } }
}

type HeapTools = Required<ProfileTools> & { symbols: SymbolTable; closing: AbortSignal }

interface HeapParameters {
  /** For a difference; undefined: what is alive now. */
  seconds: number | undefined
  debug: number
  answer: Answer
}

/** @throws ParameterError */
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
  announceCollection(response)
  send(response, answer, body)
}

async function heapAsText({ sampler, gc, maps, symbols }: HeapTools): Promise<string> {
  const before = { stats: memStats(gc()), rss: process.memoryUsage.rss() }
  const { stacks, pauseMs, interval } = await sampler.take()
  const liveHeap = getHeapStatistics().used_heap_size
  return heapText({ stacks: await maps.resolve(stacks), symbols, before, liveHeap, pauseMs, interval })
}

/** Undefined where the client has left. */
async function heapDifference(request: IncomingMessage, response: ServerResponse, { sampler, maps, closing }: HeapTools, seconds: number): Promise<Buffer | undefined> {
  const profiles = await whileWanted(request, response, closing, async (signal) => {
    const then = await sampler.take()
    await delay(seconds * 1000, undefined, { signal, ref: false })
    return { then, now: await sampler.take() }
  })
  if (profiles === undefined) return undefined
  const { then, now } = profiles
  return encodeHeap(now, difference(then.stacks, now.stacks), maps, now.time - then.time)
}

async function encodeHeap({ time, interval }: HeapProfile, stacks: readonly Stack[], maps: SourceMaps, duration?: number): Promise<Buffer> {
  const input: PprofInput = {
    stacks: await maps.resolve(stacks),
    types: HEAP_TYPES,
    period: { type: 'space', unit: 'bytes', value: interval },
    time,
    comments: HEAP_COMMENTS,
  }
  return encodePprof(duration === undefined ? input : { ...input, duration })
}

/** @throws ParameterError */
function processorParameters(request: IncomingMessage): { seconds: number; answer: Answer } {
  return { seconds: wholeParameter(request, 'seconds', SECONDS) ?? DEFAULT_SECONDS, answer: attachment('profile') }
}

async function processor(request: IncomingMessage, response: ServerResponse, maps: SourceMaps, closing: AbortSignal): Promise<void> {
  const { seconds, answer } = processorParameters(request)
  const profile = await whileWanted(request, response, closing, (signal) => takeCpuProfile(seconds * 1000, signal))
  if (profile === undefined) return
  const { stacks, time, duration } = profile
  send(response, answer, await encodePprof({
    stacks: await maps.resolve(stacks),
    types: CPU_TYPES,
    period: { type: 'cpu', unit: 'nanoseconds', value: CPU_INTERVAL * 1000 },
    time,
    duration,
    comments: CPU_COMMENTS,
  }))
}

/** Reads the parameters, which may be wrong, and does nothing. */
function headOf(parameters: (request: IncomingMessage) => { answer: Answer }): Handle {
  return (request, response) => { sendHead(response, parameters(request).answer) }
}

function attachment(name: string): Answer {
  return { type: 'application/octet-stream', file: `${name}.pb.gz` }
}

function sendSites(response: ServerResponse, sites: object): void {
  announceCollection(response)
  sendJson(response, sites)
}

/** As Go's: what the process was started with, by NUL. */
function commandLine(): string {
  return [process.argv0, ...process.execArgv, ...process.argv.slice(1)].join('\0')
}
