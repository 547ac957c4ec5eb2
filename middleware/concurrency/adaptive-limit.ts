/**
 * The limit of the adaptive policy. At first there is none but `max`. Once a bottleneck is found behind the handlers,
 * such as a database pool with few connections, the gradient limit holds: as many requests in flight as keep the
 * bottleneck busy, and few more. It is removed when requests no longer have to wait for it.
 *
 * A request counts as in flight while it may use the bottleneck. A request that waits for its client does not count.
 * Neither does an outlier: a request that takes many times longer than the others.
 */
import type { Clock } from './clock.js'
import type { Candidate, Slots } from './policy.js'
import { EXPERIMENT_MS } from './experiment.js'
import { GradientLimit, PROBE_MS, type GradientOptions } from './gradient-limit.js'
import { InFlightList } from './in-flight-list.js'
import { BottleneckDetector } from './bottleneck-detector.js'

/**
 * A request is an outlier once it has taken this many milliseconds, and OUTLIER_FACTOR times the latency without
 * queueing. It is of another kind (a report, long polling), and says nothing about the bottleneck.
 */
const OUTLIER_MS = 1000
const OUTLIER_FACTOR = 8
/** Latency may be so many times what it is without queueing: the same as the gradient limit's. */
const TOLERANCE = 2
/**
 * Requests. A limit begins no lower: the latency without queueing is an estimate that may be too low, and a limit that
 * is too high shrinks within seconds. In the simulation, limits that began at 8 shed one request in ten below
 * saturation.
 */
const MIN_INITIAL_LIMIT = 20
/** Milliseconds between two searches for requests that wait for their client, while the limit is reached. */
const CLIENT_WAIT_CHECK_INTERVAL_MS = 50
/** Net latency is at least this share of the measured one: the loop delay that is subtracted is an estimate. */
const MIN_NET_LATENCY_SHARE = 0.1

/** Milliseconds by which a timer of Node's may be early, as it rounds. An early one would not end the experiment. */
const TIMER_EARLINESS_MS = 2

/** The bounds of the limit, and its experiments. */
export interface AdaptiveLimitOptions extends GradientOptions {
  /** Whether requests may be kept waiting for an experiment. */
  readonly experimenting: boolean
  /** Called when a timer has ended an experiment or a probe: waiting requests may start. */
  readonly onEnd: () => void
}

/** The limit of the adaptive policy: only `max`, until a bottleneck is found. */
export class AdaptiveLimit<Request extends Candidate> {
  readonly #clock: Clock
  readonly #max: number
  readonly #onEnd: () => void
  readonly #gradientLimit: GradientLimit
  readonly #bottleneckDetector: BottleneckDetector
  /** The requests that hold a slot and count as in flight. */
  readonly #inFlight = new InFlightList<Request>()
  readonly #slots: Slots
  /** No bottleneck is known, so there is no limit but `max` and that of an experiment. */
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

  /** How many requests may be in flight now. */
  get current(): number {
    return this.#unlimited ? this.#bottleneckDetector.limit ?? this.#max : this.#gradientLimit.limit
  }

  /** The limit without that of an experiment or a probe; `max` where no bottleneck is known. */
  get settled(): number {
    return this.#unlimited ? this.#max : this.#gradientLimit.settledLimit
  }

  set settled(limit: number) {
    this.#unlimited = limit === this.#max
    this.#bottleneckDetector.reset(this.#clock.now())
    this.#gradientLimit.start(this.#clock.now(), limit, 0)
  }

  /** Requests finished per millisecond, lately. */
  get throughput(): number {
    return this.#unlimited ? this.#bottleneckDetector.throughput : this.#gradientLimit.throughput
  }

  /** Milliseconds that requests may have to wait for an experiment or a probe; 0 while there is none. */
  get trialDelay(): number {
    if (this.#unlimited) return this.#bottleneckDetector.limit === undefined ? 0 : EXPERIMENT_MS
    return this.#gradientLimit.isProbing ? PROBE_MS : 0
  }

  /** Whether one more request may start. */
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

  /** Whether this request may start while others wait for the end of an experiment. */
  bypasses(request: Request): boolean {
    return this.#unlimited && this.#slots.active < this.#max && this.#bottleneckDetector.bypasses(request.target)
  }

  /** A request cannot start at once: the limit is in use. */
  waited(now: number): void {
    if (!this.#unlimited) this.#gradientLimit.waited(now)
  }

  /** A request has taken a slot. */
  started(request: Request, now: number): void {
    this.#inFlight.add(request)
    if (this.#unlimited) {
      this.#bottleneckDetector.started(now, request.target, this.#inFlight.size)
    } else {
      this.#gradientLimit.started(now)
      if (this.#gradientLimit.isRefuted(now)) this.#removeLimit(now)
    }
  }

  /**
   * A request is over, or no longer counts. Its slot is released after this call.
   * @param loopDelay milliseconds that the end of the request has waited for the event loop
   */
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

  /** Begins the gradient limit if a bottleneck has been found. */
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

  /** Sets a timer that ends the experiment or the probe, in case no request finishes meanwhile. */
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
