/**
 * The gradient limit: a limit on requests in flight that tunes itself by the gradient, the ratio of the usual latency
 * (the baseline) to the present one. It aims at as many requests as keep the bottleneck busy, and few more.
 *
 * Once a second the mean latency is compared with the baseline. Up to TOLERANCE times the baseline, the limit grows;
 * above that, it shrinks in proportion. In Netflix's Gradient2 (concurrency-limits) the baseline follows the latency,
 * and so drifts upwards under a long overload. Here it does not rise while the limit is reached. A lasting change is
 * found by a probe instead: for a moment a third of the requests are let in. By Little's law, their latency is the
 * number in flight divided by the throughput.
 *
 * Latencies are net of the loop delay, which is the business of the loop-delay gate: to let fewer requests in because
 * of it would only leave the bottleneck idle. Constants that Gradient2 has as well have its values, where it says so.
 */

/** A window takes at least so many milliseconds, and so many requests. */
const WINDOW_MS = 1000
const MIN_SAMPLES = 10
/** The limit was reached in a window if this share of it was in flight at some time. Only then it grows. */
const SATURATED = 0.9
/**
 * The limit was in use if this share of it was in flight at some time. Else it stays, for it had no effect (Gradient2).
 */
const USED = 0.5
/** Latency may be so many times the baseline: the rest is queueing. */
const TOLERANCE = 2
/** The gradient counts as no lower, so that outliers do not shrink the limit too far (Gradient2). */
const MIN_GRADIENT = 0.5
/** Weight of the new limit in each window (Gradient2). */
const SMOOTHING = 0.2
/**
 * Milliseconds after its beginning in which the limit shrinks by INITIAL_SMOOTHING: it has begun under overload, too
 * high.
 */
const INITIAL_PHASE_MS = 15_000
const INITIAL_SMOOTHING = 0.5
/**
 * If latency is within so many baselines, there is no queueing: the limit grows by GROWTH × SMOOTHING, a tenth a
 * second.
 */
const UNQUEUED = 1.15
const GROWTH = 0.5
/** Until latency has first been above the tolerance, it grows by INITIAL_GROWTH × SMOOTHING, a seventh a second. */
const INITIAL_GROWTH = 0.75
/** Share of the distance to a lower latency by which the baseline falls in each window. */
const BASELINE_FALL = 0.1
/**
 * The same to a higher one, while the limit is not reached: an exponential mean over 600 windows, 2 / (600 + 1)
 * (Gradient2).
 */
const BASELINE_RISE = 2 / 601
/** Net latency is at least this share of the measured one: the loop delay that is subtracted is an estimate. */
const MIN_NET_LATENCY_SHARE = 0.1

/** Milliseconds that the limit must have been reached before the first probe. */
const FIRST_PROBE_AFTER_MS = 4000
/** Milliseconds to the next probe after one that has changed the baseline. */
const CHANGING_PROBE_INTERVAL_MS = 5000
/**
 * Milliseconds to the next probe after others: twice this at first, then twice as long each time, up to the maximum.
 */
const PROBE_INTERVAL_MS = 10_000
const MAX_PROBE_INTERVAL_MS = 60_000
/** A limit below this share of the last one with a tolerable latency is probed at once: the baseline may be wrong. */
const SHRUNK = 0.75
/**
 * Share of the requests in flight that a probe lets in. Half is too many: latency may be twice a baseline that is too
 * high (TOLERANCE), and half of the requests have half of that latency, which would confirm the baseline.
 */
const PROBE_SHARE = 1 / 3
/** Requests. The limit of a probe is no lower. */
const MIN_PROBE_LIMIT = 2
/**
 * Requests that a probe has let in and that must finish before it counts: until then others from before are in flight.
 */
