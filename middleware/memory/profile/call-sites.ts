/**
 * The places in an app's code that hold the heap, and how they have grown since a mark.
 *
 * What the endpoint allocates to read profiles and to answer with them is left out, of the sizes as well: it is alive because
 * somebody looks. The sizes add up to so much less than those of the heap profile, which has it all. What else of the
 * endpoint is alive, such as its history, is told. In a bundle nothing is left out: it cannot be told from the app.
 */
import { scriptUrl } from '../../shared/script-url.js'
import type { CallSiteSource, GrownCallSite } from '../verdict.js'
import type { HeapSource } from './heap-sampler.js'
import { SourceMaps } from './source-maps.js'
import { EVALUATED, type Frame, type FrameStack, type Stack } from './stacks.js'

export interface CallSite {
  /** Of the function. */
  name: string
  /** Path of its file; `node:fs` and the like are Node's own; '' is V8's. */
  url: string
  /** Where it begins, from 1; 0 where that is unknown. */
  line: number
  /** Octets alive that it, or what it called, has allocated: an estimate, from samples. */
  octets: number
  /** Octets since the mark; null where there is none. */
  growth: number | null
}

export interface CallSites {
  /** ms since 1970; null: none was set. */
  mark: number | null
  /** Those that hold most, and those that have grown most. */
  sites: readonly CallSite[]
}

interface Held {
  site: Omit<CallSite, 'growth'>
  key: string
}

/** How many are told. */
const MOST_SITES = 50
const MOST_GROWN = 10

/** What hands requests on: its callers have no part in what the called one allocates. */
const DISPATCHERS: ReadonlySet<string> = new Set(['express', 'router', 'connect', 'express-responder'])

/** Where the code is that reads profiles, and where all of the endpoint's is; undefined in a bundle, whose file is the app's as well. */
const [READERS, ENDPOINT] = /^(.*\/memory\/)profile\/(?=call-sites\.js$)/.exec(scriptUrl() ?? '') ?? []

/** Each of the three forces a full collection. */
export class CallSiteTable {
  readonly #source: HeapSource
  readonly #maps: SourceMaps
  #mark: { time: number; octets: ReadonlyMap<string, number> } | undefined

  constructor(source: HeapSource, maps = new SourceMaps()) {
    this.#source = source
    this.#maps = maps
  }

  /** From now on growth is counted from here. */
  async mark(): Promise<CallSites> {
    const { time, held } = await this.#take()
    this.#mark = { time, octets: new Map(held.map(({ key, site }) => [key, site.octets])) }
    return this.#report(held)
  }

  async sites(): Promise<CallSites> {
    return this.#report((await this.#take()).held)
  }

  /**
   * Most grown first. Without a mark, since sampling began, when none held anything. Growth of less than is sampled once
   * may be chance, and is left out.
   */
  async grown(): Promise<GrownCallSite[]> {
    const { held, interval } = await this.#take()
    return held.map(({ key, site: { name, url, line, octets } }) => ({ name, url, line, growth: octets - (this.#mark?.octets.get(key) ?? 0) }))
      .filter(({ growth }) => growth >= interval)
      .sort((one, other) => other.growth - one.growth)
      .slice(0, MOST_GROWN)
  }

  async #take(): Promise<{ time: number; interval: number; held: Held[] }> {
    const { time, interval, stacks } = await this.#source.take()
    return { time, interval, held: sum(await this.#maps.resolve(stacks.filter((stack) => !isReading(stack)))) }
  }

  #report(held: readonly Held[]): CallSites {
    const mark = this.#mark
    const sites = held.map(({ key, site }) => ({ ...site, growth: mark === undefined ? null : site.octets - (mark.octets.get(key) ?? 0) }))
    const largest = new Set(sites.slice(0, MOST_SITES))
    const grown = [...sites].sort((one, other) => (other.growth ?? 0) - (one.growth ?? 0)).slice(0, mark === undefined ? 0 : MOST_SITES)
    const added = grown.filter((site) => !largest.has(site) && site.growth !== null && site.growth > 0)
    return { mark: mark?.time ?? null, sites: [...largest, ...added] }
  }
}

/** For the verdict, with a mark of its own. */
export function callSiteSource(source: HeapSource, maps?: SourceMaps): CallSiteSource {
  const table = new CallSiteTable(source, maps)
  return { mark: async () => { await table.mark() }, grown: () => table.grown() }
}

/** Whether a stack is the endpoint's, reading profiles, and nobody of the app's was called by it. */
function isReading({ places }: Stack): boolean {
  if (READERS === undefined || ENDPOINT === undefined) return false
  for (const { url } of places) {
    if (url.startsWith(READERS)) return true
    if (packageOf(url) === undefined && !url.startsWith(ENDPOINT)) return false
  }
  return false
}

/** Largest first. */
function sum(stacks: readonly FrameStack[]): Held[] {
  const byKey = new Map<string, Held>()
  for (const { frames, values: [, octets = 0] } of stacks) {
    const { name, file, line } = callSiteOf(frames)
    const key = `${file}\n${String(line)}\n${name}`
    const held = byKey.get(key)
    if (held === undefined) byKey.set(key, { key, site: { name, url: file, line, octets } })
    else held.site.octets += octets
  }
  return [...byKey.values()].sort((one, other) => other.site.octets - one.site.octets)
}

/**
 * The function that a stack's octets are counted for: the innermost one of the app's own code. Where what allocates was
 * called by a router, not by the app, the package that the router called. Where nothing is known but Node and V8, the
 * innermost function. What V8 has inlined is in no stack, and counts for the function it was inlined into.
 */
export function callSiteOf(frames: readonly Frame[]): Frame {
  let called: Frame | undefined
  for (const frame of frames) {
    const name = packageOf(frame.file)
    if (name === undefined) return frame
    if (DISPATCHERS.has(name)) break
    if (name !== '') called = frame
  }
  return called ?? frames[0] ?? { name: '(unknown)', file: '', line: 0, at: 0 }
}

/** '' for Node, V8, and code that a template engine or the like has made; undefined for the app's own code. */
function packageOf(file: string): string | undefined {
  if (file === '' || file === EVALUATED || file.startsWith('node:')) return ''
  const [, name] = /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(file) ?? []
  return name
}
