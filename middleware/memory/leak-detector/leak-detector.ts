/**
 * The leak verdict: is memory growing that should not be? Looks at the live heap after major collections alone, at the
 * lowest value in each stretch of time, and takes out what load brings. Knows no timers and no clock: every input
 * brings its time. Holds a fixed amount of memory, below 100 KB.
 */
import { EventEmitter } from 'node:events'
import { levelOf, measuredBuckets, type Quantity } from './buckets.js'
import { QUANTITIES, TimeScale } from './time-scale.js'
import { sentenceFor } from './sentence.js'
import { LEAST_POINTS, leastGrowth, type GrowthState, type Thresholds } from './growth-state.js'
import { COLLECTED, REMAINDER } from './thresholds.js'
import type { CallSiteSource, CollectionInput, Evidence, GrownCallSite, SampleInput, Verdict, VerdictState } from './verdict.js'

/** Widths and times of the leak detector. */
export interface LeakDetectorOptions {
  /** Width of the fine buckets, ms. Default: two minutes; sixty of them are held, and 96 coarse ones 15 times as wide. */
  bucket?: number
  /** Call sites that grew, for the evidence. Default: none. */
  callSites?: CallSiteSource
}

const BUCKET_MS = 120_000
/** Fine buckets that are left out: code is loaded and compiled in them. */
const WARM_UP_BUCKETS = 3
/** Fine buckets in an hour. */
const BUCKETS_AN_HOUR = 30
/**
 * Caches that fill and features that are rolled out grow as leaks do, for hours. So two hours tell quick growth alone, and growth by less
 * than 15 % an hour must have lasted for six hours. Of RSS most was there from the start, so it grows by less: there it is 5 % an hour.
 */
const QUICK_ADJUSTMENTS = { pace: 0.15, patience: 1.85, quick: 0.5, small: 0.5, smallWeight: 0.7 } as const
const COLLECTED_QUICK = { ...COLLECTED, ...QUICK_ADJUSTMENTS }
const TWO_HOUR_THRESHOLDS = { heap: COLLECTED_QUICK, external: COLLECTED_QUICK, remainder: { ...REMAINDER, small: 0, pace: 0.05 } } as const
/** What differs for eight hours and two days: set by hand on made-up apps (tools/leak-series), not fitted to recordings. */
const LONG_ADJUSTMENTS = { hold: 5, release: 6, large: 0.8, smallWeight: 0.75, clear: 70, clearWeight: 2, points: 24 } as const
const longThresholds = (waits: Pick<Thresholds, 'pace' | 'patience'>): Readonly<Record<Quantity, Thresholds>> => {
  const collected = { ...COLLECTED, ...LONG_ADJUSTMENTS, ...waits }
  return { heap: collected, external: collected, remainder: { ...REMAINDER, ...LONG_ADJUSTMENTS, ...waits, share: COLLECTED.share } }
}
/** Eight hours tell 3 % an hour, of what is there by then. Steps over a day look like slower growth, which must last for most of a day. */
const EIGHT_HOUR_THRESHOLDS = longThresholds({ pace: 0.024, patience: 6 })
const TWO_DAY_THRESHOLDS = longThresholds({ pace: 0, patience: 20 })
/** Two hours, eight, and two days. `factor`: of the width of a fine bucket. */
const TIME_SCALES = [
  { factor: 1, capacity: 60, thresholds: TWO_HOUR_THRESHOLDS, followsRecentLoad: false },
  { factor: 4, capacity: 60, thresholds: EIGHT_HOUR_THRESHOLDS, followsRecentLoad: true },
  { factor: 15, capacity: 96, thresholds: TWO_DAY_THRESHOLDS, followsRecentLoad: true },
] as const
/** Work that a closed bucket makes at most, in products of numbers: three quantities of which each grows, and a share of what other scales make. */
const WORK_PER_BUCKET = 1_600_000
const STATE_RANK: Readonly<Record<GrowthState, number>> = { warming: 0, flat: 1, growing: 2, suspected: 3 }

/** ms for which it is known what the heap does. */
const spanOf = ({ growth }: TimeScale): number => growth.heap.trend?.span ?? 0

/** Emits `change` with the new verdict and the one before when the state changes. */
export class LeakDetector extends EventEmitter<{ change: [Verdict, Verdict] }> {
  readonly #width: number
  readonly #scales: readonly TimeScale[]
  /** The one with the finest buckets. */
  readonly #finest: TimeScale
  /** Samples of the finest bucket that is open, and work that each does: so much that all is done before it closes. */
  #samples = 0
  #workPerSample = WORK_PER_BUCKET
  readonly #callSites: CallSiteSource | undefined
  #start = NaN
  #collections = 0
  #latest: SampleInput | undefined
  #latestLive = 0
  #emitted: Promise<void> = Promise.resolve()
  #current: Verdict