const PROBE_SETTLED = 10
/** Requests that a probe counts, at least, and milliseconds that it counts them, at least. */
const PROBE_SAMPLES = 50
const MIN_PROBE_MS = 200
/** Milliseconds after which a probe ends, with a result or without: so long requests are kept waiting for it. */
export const PROBE_MS = 1000
/** If a probe leaves this share of the throughput, the requests were queueing, and the baseline must not rise. */
const UNHARMED = 0.9
/** Weight of the probed latency in the new baseline. The first probe's latency is the baseline. */
const PROBE_WEIGHT = 0.5
/**
 * There is no bottleneck if throughput falls in proportion to the requests in flight, and latency stays: no request was
 * queueing. For that, throughput may be at most so many times its share, and latency must be at least this share of the
 * one before.
 */
const IN_PROPORTION = 1.4
const SAME_LATENCY = 0.75
/** Requests in flight that are needed to tell. With fewer it looks the same where the limit has shrunk too far. */
const MIN_REFUTING_IN_FLIGHT = 16
/** Milliseconds in which no request had to wait, after which the bottleneck is gone. */
const UNUSED_AFTER_MS = 10_000
/** A baseline has changed if it has moved by more than this share. */
const CHANGED = 0.15

/** Bounds of the limit, in requests. */
export interface GradientOptions {
  min: number
  max: number
  initial: number
  /** No request is held back, so latency is scaled to what it would be at the limit. Default: false. */
  observing?: boolean
}

/** A probe that is under way: for a moment, fewer requests are let in. */
interface Probe {
  limit: number
  /** Requests in flight before, on average. */
  inFlight: number
  startedAt: number
  /** Requests finished per millisecond before. */
  throughput: number
  /** Requests that it has let in and that are finished; no more than PROBE_SETTLED are counted. */
  settled: number
  /** When it began to count; 0 before that. */
  countedFrom: number
  /** Requests finished since then. */
  finished: number
  /** The integral of the requests in flight over time, requests times milliseconds, and up to when it goes. */
  area: number
  areaUntil: number
}

/** The limit by the gradient: the ratio of the usual latency to the present one. */
export class GradientLimit {
  readonly #min: number
  readonly #max: number
  readonly #observing: boolean
  #limit: number
  #baseline = 0
  #windowStart: number
  #grossLatency = 0
  #netLatency = 0
  #samples = 0
  readonly #inFlight: { readonly size: number }
  #maxInFlight = 0
  #throughput = 0
  #probe: Probe | undefined
  #nextProbe = Infinity
  #interval = PROBE_INTERVAL_MS
  /** The highest limit since the last probe at which latency was within the tolerance. */
  #healthyLimit = 0
  #latency = 0
  #usedAt: number
  #refuted = false
  #isSettling = true
  /** A probe has corrected the baseline. */
  #probed = false
  #startedAt = -Infinity

  /** @param inFlight the requests in flight that count; told of here after they have been added or removed */
  constructor({ min, max, initial, observing = false }: GradientOptions, inFlight: { readonly size: number }, now: number) {
    this.#inFlight = inFlight
    this.#min = min
    this.#max = max
    this.#observing = observing
    this.#limit = initial
    this.#windowStart = this.#usedAt = now
  }

  /**
   * Begins with this limit.
   * @param baseline milliseconds that a request takes without queueing; 0 where that is unknown
   */
  start(now: number, limit: number, baseline: number): void {
    this.#limit = Math.max(this.#min, Math.min(this.#max, limit))
    this.#baseline = baseline
    this.#probe = undefined
    this.#nextProbe = Infinity
    this.#healthyLimit = 0
    this.#refuted = false
    this.#isSettling = true
    this.#probed = false
    this.#startedAt = this.#usedAt = now
    this.#beginWindow(now)
  }

  /** Whether it has turned out that there is no bottleneck, or none any more. */
  isRefuted(now: number): boolean {
    return this.#refuted || now - this.#usedAt > UNUSED_AFTER_MS
  }

  get isProbing(): boolean {
    return this.#probe !== undefined
  }

