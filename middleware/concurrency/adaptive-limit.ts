/**
 * How many may be in flight: as many as come, until something behind the handlers turns out to be scarce; then as many as
 * keep that busy, and few more, for as long as they have to wait. What is in flight is what may hold something scarce:
 * requests that wait for their client do not, and neither do those that take many times longer than the others.
 */
import type { Clock } from './clock.js'
import type { Candidate, Slots } from './policy.js'
import { EXPERIMENT_MS } from './experiment.js'
import { GradientLimit, PROBE_MS, type GradientOptions } from './gradient-limit.js'
import { InFlightList } from './in-flight-list.js'
import { BottleneckDetector } from './bottleneck-detector.js'

/** A request that takes longer than this, in milliseconds, and than so many times the usual, is another kind. */
const OUTLIER_MS = 1000
const OUTLIER_FACTOR = 8
/** Latency may be so many times what it is without a queue. */
const TOLERANCE = 2
/** A limit begins no lower: the least latency that was seen may have been luck, and what is too much shrinks soon. */
const MIN_INITIAL_LIMIT = 20
/** While the limit is in use, who waits for its client is looked for so often, in milliseconds. */
const CLIENT_WAIT_CHECK_INTERVAL_MS = 50
/** Latency cannot be less than this share of what was measured, however long the loop was late. */
const MIN_NET_LATENCY_SHARE = 0.1

/** Node's timers may ring so many milliseconds before their time. */
const TIMER_EARLINESS_MS = 2

/** The bounds, and whether experiments are allowed. */
export interface AdaptiveLimitOptions extends GradientOptions {
  /** Whether requests may wait for some moments, so that a decision can be tried. */
  readonly experimenting: boolean
  /** Called when an experiment has ended by time: others may start. */
  readonly onEnd: () => void
}

/** The limit of `limit: 'auto'`: open, until a bottleneck is found. */
export class AdaptiveLimit<Request extends Candidate> {
  readonly #clock: Clock
  readonly #max: number
  readonly #onEnd: () => void
  readonly #gradientLimit: GradientLimit
  readonly #bottleneckDetector: BottleneckDetector
  /** Of the slots that are held, those that count. */
  readonly #inFlight = new InFlightList<Request>()
  readonly #slots: Slots
  #unlimited: boolean
  #outlierMs = OUTLIER_MS
  #clientWaitsCheckedAt = 0
  #stopTimer: (() => void) | undefined

  constructor(clock: Clock, slots: Slots, options: AdaptiveLimitOptions) {
    const now = clock.now()
    this.#clock = clock
    this.#slots = slots
    this.#max = options.max
    this.#onEnd = options.onEnd
    this.#gradientLimit = new GradientLimit(options, this.#inFlight, now)
    this.#bottleneckDetector = new BottleneckDetector(now, options.experimenting)
    this.#unlimited = options.initial === options.max
  }

  /** How many may be in flight now. */
  get current(): number {
    return this.#unlimited ? this.#bottleneckDetector.limit ?? this.#max : this.#gradientLimit.limit
  }

  /** The same without what is only tried. */
  get settled(): number {
    return this.#unlimited ? this.#max : this.#gradientLimit.settledLimit
  }

  set settled(limit: number) {
    this.#unlimited = limit === this.#max
    this.#bottleneckDetector.reset(this.#clock.now())
    this.#gradientLimit.start(this.#clock.now(), limit, 0)
  }

  /** Finished requests a millisecond, of late. */
  get throughput(): number {
    return this.#unlimited ? this.#bottleneckDetector.throughput : this.#gradientLimit.throughput
  }

