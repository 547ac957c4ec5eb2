/** Looks at the process once a second. */
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import { Cgroup, type CgroupMemory } from './cgroup.js'
import type { Sample } from './history.js'

/** A space of V8's heap, bytes. */
export interface HeapSpace {
  name: string
  used: number
  size: number
  available: number
  physical: number
}

/** A sample with what is told with it and not kept. */
export interface Reading {
  sample: Sample
  spaces: HeapSpace[]
  /** ms of a clock that never goes back. */
  now: number
  /** `heap_size_limit`, bytes. */
  heapLimit: number
  cgroup: CgroupMemory
}

/** Where a sample takes its figures from. */
export interface SamplerOptions {
  /** Requests that are open, and how many were over by now. */
  requests: Readonly<{ inFlight: number; over: number }>
  /** After the last major collection, bytes. */
  liveHeap: () => number | null
  /** Called with each reading. */
  onReading: (reading: Reading) => void
}

const SAMPLE_INTERVAL_MS = 1000

/** Takes a sample of the process once a second. */
export class Sampler {
  readonly #options: SamplerOptions
  readonly #loopDelay = new LoopDelay()
  readonly #cgroup = new Cgroup()
  readonly #timer: NodeJS.Timeout
  #latest: Reading
  #over: number

  constructor(options: SamplerOptions) {
    this.#options = options
    this.#over = options.requests.over
    this.#latest = this.#read(performance.now(), 0)
    this.#timer = setInterval(() => { this.#tick() }, SAMPLE_INTERVAL_MS).unref()
  }

  /** At most a second old, or as old as the event loop comes late. */
  get latest(): Reading {
    return this.#latest
  }

  close(): void {
    clearInterval(this.#timer)
    this.#loopDelay.close()
  }

  #tick(): void {
    const now = performance.now()
    const passed = now - this.#latest.now
    this.#latest = this.#read(now, passed)
    this.#options.onReading(this.#latest)
  }

  #read(now: number, passed: number): Reading {
    const { requests, liveHeap } = this.#options
    const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
    const cgroup = this.#cgroup.memory()
    const ended = requests.over - this.#over
    this.#over = requests.over
    const sample: Sample = {
      time: Date.now(),
      rss,
      liveHeap: liveHeap(),
      heapUsed,
      heapTotal,
      external,
      arrayBuffers,
      cgroup: cgroup.use,
      loopDelay: this.#loopDelay.take(),
      inFlight: requests.inFlight,
      requestsPerSecond: passed > 0 ? Math.round(ended / passed * 100_000) / 100 : 0,
    }
    return { sample, spaces: heapSpaces(), now, heapLimit: getHeapStatistics().heap_size_limit, cgroup }
  }
}

/** Costs one to two microseconds. */
export function heapSpaces(): HeapSpace[] {
  return getHeapSpaceStatistics().map((space) => ({
    name: space.space_name,
    used: space.space_used_size,
    size: space.space_size,
    available: space.space_available_size,
    physical: space.physical_space_size,
  }))
}

/*
 * How late the event loop comes, at worst, between one look and the next. A timer of its own: Node's monitorEventLoopDelay()
 * forgets at each reset when its last tick was, and with it a delay that begins then.
 */

/**
 * ms between two ticks. A longer delay is seen for certain, as too short by at most this; more ticks would wake an idle
 * process more often.
 */
const TICK_INTERVAL_MS = 50

/** How late the event loop comes, measured by a timer. */
export class LoopDelay {
  readonly #timer: NodeJS.Timeout
  #last = performance.now()
  #most = 0

  constructor() {
    this.#timer = setInterval(() => { this.#tick() }, TICK_INTERVAL_MS).unref()
  }

  /** The longest delay since the last call, ms, to the tenth. */
  take(): number {
    // Who asks may be served before the tick that is overdue, which must not tell of the same delay again.
    if (this.#late() > 0) this.#tick()
    const most = this.#most
    this.#most = 0
    return Math.round(most * 10) / 10
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    this.#most = Math.max(this.#most, this.#late())
    this.#last = performance.now()
  }

  #late(): number {
    return Math.max(0, performance.now() - this.#last - TICK_INTERVAL_MS)
  }
}
