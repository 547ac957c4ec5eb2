/**
 * Tells whether something behind the handlers is scarce: a database pool, a licence, a slow peer with few connections.
 * Handlers that wait are no sign of it, and neither are long waits: waiting costs nothing. The sign is that all take
 * longer the more are in flight. Where it looks so, an experiment decides. Pure; times in milliseconds.
 */
import { Answered, Experiment, type Finding } from './experiment.js'

/** Latencies are averaged over so long at least, and over so many requests. */
const WINDOW = 200
const LEAST_SAMPLES = 50
/** So many times the least latency, and so much more, is suspicious, … */
const SUSPICIOUS = 2
const SUSPICIOUS_MILLISECONDS = 10
/** … as long as so many are in flight. */
const LEAST_IN_FLIGHT = 16
/** The least latency rises by this share of the difference in each window. */
const RISE = 0.005
/** From one experiment to the next: at once twice as long each time that there was enough. */
const INTERVAL = 5000
const MOST_INTERVAL = 300_000
const INCONCLUSIVE_INTERVAL = 1000
/** An experiment lets in so many times what is in flight where nobody waits, at least so many, and at most this share of what is. */
const TRIED = 1.5
const LEAST_TRIED = 8
const TRIED_SHARE = 0.5
/** Where so many of those that end leave without an answer, for so many windows in a row, it is too late for experiments. */
const LEAVING = 0.3
const LEAVING_WINDOWS = 3
/** The least latency that was seen had some queueing in it: overload was on its way. A probe corrects this where it is too little. */
const UNQUEUED_SHARE = 0.8
/** The highest throughput is forgotten slowly, by this in each window. */
const PEAK_KEPT = 0.98
/** Where no experiment is possible, so many suspicious windows in a row decide. */
const SUSPICIOUS_WINDOWS = 3

export interface Scarce {
  /** What a request takes that waits for nobody. */
  readonly latency: number
  /** Requests that are finished in a millisecond. */
  readonly throughput: number
}

export class Scarcity {
  readonly #experimenting: boolean
  readonly #answered = new Answered()
  #windowStart: number
  #sum = 0
  #samples = 0
  #least = 0
  #mean = 0
  #throughput = 0
  #peak = 0
  #left = 0
  #leaving = 0
  #experiment: Experiment | undefined
  #interval = INTERVAL
  #next = 0
  #suspicious = 0
  /** The last experiment told nothing. */
  #undecided = false
  #found: Scarce | undefined

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
  passes(target: string): boolean {
    return this.#experiment?.passes(target) ?? false
  }

  get throughput(): number {
    return this.#throughput
  }

  /** What was found, if anything is scarce. */
  get found(): Scarce | undefined {
    return this.#found
  }

  /** Starts to look anew. */
  reset(now: number): void {
    this.#experiment = undefined
    this.#found = undefined
    this.#suspicious = 0
    this.#leaving = 0
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
      this.look(now)
      return
    }
    this.#answered.add(latency, target)
    this.#sum += latency
    this.#samples += 1
    if (now - this.#windowStart >= WINDOW && this.#samples + this.#left >= LEAST_SAMPLES) this.#endWindow(now, inFlight)
  }

  /** The client has left. One that left early did not do so for want of an answer. */
  left(now: number, startedAt: number, inFlight: number): void {
    if (this.#experiment !== undefined || !this.#isSlow(now - startedAt)) return
    this.#left += 1
    if (now - this.#windowStart >= WINDOW && this.#samples + this.#left >= LEAST_SAMPLES) this.#endWindow(now, inFlight)
  }

  /** Ends the experiment if it is time. */
  look(now: number): void {
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
    this.#left = 0
  }

  #endWindow(now: number, inFlight: number): void {
    const mean = this.#samples === 0 ? this.#mean : this.#sum / this.#samples
    this.#mean = mean
    this.#throughput = this.#samples / (now - this.#windowStart)
    this.#peak = Math.max(this.#throughput, PEAK_KEPT * this.#peak)
    const isLeaving = this.#left >= LEAVING * (this.#samples + this.#left) && inFlight >= LEAST_IN_FLIGHT
    this.#leaving = isLeaving ? this.#leaving + 1 : 0
    this.#beginWindow(now)
    if (this.#leaving >= LEAVING_WINDOWS) {
      this.#conclude(now, 'scarce')
      return
    }
    if (this.#least === 0 || mean < this.#least) this.#least = mean
    else this.#least += RISE * (mean - this.#least)
    const isSuspicious = inFlight >= LEAST_IN_FLIGHT && this.#isSlow(mean)
    this.#suspicious = isSuspicious ? this.#suspicious + 1 : 0
    if (!isSuspicious) return
    if (this.#experimenting) {
      if (now < this.#next) return
      const limit = Math.max(LEAST_TRIED, Math.floor(Math.min(TRIED_SHARE * inFlight, TRIED * this.#least * this.#throughput)))
      this.#experiment = new Experiment(now, limit, this.#answered)
    } else if (this.#suspicious >= SUSPICIOUS_WINDOWS) {
      this.#conclude(now, 'scarce')
    }
  }

  #isSlow(latency: number): boolean {
    return latency >= SUSPICIOUS * this.#least && latency - this.#least >= SUSPICIOUS_MILLISECONDS
  }

  #conclude(now: number, finding: Finding): void {
    if (finding === 'scarce') {
      this.#undecided = false
      this.#interval = INTERVAL
      this.#next = now
      this.#found = { latency: UNQUEUED_SHARE * this.#least, throughput: this.#peak }
    } else if (finding === 'enough' || this.#undecided) {
      // That nothing was found out twice is no reason to take this latency for the usual.
      if (finding === 'enough') this.#least = this.#mean
      this.#undecided = false
      this.#next = now + this.#interval
      this.#interval = Math.min(MOST_INTERVAL, 2 * this.#interval)
    } else {
      this.#undecided = true
      this.#next = now + INCONCLUSIVE_INTERVAL
    }
  }
}
