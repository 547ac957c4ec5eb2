/** Looks at the process once a second. */
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import { Cgroup, type CgroupMemory } from './cgroup.js'
import type { Sample } from './history.js'
import { LoopDelay } from './loop-delay.js'

/** A space of V8's heap, octets. */
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
  /** `heap_size_limit`, octets. */
  heapLimit: number
  cgroup: CgroupMemory
}

export interface SamplerOptions {
  /** Requests that are open, and how many were over by now. */
  requests: Readonly<{ inFlight: number; over: number }>
  /** After the last major collection, octets. */
  liveHeap: () => number | null
  /** Called with each reading. */
  onReading: (reading: Reading) => void
}

const INTERVAL = 1000

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
    this.#timer = setInterval(() => { this.#tick() }, INTERVAL).unref()
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