  /** Milliseconds that requests may wait longer than otherwise, because fewer are let in to try that. */
  get trialDelay(): number {
    if (this.#unlimited) return this.#bottleneckDetector.limit === undefined ? 0 : EXPERIMENT_MS
    return this.#gradientLimit.isProbing ? PROBE_MS : 0
  }

  /** Whether one more may start. */
  admits(now: number): boolean {
    if (this.#slots.active >= this.#max) return false
    this.#excludeOutliers(now)
    if (this.#inFlight.size < this.current) return true
    if (now - this.#clientWaitsCheckedAt < CLIENT_WAIT_CHECK_INTERVAL_MS) return false
    this.#clientWaitsCheckedAt = now
    for (const request of this.#inFlight) {
      if (request.waitsForClient) this.#exclude(request, now)
    }
    return this.#inFlight.size < this.current
  }

  /** Whether this one may start while others wait for the end of an experiment. */
  bypasses(request: Request): boolean {
    return this.#unlimited && this.#slots.active < this.#max && this.#bottleneckDetector.bypasses(request.target)
  }

  /** A request has to wait. */
  waited(now: number): void {
    if (!this.#unlimited) this.#gradientLimit.waited(now)
  }

  /** It has its slot. */
  started(request: Request, now: number): void {
    this.#inFlight.add(request)
    if (this.#unlimited) {
      this.#bottleneckDetector.started(now, request.target, this.#inFlight.size)
    } else {
      this.#gradientLimit.started(now)
      if (this.#gradientLimit.isRefuted(now)) this.#removeLimit(now)
    }
  }

  /** It is over, or does not count any more; it still has its slot. `loopDelay` is what its end has waited for the event loop. */
  released(request: Request, now: number, startedAt: number, loopDelay: number): void {
    if (this.#unlimited && request.unanswered) this.#clientLeftUnlimited(now, startedAt)
    if (!request.inFlight) return
    this.#inFlight.remove(request)
    if (request.unanswered) {
      if (!this.#unlimited) this.#gradientLimit.clientLeft(now, startedAt, loopDelay)
      return
    }
    if (this.#unlimited) {
      const latency = now - startedAt
      this.#bottleneckDetector.finished(now, startedAt, request.target, Math.max(MIN_NET_LATENCY_SHARE * latency, latency - loopDelay), this.#inFlight.size + 1)
      this.#applyFinding(now)
    } else {
      this.#gradientLimit.finished(now, startedAt, loopDelay)
      if (this.#gradientLimit.isRefuted(now)) this.#removeLimit(now)
    }
    if (this.#stopTimer === undefined && this.trialDelay > 0) this.#arm()
  }

  close(): void {
    this.#stopTimer?.()
  }

  #clientLeftUnlimited(now: number, startedAt: number): void {
    this.#bottleneckDetector.clientLeft(now, startedAt, this.#slots.active)
    this.#applyFinding(now)
  }

  /** What was found, becomes the limit. */
  #applyFinding(now: number): void {
    const { found } = this.#bottleneckDetector
    if (found === undefined) return
    this.#unlimited = false
    this.#outlierMs = Math.max(OUTLIER_MS, OUTLIER_FACTOR * found.latency)
    const enough = Math.min(this.#inFlight.size, TOLERANCE * found.latency * found.throughput)
    this.#gradientLimit.start(now, Math.max(MIN_INITIAL_LIMIT, enough), found.latency)
  }

  #removeLimit(now: number): void {
    this.#unlimited = true
    this.#outlierMs = OUTLIER_MS
    this.#bottleneckDetector.reset(now)
  }

  /** Whatever is tried ends, though no request may. */
  #arm(): void {
    this.#stopTimer = this.#clock.setTimeout(() => {
      this.#stopTimer = undefined
      const now = this.#clock.now()
      if (this.#unlimited) {
        this.#bottleneckDetector.checkTime(now)
        this.#applyFinding(now)
      } else {
        this.#gradientLimit.checkTime(now)
      }
      if (this.trialDelay > 0) this.#arm()
      this.#onEnd()
    }, this.trialDelay + TIMER_EARLINESS_MS)
  }

  #excludeOutliers(now: number): void {
    for (;;) {
      const { oldest } = this.#inFlight
      if (oldest?.startedAt === undefined || now - oldest.startedAt < this.#outlierMs) return
      this.#exclude(oldest, now)
    }
  }

  #exclude(request: Request, now: number): void {
    this.#inFlight.remove(request)
    if (!this.#unlimited) this.#gradientLimit.leftUnmeasured(now)
  }
}
