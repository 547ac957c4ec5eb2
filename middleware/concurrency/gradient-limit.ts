/**
 * The limit that tunes itself: as many requests in flight as keep what is behind the handlers busy, and few more.
 *
 * Once a second the mean latency is compared with a baseline. As long as it is within the tolerance the limit grows, and
 * above it shrinks in proportion. A baseline that follows the latency drifts upwards under a long overload (Gradient2),
 * so this one is frozen while the limit is in use; a frozen one would not learn of a lasting change, so it is probed:
 * for a moment a third as many are let in, and by Little's law the latency is what was in flight over what was finished.
 *
 * Latencies are net of what the answer waited for this event loop: that is the gate's business, and to let fewer in
 * because of it would only starve what is behind the handlers.
 */

const WINDOW_MS = 1000
const MIN_SAMPLES = 10
/** How much of the limit has to be in use for it to be known to matter. */
const SATURATED = 0.9
const USED = 0.5
/** Latency may be so many times the baseline. */
const TOLERANCE = 2
const MIN_GRADIENT = 0.5
const SMOOTHING = 0.2
/** For so long after its beginning it shrinks faster. */
const INITIAL_PHASE_MS = 15_000
const INITIAL_SMOOTHING = 0.5
/** Without queueing to be seen (latency within so many baselines) the limit grows by a tenth a second. */
const UNQUEUED = 1.15
const GROWTH = 0.5
/** Until latency has first been above the tolerance it grows by a seventh a second. */
const INITIAL_GROWTH = 0.75
/** The baseline falls fast, and rises slowly while the limit is not in use. */
const BASELINE_FALL = 0.1
const BASELINE_RISE = 2 / 601
/** Latency cannot be less than this share of what was measured, however long the loop was late. */
const MIN_NET_LATENCY_SHARE = 0.1

/** Milliseconds of saturation before the first probe, and between later ones: twice as long each time nothing changed. */
const FIRST_PROBE_AFTER_MS = 4000
/** … sooner while they change something … */
const CHANGING_PROBE_INTERVAL_MS = 5000
const PROBE_INTERVAL_MS = 10_000
const MAX_PROBE_INTERVAL_MS = 60_000
/** A limit that has shrunk to this share is a reason to probe at once: perhaps it is the baseline that is wrong. */
const SHRUNK = 0.75
/** Tolerance lets the latency be twice the baseline: half as many would only confirm a baseline that is too high. */
const PROBE_SHARE = 1 / 3
const MIN_PROBE_LIMIT = 2
/** A probe begins to count after so many requests that it let in, and takes so many, so long. */
const PROBE_SETTLED = 10
const PROBE_SAMPLES = 50
const MIN_PROBE_MS = 200
/** For how long at most, in ms, the limit is lowered to measure the latency without a queue. */
export const PROBE_MS = 1000
/** A third as many in flight, but so much of the throughput: then they were queueing, and the baseline is no higher. */
const UNHARMED = 0.9
/** What a probe tells counts for half of the baseline; for all of it where it is the first. */
const PROBE_WEIGHT = 0.5
/** A third as many in flight, as little of the throughput, up to so many times, and latency as far above the baseline: nothing is scarce. */
const IN_PROPORTION = 1.4
const SAME_LATENCY = 0.75
/** … unless so few are in flight: then it is the limit that has shrunk too far. */
const MIN_REFUTING_IN_FLIGHT = 16
/** Where nobody has had to wait for so long, nothing is scarce any more. */
const UNUSED_AFTER_MS = 10_000
const CHANGED = 0.15

/** Bounds of the limit, in requests. */
export interface GradientOptions {
  min: number
  max: number
  initial: number
  /** Nobody is held back, so the limit is compared with the latency that it would have made. Default: false. */
  observing?: boolean
}

/** For a moment, fewer. */
interface Probe {
  limit: number
  /** How many were, before. */
  inFlight: number
  startedAt: number
  /** Finished requests a millisecond before. */
  throughput: number
  /** Requests that it let in and that are finished. */
  settled: number
  /** From here on it counts; 0 before. */
  countedFrom: number
  finished: number
  /** Requests in flight, times milliseconds. */
  area: number
  areaUntil: number
}

/** The limit by the gradient of latencies: the usual one over the present one. */
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
  /** A probe has told something. */
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

  /** Begins at this limit, where a request takes `baseline` that waits for nobody. */
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

  /** Whether it has turned out that nothing is scarce, or not any more. */
  isRefuted(now: number): boolean {
    return this.#refuted || now - this.#usedAt > UNUSED_AFTER_MS
  }

  get isProbing(): boolean {
    return this.#probe !== undefined
  }

  /** How many may be in flight now: whole, and at least 1. */
  get limit(): number {
    return Math.max(1, Math.floor(this.#probe?.limit ?? this.#limit))
  }

  /** What it has converged to, without the probe that may be under way. */
  get settledLimit(): number {
    return Math.floor(this.#limit)
  }

  /** Goes on from there. */
  set settledLimit(limit: number) {
    this.#limit = Math.max(this.#min, Math.min(this.#max, limit))
    this.#probe = undefined
  }

  /** Finished requests a millisecond, in the last window. */
  get throughput(): number {
    return this.#throughput
  }

  /** A request is let in. */
  started(now: number): void {
    this.#measureArea(now, 1)
    if (this.#inFlight.size > this.#maxInFlight) this.#maxInFlight = this.#inFlight.size
  }

  /** A request has to wait: the limit is in use. */
  waited(now: number): void {
    this.#usedAt = now
    this.#maxInFlight = Math.max(this.#maxInFlight, this.limit)
  }

  /** A request is over that says nothing about latency: a stream, leaked, a health check. */
  leftUnmeasured(now: number): void {
    this.#measureArea(now, -1)
  }

  /**
   * The client has left. If it was slow already, then the answer would have taken longer still: where all leave there is
   * nothing else to learn from.
   */
  clientLeft(now: number, startedAt: number, loopDelay: number): void {
    const isSlow = this.#baseline > 0 && now - startedAt - loopDelay > TOLERANCE * this.#baseline
    if (isSlow && this.#probe === undefined) this.finished(now, startedAt, loopDelay)
    else this.leftUnmeasured(now)
  }

  /** A request is answered. `loopDelay` is what the answer waited for the event loop, in milliseconds. */
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

  /** @param change of the number in flight, just now */
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
