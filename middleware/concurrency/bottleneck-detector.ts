/**
 * Finds a bottleneck: something behind the handlers of which there is too little, such as connections of a database
 * pool, or licences. That handlers wait, even for long, is no sign of it. The sign is that requests take longer the
 * more are in flight. A window of time in which it looks so is suspicious, and an experiment decides. Pure; times in
 * milliseconds.
 */
import { RecentLatencies, Experiment, type Finding } from './experiment.js'

/**
 * A window takes at least so many milliseconds, and so many requests: over fewer, the mean latency is mostly chance.
 */
const WINDOW_MS = 200
const MIN_SAMPLES = 50
/** A latency is slow from so many times the least mean latency on: the tolerance of the gradient limit. */
const SUSPICIOUS_FACTOR = 2
/** It must also be so many milliseconds longer: the latency of quick handlers varies by some milliseconds anyway. */
const SUSPICIOUS_MS = 10
/** Requests in flight that a suspicious window needs: of fewer, MAX_TRIAL_SHARE is below MIN_TRIAL_LIMIT. */
const MIN_IN_FLIGHT = 16
/**
 * The share of its distance to the mean by which the least latency rises in each window: an app may get slower for
 * good.
 */
const MIN_LATENCY_RISE = 0.005
/**
 * Milliseconds to the next experiment after one that found no bottleneck; then twice as long each time, up to the
 * maximum.
 */
const EXPERIMENT_INTERVAL_MS = 5000
const MAX_EXPERIMENT_INTERVAL_MS = 300_000
/** Milliseconds to the next experiment after one that could not tell. */
const INCONCLUSIVE_INTERVAL_MS = 1000
/**
 * The limit of an experiment: so many times what is in flight without queueing (latency times throughput: Little's
 * law).
 */
const TRIAL_FACTOR = 1.5
/** Requests. The limit of an experiment is no lower: too few requests would be answered to compare. */
const MIN_TRIAL_LIMIT = 8
/**
 * The limit of an experiment is at most this share of the requests in flight, so that latency falls if they are
 * queueing.
 */
const MAX_TRIAL_SHARE = 0.5
/**
 * If the clients of this share of the requests leave after a slow wait, in so many windows in a row, there is a
 * bottleneck. No experiment is made: where clients leave, too few answers are left to compare.
 */
const ABANDONED_SHARE = 0.3
const ABANDONED_WINDOWS = 3
/**
 * The latency without queueing is taken to be this share of the least that was seen: an overload that builds up makes
 * some queueing part of it. If the share is too low, a probe of the gradient limit corrects it.
 */
const UNQUEUED_SHARE = 0.8
/** Factor by which the highest throughput decays in each window, so that an old peak is forgotten. */
const PEAK_DECAY = 0.98
/** Suspicious windows in a row that count as a bottleneck where no experiment may be made. */
const SUSPICIOUS_WINDOWS = 3

/** What is known of a bottleneck. */
export interface Bottleneck {
  /** Milliseconds that a request takes without queueing. */
  readonly latency: number
  /** The highest throughput, requests per millisecond. */
  readonly throughput: number
}

/** Watches latencies and throughput, and tells when there is a bottleneck. */
export class BottleneckDetector {
  readonly #experimenting: boolean
  readonly #recentLatencies = new RecentLatencies()
  #windowStart: number
  #sum = 0
  #samples = 0
  #minLatency = 0
  #meanLatency = 0
  #throughput = 0
  #peakThroughput = 0
  #abandoned = 0
  #abandonedWindows = 0
  #experiment: Experiment | undefined
  #interval = EXPERIMENT_INTERVAL_MS
  #nextExperimentAt = 0
  #suspiciousWindows = 0
  /** The last experiment could not tell. */
  #lastWasInconclusive = false
  #found: Bottleneck | undefined

  /** @param experimenting whether requests may be kept waiting for an experiment */
  constructor(now: number, experimenting: boolean) {
    this.#windowStart = now
    this.#experimenting = experimenting
  }

  /** How many requests may be in flight during an experiment; undefined while there is none. */
  get limit(): number | undefined {
    return this.#experiment?.limit
  }

  /** Whether a request may start although the limit of the experiment is reached. */
  bypasses(target: string): boolean {
    return this.#experiment?.bypasses(target) ?? false
  }

  get throughput(): number {
    return this.#throughput
  }

  /** The bottleneck, once it has been found. */
  get found(): Bottleneck | undefined {
    return this.#found
  }

