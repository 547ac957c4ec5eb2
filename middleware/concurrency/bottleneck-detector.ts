/**
 * Tells whether something behind the handlers is scarce: a database pool, a licence, a slow peer with few connections.
 * Handlers that wait are no sign of it, and neither are long waits: waiting costs nothing. The sign is that all take
 * longer the more are in flight. Where it looks so, an experiment decides. Pure; times in milliseconds.
 */
import { RecentLatencies, Experiment, type Finding } from './experiment.js'

/** Latencies are averaged over so long at least, and over so many requests. */
const WINDOW_MS = 200
const MIN_SAMPLES = 50
/** So many times the least latency, and so much more, is suspicious, … */
const SUSPICIOUS_FACTOR = 2
const SUSPICIOUS_MS = 10
/** … as long as so many are in flight. */
const MIN_IN_FLIGHT = 16
/** The least latency rises by this share of the difference in each window. */
const MIN_LATENCY_RISE = 0.005
/** From one experiment to the next: at once twice as long each time that there was enough. */
const EXPERIMENT_INTERVAL_MS = 5000
const MAX_EXPERIMENT_INTERVAL_MS = 300_000
const INCONCLUSIVE_INTERVAL_MS = 1000
/** An experiment lets in so many times what is in flight where nobody waits, at least so many, and at most this share of what is. */
const TRIAL_FACTOR = 1.5
const MIN_TRIAL_LIMIT = 8
const MAX_TRIAL_SHARE = 0.5
/** Where so many of those that end leave without an answer, for so many windows in a row, it is too late for experiments. */
const ABANDONED_SHARE = 0.3
const ABANDONED_WINDOWS = 3
/** The least latency that was seen had some queueing in it: overload was on its way. A probe corrects this where it is too little. */
const UNQUEUED_SHARE = 0.8
/** The highest throughput is forgotten slowly, by this in each window. */
const PEAK_DECAY = 0.98
/** Where no experiment is possible, so many suspicious windows in a row decide. */
const SUSPICIOUS_WINDOWS = 3

/** What is known of something scarce. */
export interface Bottleneck {
  /** What a request takes that waits for nobody. */
  readonly latency: number
  /** Requests that are finished in a millisecond. */
  readonly throughput: number
}

/** Watches latencies and throughput, and tells when something is scarce. */
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
  /** The last experiment told nothing. */
  #lastWasInconclusive = false
  #found: Bottleneck | undefined

  /** @param experimenting whether requests may be let wait for an experiment */
  constructor(now: number, experimenting: boolean) {
    this.#windowStart = now
    this.#experimenting = experimenting
  }

  /** How many may be in flight, while an experiment is under way; undefined while none is. */
  get limit(): number | undefined {
    return this.#experiment?.limit
  }

  /** Whether it may start though the limit of the experiment is reached. */
  bypasses(target: string): boolean {
    return this.#experiment?.bypasses(target) ?? false
  }

  get throughput(): number {
    return this.#throughput
  }

  /** What was found, if anything is scarce. */
  get found(): Bottleneck | undefined {
    return this.#found
  }

  /** Starts to look anew. */
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

  /** `latency` is net of what the answer has waited for the event loop. */
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

  /** The client has left. One that left early did not do so for want of an answer. */
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
      // That nothing was found out twice is no reason to take this latency for the usual.
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
