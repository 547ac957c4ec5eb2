/**
 * The places in an app's code that hold the heap, and how they have grown since a mark.
 *
 * What the endpoint allocates to read profiles and to answer with them is left out, of the sizes as well: it is alive because
 * somebody looks. The sizes add up to so much less than those of the heap profile, which has it all. What else of the
 * endpoint is alive, such as its history, is told. In a bundle nothing is left out: it cannot be told from the app.
 */
import { scriptUrl } from '../../shared/script-url.js'
import type { CallSiteSource, GrownCallSite } from '../leak-detector/verdict.js'
import type { HeapProfile, HeapSource } from './heap-sampler.js'
import { changed, deviation, GROWTH, CONFIDENCE, type HeapSample } from './sampling-error.js'
import { SourceMaps } from './source-maps.js'
import { EVALUATED, type Frame, type FrameStack, type Stack } from './stacks.js'

/** A place in the code that holds part of the heap. */
export interface CallSite {
  /** Of the function. */
  name: string
  /** Path of its file; `node:fs` and the like are Node's own; '' is V8's. */
  url: string
  /** Where it begins, from 1; 0 where that is unknown. */
  line: number
  /** Bytes alive that it, or what it called, has allocated: an estimate, from samples. */
  octets: number
  /** Bytes since the mark; null where there is none. */
  growth: number | null
  /** Growth of no more bytes than this, or as much shrinking, may be chance of sampling: 99 of 100 times it is less. With a mark. */
  margin?: number
}

/** The places that hold most of the heap, and their growth since a mark. */
export interface CallSites {
  /** ms since 1970; null: none was set. */
  mark: number | null
  /** Those that hold most, and those that have grown most. */
  sites: readonly CallSite[]
}

interface Held {
  site: Omit<CallSite, 'growth' | 'margin'>
  key: string
  /** Undefined where V8 does not tell. */
  samples: HeapSample[] | undefined
}

interface Mark {
  time: number
  sites: ReadonlyMap<string, { bytes: number; samples: ReadonlyMap<number, HeapSample> }>
}

const NO_SAMPLES: ReadonlyMap<number, HeapSample> = new Map()

/** How many are told. */
const MOST_SITES = 50
const MOST_GROWN = 10

/** What hands requests on: its callers have no part in what the called one allocates. */
const DISPATCHERS: ReadonlySet<string> = new Set(['express', 'router', 'connect', 'express-responder'])

/** Where the code is that reads profiles, and where all of the endpoint's is; undefined in a bundle, whose file is the app's as well. */
const [PROFILE, ENDPOINT] = /^(.*\/memory\/)profile\/(?=call-sites\.js$)/.exec(scriptUrl() ?? '') ?? []
const READERS = PROFILE === undefined || ENDPOINT === undefined ? undefined : [PROFILE, `${ENDPOINT}routes/profiles.js`, `${ENDPOINT}routes/profile-responses.js`]

/** Each of the three forces a full collection. */
export class CallSiteTable {
  readonly #source: HeapSource
  readonly #maps: SourceMaps
  #mark: Mark | undefined

  constructor(source: HeapSource, maps = new SourceMaps()) {
    this.#source = source
    this.#maps = maps
  }

  /** From now on growth is counted from here. */
  async mark(): Promise<CallSites> {
    const { time, interval, held } = await this.#take()
    this.#mark = {
      time,
      sites: new Map(held.map(({ key, site: { octets: bytes }, samples = [] }) => [key, { bytes, samples: new Map(samples.map((sample) => [sample.ordinal, sample])) }])),
    }
    return this.#report(held, interval)
  }

  async sites(): Promise<CallSites> {
    const { held, interval } = await this.#take()
    return this.#report(held, interval)
  }

  /** Of a profile that was taken before; undefined where nothing could have grown in it since the mark. */
  async recent(profile: HeapProfile): Promise<CallSites | undefined> {
    if (this.#mark !== undefined && profile.time <= this.#mark.time) return undefined
    const { held, interval } = await this.#read(profile)
    return this.#report(held, interval)
  }

  /**
   * Most grown first. Without a mark, since sampling began, when none held anything. Growth that may be chance, of less than
   * three samples or so, is left out.
   */
  async grown(): Promise<GrownCallSite[]> {
    const { held, interval } = await this.#take()
    return held.map((each) => ({ each, growth: each.site.octets - (this.#mark?.sites.get(each.key)?.bytes ?? 0) }))
      .filter(({ each, growth }) => growth >= interval && growth > (this.#deviation(each, interval) ?? 0) * GROWTH)
      .sort((one, other) => other.growth - one.growth)
      .slice(0, MOST_GROWN)
      .map(({ each: { site: { name, url, line } }, growth }) => ({ name, url, line, growth }))
  }

  /** Of growth since the mark, bytes. */
  #deviation({ key, samples }: Held, interval: number): number | undefined {
    return samples === undefined ? undefined : deviation(changed(this.#mark?.sites.get(key)?.samples ?? NO_SAMPLES, samples), interval)
  }

  async #take(): Promise<{ time: number; interval: number; held: Held[] }> {
    return this.#read(await this.#source.take())
  }

  async #read({ time, interval, stacks }: HeapProfile): Promise<{ time: number; interval: number; held: Held[] }> {
    return { time, interval, held: sum(await this.#maps.resolve(stacks.filter((stack) => !isReading(stack)))) }
  }

  #report(held: readonly Held[], interval: number): CallSites {
    const mark = this.#mark
    const sites = held.map((each) => ({ ...each.site, ...(mark === undefined ? { growth: null } : this.#growth(each, mark, interval)) }))
    const largest = new Set(sites.slice(0, MOST_SITES))
    const grown = [...sites].sort((one, other) => (other.growth ?? 0) - (one.growth ?? 0)).slice(0, mark === undefined ? 0 : MOST_SITES)
    const added = grown.filter((site) => !largest.has(site) && site.growth !== null && site.growth > 0)
    return { mark: mark?.time ?? null, sites: [...largest, ...added] }
  }

  #growth(each: Held, mark: Mark, interval: number): Pick<CallSite, 'growth' | 'margin'> {
    const spread = this.#deviation(each, interval)
    const growth = each.site.octets - (mark.sites.get(each.key)?.bytes ?? 0)
    return spread === undefined ? { growth } : { growth, margin: Math.round(spread * CONFIDENCE) }
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
    if (READERS.some((reader) => url.startsWith(reader))) return true
    if (packageOf(url) === undefined && !url.startsWith(ENDPOINT)) return false
  }
  return false
}

/** Largest first. */
function sum(stacks: readonly FrameStack[]): Held[] {
  const byKey = new Map<string, Held>()
  for (const { frames, values: [, bytes = 0], samples } of stacks) {
    const { name, file, line } = callSiteOf(frames)
    const key = `${file}\n${String(line)}\n${name}`
    const held = byKey.get(key)
    if (held === undefined) byKey.set(key, { key, site: { name, url: file, line, octets: bytes }, samples: samples === undefined ? undefined : [...samples] })
    else {
      held.site.octets += bytes
      if (samples !== undefined) held.samples?.push(...samples)
    }
  }
  return [...byKey.values()].sort((one, other) => other.site.octets - one.site.octets)
}

/**
 * The function that a stack's bytes are counted for: the innermost one of the app's own code. Where what allocates was
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
