/**
 * The leak verdict: is memory growing that should not be? Looks at the live heap after major collections alone, at the
 * lowest value in each stretch of time, and takes out what load brings. Knows no timers and no clock: every input
 * brings its time. Holds a fixed amount of memory, below 100 KB.
 */
import { EventEmitter } from 'node:events'
import type { Quantity } from './verdict/buckets.js'
import { levelOf, measured } from './verdict/points.js'
import { QUANTITIES, Scale } from './verdict/scale.js'
import { sentenceFor } from './verdict/sentence.js'
import { LEAST_POINTS, leastGrowth, type Tendency } from './verdict/tendency.js'
import { COLLECTED, REMAINDER } from './verdict/thresholds.js'

/**
 * - `warming`: too little is known.
 * - `ok`: no growth that stands out from the noise.
 * - `growing`: growth, which may still be a cache that fills, or the load's.
 * - `leak-suspected`: the live heap grows at like load, steadily and for long.
 * - `native-growth`: so does memory outside the heap.
 */
export type VerdictState = 'warming' | 'ok' | 'growing' | 'leak-suspected' | 'native-growth'

/** A major collection. */
export interface CollectionInput {
  /** ms, of any clock that never goes back. */
  time: number
  /** Octets in use after it, the new space left out. */
  live: number
  /** `process.memoryUsage().external` after it: Buffers and ArrayBuffers are part of it. */
  external: number
}

/** What is sampled once a second or so. Octets. */
export interface SampleInput {
  /** ms, of the same clock. */
  time: number
  rss: number
  heapTotal: number
  external: number
  /** Requests a second since the last sample. */
  requestsPerSecond: number
  inFlight: number
  /** `heap_size_limit`. */
  heapLimit: number
  /** Limit and use of the cgroup; no limit: null. Without `memoryUsed` the process' RSS counts. */
  memoryLimit?: number | null
  memoryUsed?: number | null
}

/** A place in the code that holds more than at the mark. */
export interface GrownCallSite {
  /** Of the function. */
  name: string
  url: string
  line: number
  /** Octets since the mark. */
  growth: number
}

/** Where allocations are seen, the sampling heap profiler: `mark` is called when growth begins, `grown` when it is suspected. */
export interface CallSiteSource {
  mark: () => void | Promise<void>
  /** Most grown first. */
  grown: () => readonly GrownCallSite[] | Promise<readonly GrownCallSite[]>
}

/** What a verdict rests on. Octets and seconds. */
export interface Evidence {
  /** What grows; `heap` where nothing does. `remainder`: RSS without external memory, and not because of V8's heap. */
  quantity: Quantity
  /** Its slope at like load. */
  bytesPerSecond: number
  /** What the slope makes over `span` seconds. */
  growth: number
  span: number
  /** The least growth in `span` seconds that would have been told. */
  leastGrowth: number
  /** By how much values differ by chance, load taken out. */
  noise: number
  /** Its median. */
  level: number
  /** Periods with a value, and how many are needed for a verdict. */
  points: number
  pointsNeeded: number
  /** Major collections that were judged: those of the first minutes, and of a period that is not over, are none of them. */
  collections: number
  /** Whether load went up and down enough to be told from growth. */
  likeLoad: boolean
  /** Seconds until the nearer limit at this slope; null where nothing grows or no limit is known. */
  timeToLimit: number | null
  limit: 'heap' | 'cgroup' | null
  callSites: readonly GrownCallSite[]
}

export interface Verdict {
  state: VerdictState
  /** ms of the inputs' clock: when this state began. */
  since: number
  /** In plain words. */
  sentence: string
  evidence: Evidence
}

export interface VerdictOptions {
  /** Width of the fine buckets, ms. Default: two minutes; sixty of them are held, and 96 coarse ones 15 times as wide. */
  bucket?: number
  /** Call sites that grew, for the evidence. Default: none. */
  callSites?: CallSiteSource
}