  /** How many requests may be in flight now: a whole number, at least 1. */
  get limit(): number {
    return Math.max(1, Math.floor(this.#probe?.limit ?? this.#limit))
  }

  /** The limit without that of the probe that may be under way. */
  get settledLimit(): number {
    return Math.floor(this.#limit)
  }

  /** A limit that is set is where tuning goes on from. */
  set settledLimit(limit: number) {
    this.#limit = Math.max(this.#min, Math.min(this.#max, limit))
    this.#probe = undefined
  }

  /** Requests finished per millisecond, in the last window. */
  get throughput(): number {
    return this.#throughput
  }

  /** A request has started. */
  started(now: number): void {
    this.#measureArea(now, 1)
    if (this.#inFlight.size > this.#maxInFlight) this.#maxInFlight = this.#inFlight.size
  }

  /** A request cannot start at once: the limit is in use. */
  waited(now: number): void {
    this.#usedAt = now
    this.#maxInFlight = Math.max(this.#maxInFlight, this.limit)
  }

  /**
   * A request no longer counts, and its latency says nothing: an outlier, one that waits for its client, or a stream.
   */
  leftUnmeasured(now: number): void {
    this.#measureArea(now, -1)
  }

  /**
   * A client has left. If its request was slow already, its latency counts, although the answer would have come later
   * still: where all clients leave, there is no other latency to learn from.
   */
  clientLeft(now: number, startedAt: number, loopDelay: number): void {
    const isSlow = this.#baseline > 0 && now - startedAt - loopDelay > TOLERANCE * this.#baseline
    if (isSlow && this.#probe === undefined) this.finished(now, startedAt, loopDelay)
    else this.leftUnmeasured(now)
  }

  /** A request is answered. @param loopDelay milliseconds that the answer has waited for the event loop */
  finished(now: number, startedAt: number, loopDelay: number): void {
    this.#measureArea(now, -1)
    if (this.#probe !== undefined) {
      this.#observe(this.#probe, now, startedAt)
      return
    }
    const latency = now - startedAt
    this.#grossLatency += latency
    this.#netLatency += Math.max(MIN_NET_LATENCY_SHARE * latency, latency - loopDelay)
    this.#samples += 1
    if (now - this.#windowStart >= WINDOW_MS && this.#samples >= MIN_SAMPLES) this.#endWindow(now)
  }

  /** @param change by which the number of requests in flight has just changed */
  #measureArea(now: number, change: 1 | -1): void {
    const probe = this.#probe
    if (probe === undefined) return
    probe.area += (this.#inFlight.size - change) * (now - probe.areaUntil)
    probe.areaUntil = now
  }

  #endWindow(now: number): void {
    const inFlight = this.#grossLatency / (now - this.#windowStart)
    // By Little's law: with the same throughput, fewer in flight are answered sooner in proportion.
    const share = this.#observing ? Math.min(1, this.#limit / inFlight) : 1
    const latency = share * (this.#netLatency / this.#samples)
    const saturated = this.#maxInFlight >= Math.floor(SATURATED * Math.floor(this.#limit))
    const used = this.#maxInFlight >= USED * this.#limit
    this.#throughput = this.#samples / (now - this.#windowStart)
    this.#latency = latency
    this.#beginWindow(now)
    this.#learn(latency, saturated)
    const gradient = (TOLERANCE * this.#baseline) / latency
    if (used) this.#adjust(gradient, saturated, now - this.#startedAt < INITIAL_PHASE_MS)
    if (!this.#observing) this.#considerProbe(now, saturated, gradient < 1, inFlight)
  }

  #beginWindow(now: number): void {
    this.#windowStart = now
    this.#grossLatency = 0
    this.#netLatency = 0
    this.#samples = 0
    this.#maxInFlight = this.#inFlight.size
  }

  #learn(latency: number, saturated: boolean): void {
    if (this.#baseline === 0) this.#baseline = latency
    else if (latency < this.#baseline) this.#baseline += BASELINE_FALL * (latency - this.#baseline)
    else if (!saturated) this.#baseline += BASELINE_RISE * (latency - this.#baseline)
  }

  #adjust(gradient: number, saturated: boolean, begins: boolean): void {
    const limit = this.#limit
    let wanted = limit * Math.max(MIN_GRADIENT, Math.min(1, gradient))
    if (gradient < 1) this.#isSettling = false
    if (gradient >= 1 && saturated) {
      if (this.#isSettling) wanted += INITIAL_GROWTH * limit
      else wanted += gradient > TOLERANCE / UNQUEUED ? Math.max(Math.sqrt(limit), GROWTH * limit) : Math.sqrt(limit)
    }
    const smoothing = gradient < 1 && begins ? INITIAL_SMOOTHING : SMOOTHING
    this.#limit = Math.max(this.#min, Math.min(this.#max, limit + smoothing * (wanted - limit)))
  }

  #considerProbe(now: number, saturated: boolean, slow: boolean, inFlight: number): void {
    if (!saturated) {
      this.#nextProbe = Infinity
    } else if (this.#nextProbe === Infinity) {
      this.#interval = PROBE_INTERVAL_MS
      this.#nextProbe = now + FIRST_PROBE_AFTER_MS
    }
    if (!saturated || !slow) this.#healthyLimit = Math.max(this.#healthyLimit, this.#limit)
    const shrunk = slow && this.#limit < SHRUNK * this.#healthyLimit
    if (saturated && (shrunk || now >= this.#nextProbe)) this.#beginProbe(now, inFlight)
  }

  #beginProbe(now: number, inFlight: number): void {
    this.#probe = {
      limit: Math.max(MIN_PROBE_LIMIT, Math.min(this.#limit, inFlight) * PROBE_SHARE),
      inFlight,
      startedAt: now,
      throughput: this.#throughput,
      settled: 0,
      countedFrom: 0,
      finished: 0,
      area: 0,
      areaUntil: now,
    }
  }

  #observe(probe: Probe, now: number, startedAt: number): void {
    if (probe.countedFrom > 0) {
      probe.finished += 1
      const enough = probe.finished >= PROBE_SAMPLES && now - probe.countedFrom >= MIN_PROBE_MS
      if (enough) this.#conclude(probe, now)
    } else if (startedAt >= probe.startedAt) {
      probe.settled += 1
      if (probe.settled === PROBE_SETTLED) {
        probe.countedFrom = now
        probe.area = 0
      }
    }
    this.checkTime(now)
  }

  /** Ends the probe if it is time. */
  checkTime(now: number): void {
    if (this.#probe !== undefined && now - this.#probe.startedAt >= PROBE_MS) this.#endProbe(now, false)
  }

  #conclude(probe: Probe, now: number): void {
    const throughput = probe.finished / (now - probe.countedFrom)
    const latency = probe.area / probe.finished
    const before = this.#baseline
    const share = probe.limit / Math.max(probe.limit, probe.inFlight)
    const isSlow = this.#latency > TOLERANCE * before
    const isTold = isSlow && probe.inFlight >= MIN_REFUTING_IN_FLIGHT
    if (isTold && throughput <= IN_PROPORTION * share * probe.throughput && latency >= SAME_LATENCY * this.#latency) this.#refuted = true
    if (latency < before || throughput < UNHARMED * probe.throughput) {
      this.#baseline += (this.#probed ? PROBE_WEIGHT : 1) * (latency - before)
      this.#probed = true
    }
    this.#endProbe(now, Math.abs(this.#baseline / before - 1) > CHANGED)
  }

  #endProbe(now: number, changed: boolean): void {
    this.#probe = undefined
    this.#interval = changed ? PROBE_INTERVAL_MS : Math.min(MAX_PROBE_INTERVAL_MS, 2 * this.#interval)
    this.#nextProbe = now + (changed ? CHANGING_PROBE_INTERVAL_MS : this.#interval)
    this.#healthyLimit = this.#limit
    this.#beginWindow(now)
  }
}
