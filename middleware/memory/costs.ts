/** For how long what is costly holds everything up, by the size of the heap: estimates from what was measured. Runs in browsers too. */

/** ms in which nothing else runs, from and to. */
export type Span = readonly [least: number, most: number]

/** For how long each costly operation holds everything up: from the least to the most, in ms. */
export interface Costs {
  /** A forced collection. */
  collection: Span
  /** The start of a profile of the processor: V8 looks at every function of the heap. */
  profile: Span
  /** A heap snapshot. */
  snapshot: Span
  /** Bytes of memory that a snapshot may need. */
  snapshotMemory: number
}

const MB = 1_000_000
/** A snapshot of 200 MB of heap took the process to 2.4 GB. */
const SNAPSHOT_FACTOR = 12

/**
 * `heap`: bytes in use. Measured on Node 20 to 26: collections of 50 to 800 MB took 44 ms to 4.3 s, profiles of 300 MB began with
 * 0.3 to 0.4 s, snapshots of 200 MB took 9 to 40 s and of 800 MB 64 to 245 s, so more for each megabyte of a larger heap.
 */
export function costsOf(heap: number): Costs {
  const size = heap / MB
  const larger = Math.max(1, size / 200)
  return {
    collection: [size * 0.4, Math.max(20, size * 5)],
    profile: [Math.max(2, size), Math.max(20, size * 1.5)],
    snapshot: [size * 45 * larger ** 0.4, size * 200 * larger ** 0.3],
    snapshotMemory: heap * SNAPSHOT_FACTOR,
  }
}

/** `0.3 to 0.5 s`. */
export function spanText([least, most]: Span): string {
  if (most < 1000) return `${String(rounded(least))} to ${String(rounded(most))} ms`
  if (most < 120_000) return `${String(rounded(least / 1000))} to ${String(rounded(most / 1000))} s`
  return `${String(rounded(least / 60_000))} to ${String(rounded(most / 60_000))} minutes`
}

/** To one digit, two from ten on: they are estimates. */
function rounded(value: number): number {
  return Number(value.toPrecision(value < 10 ? 1 : 2))
}