  /** Forgets what was found, and looks anew. */
  reset(now: number): void {
    this.#experiment = undefined
    this.#found = undefined
    this.#suspiciousWindows = 0
    this.#abandonedWindows = 0
    this.#beginWindow(now)
  }

  started(now: number, target: string, inFlight: number): void {
    this.#experiment?.started(now, target, inFlight)
  }

  /** @param latency milliseconds, less what the answer has waited for the event loop */
  finished(now: number, startedAt: number, target: string, latency: number, inFlight: number): void {
    const experiment = this.#experiment
    if (experiment !== undefined) {
      experiment.finished(startedAt, target, latency)
      this.checkTime(now)
      return
    }
    this.#recentLatencies.add(latency, target)
    this.#sum += latency
    this.#samples += 1
    if (now - this.#windowStart >= WINDOW_MS && this.#samples + this.#abandoned >= MIN_SAMPLES) this.#endWindow(now, inFlight)
  }

  /** A client has left. It counts only after a slow wait: one that leaves early has another reason. */
  clientLeft(now: number, startedAt: number, inFlight: number): void {
    if (this.#experiment !== undefined || !this.#isSlow(now - startedAt)) return
    this.#abandoned += 1
    if (now - this.#windowStart >= WINDOW_MS && this.#samples + this.#abandoned >= MIN_SAMPLES) this.#endWindow(now, inFlight)
  }

  /** Ends the experiment if it is time. */
  checkTime(now: number): void {
    const experiment = this.#experiment
    if (experiment?.isOver(now) !== true) return
    this.#experiment = undefined
    this.#conclude(now, experiment.conclude(now))
    this.#beginWindow(now)
  }

  #beginWindow(now: number): void {
    this.#windowStart = now
    this.#sum = 0
    this.#samples = 0
    this.#abandoned = 0
  }

  #endWindow(now: number, inFlight: number): void {
    const mean = this.#samples === 0 ? this.#meanLatency : this.#sum / this.#samples
    this.#meanLatency = mean
    this.#throughput = this.#samples / (now - this.#windowStart)
    this.#peakThroughput = Math.max(this.#throughput, PEAK_DECAY * this.#peakThroughput)
    const isLeaving = this.#abandoned >= ABANDONED_SHARE * (this.#samples + this.#abandoned) && inFlight >= MIN_IN_FLIGHT
    this.#abandonedWindows = isLeaving ? this.#abandonedWindows + 1 : 0
    this.#beginWindow(now)
    if (this.#abandonedWindows >= ABANDONED_WINDOWS) {
      this.#conclude(now, 'bottleneck')
      return
    }
    if (this.#minLatency === 0 || mean < this.#minLatency) this.#minLatency = mean
    else this.#minLatency += MIN_LATENCY_RISE * (mean - this.#minLatency)
    const isSuspicious = inFlight >= MIN_IN_FLIGHT && this.#isSlow(mean)
    this.#suspiciousWindows = isSuspicious ? this.#suspiciousWindows + 1 : 0
    if (!isSuspicious) return
    if (this.#experimenting) {
      if (now < this.#nextExperimentAt) return
      const limit = Math.max(MIN_TRIAL_LIMIT, Math.floor(Math.min(MAX_TRIAL_SHARE * inFlight, TRIAL_FACTOR * this.#minLatency * this.#throughput)))
      this.#experiment = new Experiment(now, limit, this.#recentLatencies)
    } else if (this.#suspiciousWindows >= SUSPICIOUS_WINDOWS) {
      this.#conclude(now, 'bottleneck')
    }
  }

  #isSlow(latency: number): boolean {
    return latency >= SUSPICIOUS_FACTOR * this.#minLatency && latency - this.#minLatency >= SUSPICIOUS_MS
  }

  #conclude(now: number, finding: Finding): void {
    if (finding === 'bottleneck') {
      this.#lastWasInconclusive = false
      this.#interval = EXPERIMENT_INTERVAL_MS
      this.#nextExperimentAt = now
      this.#found = { latency: UNQUEUED_SHARE * this.#minLatency, throughput: this.#peakThroughput }
    } else if (finding === 'no-bottleneck' || this.#lastWasInconclusive) {
      // Two experiments that could not tell are no reason to take the present latency for the usual one.
      if (finding === 'no-bottleneck') this.#minLatency = this.#meanLatency
      this.#lastWasInconclusive = false
      this.#nextExperimentAt = now + this.#interval
      this.#interval = Math.min(MAX_EXPERIMENT_INTERVAL_MS, 2 * this.#interval)
    } else {
      this.#lastWasInconclusive = true
      this.#nextExperimentAt = now + INCONCLUSIVE_INTERVAL_MS
    }
  }
}
