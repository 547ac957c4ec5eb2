/**
 * The heap profile that was taken last, for those who ask again soon: each new one costs a collection. It is forgotten after
 * the time in which no new one is to be had.
 */
import { getHeapStatistics } from 'node:v8'
import type { HeapProfile, HeapSource } from './heap-sampler.js'

/** A heap profile, and how old it is. */
export interface RecentProfile {
  profile: HeapProfile
  /** Bytes alive after its collection. */
  liveHeap: number
  /** Seconds since it was taken. */
  age: number
}

/** Takes heap profiles from a source, and gives the last one again to those who ask soon. */
export class HeapProfileCache implements HeapSource {
  readonly #source: HeapSource
  #last: { profile: HeapProfile; liveHeap: number; taken: number } | undefined
  #kept = 0
  #forgetting: NodeJS.Timeout | undefined

  constructor(source: HeapSource) {
    this.#source = source
  }

  /** From now on the last one is kept for so many ms at least. */
  keep(ms: number): void {
    this.#kept = Math.max(this.#kept, ms)
  }

  async take(): Promise<HeapProfile> {
    const profile = await this.#source.take()
    clearTimeout(this.#forgetting)
    if (this.#kept > 0) {
      this.#last = { profile, liveHeap: getHeapStatistics().used_heap_size, taken: performance.now() }
      this.#forgetting = setTimeout(() => { this.forget() }, this.#kept).unref()
    }
    return profile
  }

  /** Undefined where there is none, or an older one than `most` ms. */
  recent(most: number): RecentProfile | undefined {
    if (this.#last === undefined) return undefined
    const { profile, liveHeap, taken } = this.#last
    const age = performance.now() - taken
    return age < most ? { profile, liveHeap, age: Math.floor(age / 1000) } : undefined
  }

  forget(): void {
    clearTimeout(this.#forgetting)
    this.#last = undefined
  }
}