  constructor({ bucket = BUCKET_MS, callSites }: LeakDetectorOptions = {}) {
    super()
    this.#width = bucket
    this.#callSites = callSites
    const [finest, ...others] = TIME_SCALES.map(({ factor, ...options }) => new TimeScale({ width: bucket * factor, hour: bucket * BUCKETS_AN_HOUR, ...options }))
    // eslint-disable-next-line no-restricted-syntax -- a mistake of this package alone
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
    if (!this.#advance(time)) return
    this.#collections++
    this.#latestLive = live
    for (const scale of this.#scales) scale.collection(live, external)
  }

  sample(input: SampleInput): void {
    if (!this.#advance(input.time)) return
    this.#latest = input
    this.#samples++
    for (const scale of this.#scales) scale.sample(input)
    this.#work(input.time)
  }

  /** Whether the time counts; closes buckets whose time is over. */
  #advance(time: number): boolean {
    if (Number.isNaN(this.#start)) {
      this.#start = time
      this.#current = { ...this.#current, since: time }
    }
    if (time - this.#start < WARM_UP_BUCKETS * this.#width) return false
    for (const scale of this.#scales) {
      if (!scale.advance(time) || scale !== this.#finest) continue
      this.#workPerSample = WORK_PER_BUCKET / Math.max(1, this.#samples)
      this.#samples = 0
    }
    return true
  }

  /** Some small steps, those of the finest scale first. */
  #work(time: number): void {
    let left = this.#workPerSample
    while (left > 0) {
      const scale = this.#scales.find(({ hasWork }) => hasWork)
      if (scale === undefined) return
      left -= scale.step()
      if (!scale.hasWork) this.#updateVerdict(time)
    }
  }

  #updateVerdict(time: number): void {
    const [state, quantity, scale] = this.#state()
    const before = this.#current
    const evidence = this.#evidence(quantity, scale, state)
    if (state === before.state) evidence.callSites = before.evidence.callSites
    this.#current = { state, since: state === before.state ? before.since : time, sentence: sentenceFor(state, evidence), evidence }
    if (state !== before.state) this.#emitChange(this.#current, before)
  }

  /** The gravest of what the quantities say, on any scale; of those that say as much, on the finest. */
  #state(): [VerdictState, Quantity, TimeScale] {
    const quantities = QUANTITIES.map((quantity) => ({ quantity, ...this.#worst(quantity) }))
    for (const [tendency, name] of [['suspected', 'native-growth'], ['growing', 'growing']] as const) {
      const found = quantities.find((said) => said.tendency === tendency)
      if (found !== undefined) return [tendency === 'suspected' && found.quantity === 'heap' ? 'leak-suspected' : name, found.quantity, found.scale]
    }
    // Of several scales that know nothing of growth, the longest time says most.
    const heap = this.#worst('heap')
    const longest = this.#scales.reduce((one, other) => spanOf(other) >= spanOf(one) ? other : one)
    return heap.tendency === 'warming' ? ['warming', 'heap', heap.scale] : ['ok', 'heap', longest]
  }

  #worst(quantity: Quantity): { tendency: GrowthState; scale: TimeScale } {
    const tendencyOf = (scale: TimeScale): GrowthState => scale.growth[quantity].state
    const scale = this.#scales.reduce((one, other) => STATE_RANK[tendencyOf(other)] > STATE_RANK[tendencyOf(one)] ? other : one)
    return { tendency: tendencyOf(scale), scale }
  }

  #evidence(quantity: Quantity, scale: TimeScale, state: VerdictState): Evidence {
    const { trend, thresholds } = scale.growth[quantity]
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
      points: measuredBuckets(scale.buckets.closed, quantity).length,
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
  #emitChange(verdict: Verdict, before: Verdict): void {
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
    this.#emitted = this.#emitted.then(gather).catch(() => undefined).then(emit)
  }

  #addCallSites(verdict: Verdict, callSites: readonly GrownCallSite[]): void {
    verdict.evidence.callSites = callSites
    verdict.sentence = sentenceFor(verdict.state, verdict.evidence)
    const current = this.#current
    if (current !== verdict && current.since === verdict.since) current.evidence.callSites = callSites
  }
}
