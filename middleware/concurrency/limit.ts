/**
 * How many may be in flight: as many as come, until something behind the handlers turns out to be scarce; then as many as
 * keep that busy, and few more, for as long as they have to wait. What is in flight is what may hold something scarce:
 * requests that wait for their client do not, and neither do those that take many times longer than the others.
 */
import type { Admission, Clock } from './admission.js'
import { EXPERIMENT_MILLISECONDS } from './experiment.js'
import { Gradient, PROBE_MILLISECONDS, type GradientOptions } from './gradient.js'
import { InFlight } from './in-flight.js'
import { Scarcity } from './scarcity.js'

/** A request that takes longer than this, in milliseconds, and than so many times the usual, is another kind. */
const LONG = 1000
const TIMES_LONGER = 8
/** Latency may be so many times what it is without a queue. */
const TOLERANCE = 2
/** A limit begins no lower: the least latency that was seen may have been luck, and what is too much shrinks soon. */
const BEGIN_AT_LEAST = 20
/** While the limit is in use, who waits for its client is looked for so often, in milliseconds. */
const LOOKED_FOR_EACH = 50
/** Latency cannot be less than this share of what was measured, however long the loop was late. */
const LEAST_NET = 0.1

/** Node's timers may ring so many milliseconds before their time. */
const TIMERS_EARLY = 2

export interface LimitOptions extends GradientOptions {
  /** Whether requests may wait for some moments, so that a decision can be tried. */
  readonly experimenting: boolean
  /** Called when an experiment has ended by time: others may start. */
  readonly onEnd: () => void
}

export class Limit<Request extends Admission> {
  readonly #clock: Clock
  readonly #max: number
  readonly #onEnd: () => void
  readonly #gradient: Gradient
  readonly #scarcity: Scarcity
  readonly #inFlight = new InFlight<Request>()
  /** All that are started, and those of them that count. */
  #active = 0
  #counted = 0
  #open: boolean
  #long = LONG
  #lookedAt = 0
  #stopTimer: (() => void) | undefined

  constructor(clock: Clock, options: LimitOptions) {
    const now = clock.now()
    this.#clock = clock
    this.#max = options.max
    this.#onEnd = options.onEnd
    this.#gradient = new Gradient(options, now)
    this.#scarcity = new Scarcity(now, options.experimenting)
    this.#open = options.initial === options.max
  }

  /** How many may be in flight now. */
  get now(): number {
    return this.#open ? this.#scarcity.limit ?? this.#max : this.#gradient.limit
  }

  /** The same without what is only tried. */
  get settled(): number {
    return this.#open ? this.#max : this.#gradient.settledLimit
  }

  set settled(limit: number) {
    this.#open = limit === this.#max
    this.#scarcity.reset(this.#clock.now())
    this.#gradient.begin(this.#clock.now(), limit, 0, this.#counted)
  }

  /** Started requests. */
  get active(): number {
    return this.#active
  }

  /** Finished requests a millisecond, of late. */
  get throughput(): number {
    return this.#open ? this.#scarcity.throughput : this.#gradient.throughput
  }

  /** Milliseconds that requests may wait longer than otherwise, because fewer are let in to try that. */
  get trial(): number {
    if (this.#open) return this.#scarcity.limit === undefined ? 0 : EXPERIMENT_MILLISECONDS
    return this.#gradient.isProbing ? PROBE_MILLISECONDS : 0
  }

  /** Whether one more may start. */
  admits(now: number): boolean {
    if (this.#active >= this.#max) return false
    this.#leaveOutLong(now)
    if (this.#counted < this.now) return true
    if (now - this.#lookedAt < LOOKED_FOR_EACH) return false
    this.#lookedAt = now
    for (const request of this.#inFlight) {
      if (request.waitsForClient) this.#leaveOut(request, now)
    }
    return this.#counted < this.now
  }

  /** Whether this one may start while others wait for the end of an experiment. */
  passes(request: Request): boolean {
    return this.#open && this.#active < this.#max && this.#scarcity.passes(request.target)
  }

  /** A request has to wait. */
  waited(now: number): void {
    if (!this.#open) this.#gradient.waited(now)
  }

  started(request: Request, now: number): void {
    this.#active += 1
    this.#counted += 1
    this.#inFlight.add(request)
    if (this.#open) {
      this.#scarcity.started(now, request.target, this.#counted)
    } else {
      this.#gradient.started(now)
      if (this.#gradient.isRefuted(now)) this.#reopen(now)
    }
  }

  /** It is over, or does not count any more. `loopWait` is what its end has waited for the event loop. */
  released(request: Request, now: number, startedAt: number, loopWait: number): void {
    this.#active -= 1
    if (this.#open && request.left) this.#leftOpen(now, startedAt)
    if (!request.inFlight) return
    this.#inFlight.remove(request)
    this.#counted -= 1
    if (request.left) {
      if (!this.#open) this.#gradient.gaveUp(now, startedAt, loopWait)
      return
    }
    if (this.#open) {
      const latency = now - startedAt
      this.#scarcity.finished(now, startedAt, request.target, Math.max(LEAST_NET * latency, latency - loopWait), this.#counted + 1)
      this.#decide(now)
    } else {
      this.#gradient.finished(now, startedAt, loopWait)
      if (this.#gradient.isRefuted(now)) this.#reopen(now)
    }
    if (this.#stopTimer === undefined && this.trial > 0) this.#arm()
  }

  close(): void {
    this.#stopTimer?.()
  }

  #leftOpen(now: number, startedAt: number): void {
    this.#scarcity.left(now, startedAt, this.#active + 1)
    this.#decide(now)
  }

  /** What was found, becomes the limit. */
  #decide(now: number): void {
    const { found } = this.#scarcity
    if (found === undefined) return
    this.#open = false
    this.#long = Math.max(LONG, TIMES_LONGER * found.latency)
    const enough = Math.min(this.#counted, TOLERANCE * found.latency * found.throughput)
    this.#gradient.begin(now, Math.max(BEGIN_AT_LEAST, enough), found.latency, this.#counted)
  }

  #reopen(now: number): void {
    this.#open = true
    this.#long = LONG
    this.#scarcity.reset(now)
  }

  /** Whatever is tried ends, though no request may. */
  #arm(): void {
    this.#stopTimer = this.#clock.setTimeout(() => {
      this.#stopTimer = undefined
      const now = this.#clock.now()
      if (this.#open) {
        this.#scarcity.look(now)
        this.#decide(now)
      } else {
        this.#gradient.look(now)
      }
      if (this.trial > 0) this.#arm()
      this.#onEnd()
    }, this.trial + TIMERS_EARLY)
  }

  #leaveOutLong(now: number): void {
    for (;;) {
      const { oldest } = this.#inFlight
      if (oldest?.startedAt === undefined || now - oldest.startedAt < this.#long) return
      this.#leaveOut(oldest, now)
    }
  }

  #leaveOut(request: Request, now: number): void {
    this.#inFlight.remove(request)
    this.#counted -= 1
    if (!this.#open) this.#gradient.left(now)
  }
}