const BUCKET = 120_000
/** Fine buckets that are left out: code is loaded and compiled in them. */
const WARM_UP_BUCKETS = 3
/** Features that are rolled out make the heap grow by as little as slow leaks do; of RSS, most was there from the start. */
const QUICK = { heap: COLLECTED, external: COLLECTED, remainder: { ...REMAINDER, small: 0 } } as const
/** Chosen on made-up apps, as what holds for two hours is fitted on recorded ones. */
const SLOWLY = { hold: 6, release: 6, large: 0.8, clear: 70, clearWeight: 2, points: 24 } as const
const COLLECTED_SLOWLY = { ...COLLECTED, ...SLOWLY }
const SLOW = { heap: COLLECTED_SLOWLY, external: COLLECTED_SLOWLY, remainder: { ...REMAINDER, ...SLOWLY, share: COLLECTED.share } } as const
/** Two hours, eight, and two days. `factor`: of the width of a fine bucket. */
const SCALES = [
  { factor: 1, capacity: 60, thresholds: QUICK, followsLately: false },
  { factor: 4, capacity: 60, thresholds: SLOW, followsLately: true },
  { factor: 15, capacity: 96, thresholds: SLOW, followsLately: true },
] as const
/** Work that a closed bucket makes at most, in products of numbers: three quantities of which each grows, and a share of what other scales make. */
const WORK = 1_200_000
const RANK: Readonly<Record<Tendency, number>> = { warming: 0, flat: 1, growing: 2, suspected: 3 }

/** ms for which it is known what the heap does. */
const spanOf = ({ watches }: Scale): number => watches.heap.trend?.span ?? 0

/** Emits `change` with the new verdict and the one before when the state changes. */
export class LeakVerdict extends EventEmitter<{ change: [Verdict, Verdict] }> {
  readonly #width: number
  readonly #scales: readonly Scale[]
  /** The one with the finest buckets. */
  readonly #finest: Scale
  /** Samples of the finest bucket that is open, and work that each does: so much that all is done before it closes. */
  #samples = 0
  #workForEach = WORK
  readonly #callSites: CallSiteSource | undefined
  #start = NaN
  #collections = 0
  #latest: SampleInput | undefined
  #latestLive = 0
  #announced: Promise<void> = Promise.resolve()
  #current: Verdict

  constructor({ bucket = BUCKET, callSites }: VerdictOptions = {}) {
    super()
    this.#width = bucket
    this.#callSites = callSites
    const [finest, ...others] = SCALES.map(({ factor, ...options }) => new Scale({ width: bucket * factor, ...options }))
    if (finest === undefined) throw new Error('no scale')
    this.#finest = finest
    this.#scales = [finest, ...others]
    const evidence = this.#evidence('heap', finest, 'warming')
    this.#current = { state: 'warming', since: 0, sentence: sentenceFor('warming', evidence), evidence }
  }

  /** The verdict as of the last closed bucket, about: what that means is found in small steps, some with each sample. */
  get current(): Verdict {
    return this.#current
  }

