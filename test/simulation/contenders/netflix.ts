/** Vegas and Gradient2 as Netflix's concurrency-limits describes them, with its defaults: no queue, rejects at once. */
import type { Contender, ContenderKind, Visit } from '../contender.js'
import type { EventLoop } from '../event-loop.js'
import type { Random } from '../random.js'

/** What updates a limit. */
interface Law {
  limit: number
  /** One sample: the latency in milliseconds, and how many were in flight when it began. */
  sample(latency: number, inFlight: number): void
}

class Limited implements Contender {
  readonly #loop: EventLoop
  readonly #law: Law
  readonly #started = new Map<Visit, { at: number; inFlight: number }>()

  constructor(loop: EventLoop, law: Law) {
    this.#loop = loop
    this.#law = law
  }

  arrive(visit: Visit): void {
    const inFlight = this.#started.size + 1
    if (inFlight > Math.floor(this.#law.limit)) {
      visit.reject()
      return
    }
    this.#started.set(visit, { at: this.#loop.now, inFlight })
    visit.start()
  }

  release(visit: Visit): void {
    const started = this.#started.get(visit)
    this.#started.delete(visit)
    if (started !== undefined && !visit.unanswered) this.#law.sample(this.#loop.now - started.at, started.inFlight)
  }

  leave(): void {
    return undefined
  }

  limit(): number {
    return this.#law.limit
  }
}

const WINDOW = 1000
const LEAST_SAMPLES = 10
const INITIAL = 20
const MOST = 1000
const PROBE = 30

/** Means over a second: single samples of a service whose time varies make Vegas collapse (concurrency-limits#37). */
class Windowed implements Law {
  readonly #loop: EventLoop
  readonly #law: Law
  #end = 0
  #sum = 0
  #samples = 0
  #inFlight = 0

  constructor(loop: EventLoop, law: Law) {
    this.#loop = loop
    this.#law = law
  }

  get limit(): number {
    return this.#law.limit
  }

  sample(latency: number, inFlight: number): void {
    this.#sum += latency
    this.#samples += 1
    this.#inFlight = Math.max(this.#inFlight, inFlight)
    if (this.#loop.now < this.#end || this.#samples < LEAST_SAMPLES) return
    this.#law.sample(this.#sum / this.#samples, this.#inFlight)
    this.#sum = 0
    this.#samples = 0
    this.#inFlight = 0
    this.#end = this.#loop.now + WINDOW
  }
}

class Vegas implements Law {
  limit = INITIAL
  readonly #random: Random
  #base = 0
  #samples = 0
  #jitter: number

  constructor(random: Random) {
    this.#random = random
    this.#jitter = 0.5 + 0.5 * random.next()
  }

  sample(latency: number, inFlight: number): void {
    this.#samples += 1
    if (this.#samples > this.#jitter * PROBE * this.limit) {
      this.#jitter = 0.5 + 0.5 * this.#random.next()
      this.#samples = 0
      this.#base = latency
      return
    }
    if (this.#base === 0 || latency < this.#base) {
      this.#base = latency
      return
    }
    if (inFlight * 2 < this.limit) return
    const step = Math.max(1, Math.log10(this.limit))
    const queue = Math.ceil(this.limit * (1 - this.#base / latency))
    if (queue <= step) this.limit += 6 * step
    else if (queue < 3 * step) this.limit += step
    else if (queue > 6 * step) this.limit -= step
    this.limit = Math.max(1, Math.min(MOST, this.limit))
  }
}

const LEAST = 20
const QUEUE = 4
const TOLERANCE = 1.5
const SMOOTHING = 0.2
const LONG = 2 / 601

class Gradient2 implements Law {
  limit = INITIAL
  #long = 0

  sample(short: number, inFlight: number): void {
    this.#long = this.#long === 0 ? short : this.#long + LONG * (short - this.#long)
    if (this.#long / short > 2) this.#long *= 0.95
    if (inFlight < this.limit / 2) return
    const gradient = Math.max(0.5, Math.min(1, (TOLERANCE * this.#long) / short))
    const wanted = this.limit * gradient + QUEUE
    this.limit = Math.max(LEAST, Math.min(MOST, this.limit * (1 - SMOOTHING) + wanted * SMOOTHING))
  }
}

export const vegas: ContenderKind = {
  name: 'Vegas',
  create: (loop, random) => new Limited(loop, new Windowed(loop, new Vegas(random))),
}

export const gradient2: ContenderKind = {
  name: 'Gradient2',
  create: (loop) => new Limited(loop, new Windowed(loop, new Gradient2())),
}
