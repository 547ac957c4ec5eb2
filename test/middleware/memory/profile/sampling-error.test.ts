/** Chance in sampled sizes: against a simulation of V8's sampler. */
import { describe, expect, it } from '@jest/globals'
import { CallSiteTable, type CallSite } from '../../../../middleware/memory/profile/call-sites.js'
import type { HeapSource } from '../../../../middleware/memory/profile/heap-sampler.js'
import { deviation, CONFIDENCE, type HeapSample } from '../../../../middleware/memory/profile/sampling-error.js'
import type { Stack } from '../../../../middleware/memory/profile/stacks.js'

const INTERVAL = 524_288

/** Numbers from 0 to 1, always the same. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** As V8: an allocation is sampled with the probability 1 - exp(-size / interval), and then stands for its size through that. */
function sampled(sizes: readonly number[], random: () => number, first = 1): HeapSample[] {
  const samples: HeapSample[] = []
  for (const size of sizes) {
    const chance = -Math.expm1(-size / INTERVAL)
    if (random() < chance) samples.push({ ordinal: first + samples.length, size: Math.round(size / chance) })
  }
  return samples
}

describe('the deviation', () => {
  it.each([[4000, 4000], [300_000, 60], [900_000, 30]])('of allocations of %i bytes covers what a simulation does', (size, count) => {
    const random = randomFrom(size)
    const truth = size * count
    let within = 0
    for (let round = 0; round < 100; round++) {
      const samples = sampled(Array.from({ length: count }, () => size), random)
      const sum = samples.reduce((total, { size: bytes }) => total + bytes, 0)
      if (Math.abs(sum - truth) <= CONFIDENCE * deviation(samples, INTERVAL)) within++
    }
    // With few samples the deviation is estimated from few, too.
    expect(within).toBeGreaterThanOrEqual(92)
  })

  it('is next to nothing for what is certain to be sampled', () => {
    expect(deviation([{ ordinal: 1, size: 20 * INTERVAL }], INTERVAL)).toBeLessThan(INTERVAL / 1000)
    expect(deviation([{ ordinal: 1, size: INTERVAL }], INTERVAL)).toBeGreaterThan(INTERVAL * 0.9)
  })
})

describe('growth since a mark', () => {
  class Profiles implements HeapSource {
    samples: HeapSample[] = []
    taken = 0
    take(): ReturnType<HeapSource['take']> {
      const bytes = this.samples.reduce((sum, { size }) => sum + size, 0)
      const stack: Stack = { places: [{ name: 'remember', url: '/srv/app/visits.js', line: 15, column: 0, at: 0 }], values: [this.samples.length, bytes], samples: this.samples }
      return Promise.resolve({ time: 1000 * ++this.taken, pauseMs: 1, interval: INTERVAL, total: bytes, stacks: this.samples.length > 0 ? [stack] : [] })
    }
  }
  const samples = (first: number, count: number): HeapSample[] => Array.from({ length: count }, (_, index) => ({ ordinal: first + index, size: INTERVAL + 60 }))
  const grown = async (then: HeapSample[], now: HeapSample[]): Promise<CallSite | undefined> => {
    const source = new Profiles()
    const table = new CallSiteTable(source)
    source.samples = then
    await table.mark()
    source.samples = now
    return (await table.sites()).sites[0]
  }
  const isChance = (site: CallSite | undefined): boolean => Math.abs(site?.growth ?? 0) <= (site?.margin ?? 0)

  it('of one sample may be chance, of ten new ones it is not, however much is held besides', async () => {
    expect(isChance(await grown([], samples(1, 1)))).toBe(true)
    expect(isChance(await grown([], samples(1, 10)))).toBe(false)
    expect(isChance(await grown(samples(1, 200), samples(1, 210)))).toBe(false)
  })

  it('of what comes and goes may be chance: a hundred went, a hundred and seven came', async () => {
    expect(isChance(await grown(samples(1, 100), samples(1000, 107)))).toBe(true)
    expect(isChance(await grown(samples(1, 100), samples(1000, 160)))).toBe(false)
  })
})
