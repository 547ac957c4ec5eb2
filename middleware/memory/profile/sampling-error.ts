/**
 * How far chance goes in what a sampling profiler says. An allocation of `s` bytes is sampled with the probability
 * p = 1 - exp(-s / interval), a Poisson process, and then stands for s / p bytes: so the variance of a sum of estimates w = s / p is,
 * as estimated from the same samples, the sum of w * w * (1 - p). What is much larger than the interval is sampled for certain. Pure.
 */

/** One sample of V8's heap profiler. */
export interface HeapSample {
  /** Rises with each sample; the same in each profile that has it. */
  readonly ordinal: number
  /** The estimate, bytes. */
  readonly size: number
}

/** Standard deviations: 99 of 100 times chance is less. Dozens of call sites are looked at together. */
export const CONFIDENCE = 2.58
/** 95 of 100 times it is less in the direction of growth. */
export const GROWTH = 1.645

const ROUNDS = 24

/** The standard deviation of the estimates' sum, bytes. */
export function deviation(samples: Iterable<HeapSample>, interval: number): number {
  let variance = 0
  for (const { size } of samples) variance += size * size * Math.exp(-allocated(size, interval) / interval)
  return Math.sqrt(variance)
}

/** Bytes of the allocation that an estimate stands for: s = w * (1 - exp(-s / interval)), by iteration from above. */
function allocated(estimate: number, interval: number): number {
  let bytes = estimate
  for (let round = 0; round < ROUNDS; round++) bytes = estimate * -Math.expm1(-bytes / interval)
  return bytes
}

/** What came since, and what is gone. */
export function changed(then: ReadonlyMap<number, HeapSample>, now: readonly HeapSample[]): HeapSample[] {
  const present = new Set(now.map(({ ordinal }) => ordinal))
  const gone = [...then.values()].filter(({ ordinal }) => !present.has(ordinal))
  return [...now.filter(({ ordinal }) => !then.has(ordinal)), ...gone]
}