  collection({ time, live, external }: CollectionInput): void {
    if (!this.#begun(time)) return
    this.#collections++
    this.#latestLive = live
    for (const scale of this.#scales) scale.collection(live, external)
  }

  sample(input: SampleInput): void {
    if (!this.#begun(input.time)) return
    this.#latest = input
    this.#samples++
    for (const scale of this.#scales) scale.sample(input)
    this.#work(input.time)
  }

  /** Whether the time counts; closes buckets whose time is over. */
  #begun(time: number): boolean {
    if (Number.isNaN(this.#start)) {
      this.#start = time
      this.#current = { ...this.#current, since: time }
    }
    if (time - this.#start < WARM_UP_BUCKETS * this.#width) return false
    for (const scale of this.#scales) {
      if (!scale.advance(time) || scale !== this.#finest) continue
      this.#workForEach = WORK / Math.max(1, this.#samples)
      this.#samples = 0
    }
    return true
  }

  /** Some small steps, those of the finest scale first. */
  #work(time: number): void {
    let left = this.#workForEach
    while (left > 0) {
      const scale = this.#scales.find(({ busy }) => busy)
      if (scale === undefined) return
      left -= scale.step()
      if (!scale.busy) this.#judge(time)
    }
  }

  #judge(time: number): void {
    const [state, quantity, scale] = this.#state()
    const before = this.#current
    const evidence = this.#evidence(quantity, scale, state)
    if (state === before.state) evidence.callSites = before.evidence.callSites
    this.#current = { state, since: state === before.state ? before.since : time, sentence: sentenceFor(state, evidence), evidence }
    if (state !== before.state) this.#announce(this.#current, before)
  }

  /** The gravest of what the quantities say, on any scale; of those that say as much, on the finest. */
  #state(): [VerdictState, Quantity, Scale] {
    const quantities = QUANTITIES.map((quantity) => ({ quantity, ...this.#said(quantity) }))
    for (const [tendency, name] of [['suspected', 'native-growth'], ['growing', 'growing']] as const) {
      const found = quantities.find((said) => said.tendency === tendency)
      if (found !== undefined) return [tendency === 'suspected' && found.quantity === 'heap' ? 'leak-suspected' : name, found.quantity, found.scale]
    }
    // Of several scales that know nothing of growth, the longest time says most.
    const heap = this.#said('heap')
    const longest = this.#scales.reduce((one, other) => spanOf(other) >= spanOf(one) ? other : one)
    return heap.tendency === 'warming' ? ['warming', 'heap', heap.scale] : ['ok', 'heap', longest]
  }

  #said(quantity: Quantity): { tendency: Tendency; scale: Scale } {
    const tendencyOf = (scale: Scale): Tendency => scale.watches[quantity].tendency
    const scale = this.#scales.reduce((one, other) => RANK[tendencyOf(other)] > RANK[tendencyOf(one)] ? other : one)
    return { tendency: tendencyOf(scale), scale }
  }

  #evidence(quantity: Quantity, scale: Scale, state: VerdictState): Evidence {
    const { trend, thresholds } = scale.watches[quantity]
    const slope = trend?.slope ?? 0
    const grows = state !== 'warming' && state !== 'ok'
    return {
      quantity,
      bytesPerSecond: slope * 1000,
      growth: trend?.growth ?? 0,
      span: (trend?.span ?? 0) / 1000,
      leastGrowth: trend === undefined ? 0 : leastGrowth(trend, thresholds),
      noise: trend?.noise ?? 0,
      level: trend === undefined ? this.#latestLive : levelOf(scale.buckets.closed, quantity),
      points: measured(scale.buckets.closed, quantity).length,
      pointsNeeded: LEAST_POINTS,
      collections: this.#collections,
      likeLoad: trend?.comparable ?? false,
      ...this.#limit(quantity, grows ? slope * 1000 : 0),
      callSites: [],
    }
  }

  /** The limit that is reached first. */
  #limit(quantity: Quantity, bytesPerSecond: number): Pick<Evidence, 'timeToLimit' | 'limit'> {
    const latest = this.#latest
    if (latest === undefined || bytesPerSecond <= 0) return { timeToLimit: null, limit: null }
    const left = (limit: number, used: number): number => Math.max(0, limit - used) / bytesPerSecond
    const heap = quantity === 'heap' ? left(latest.heapLimit, this.#latestLive) : Infinity
    const cgroup = typeof latest.memoryLimit === 'number' ? left(latest.memoryLimit, latest.memoryUsed ?? latest.rss) : Infinity
    if (heap === Infinity && cgroup === Infinity) return { timeToLimit: null, limit: null }
    return heap <= cgroup ? { timeToLimit: heap, limit: 'heap' } : { timeToLimit: cgroup, limit: 'cgroup' }
  }

  /** With call sites where there are any; without them where their source fails. */
  #announce(verdict: Verdict, before: Verdict): void {
    const source = this.#callSites
    const emit = (): void => { this.emit('change', verdict, before) }
    if (source === undefined) {
      emit()
      return
    }
    const gather = async (): Promise<void> => {
      if (verdict.state === 'growing') await source.mark()
      else if (verdict.state === 'leak-suspected') this.#addCallSites(verdict, await source.grown())
    }
    // Changes are told in the order in which they came.
    this.#announced = this.#announced.then(gather).catch(() => undefined).then(emit)
  }

  #addCallSites(verdict: Verdict, callSites: readonly GrownCallSite[]): void {
    verdict.evidence.callSites = callSites
    verdict.sentence = sentenceFor(verdict.state, verdict.evidence)
    const current = this.#current
    if (current !== verdict && current.since === verdict.since) current.evidence.callSites = callSites
  }
}
