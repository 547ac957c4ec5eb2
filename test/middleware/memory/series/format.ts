/** What a recorded series is as data, and how it is read and written: one JSON file a series, columns of whole KiB and ms. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type SetName = 'fitting' | 'judging' | 'slow'
export const SETS: readonly SetName[] = ['fitting', 'judging', 'slow']

/** A recorded process: what it did, and what could be seen of its memory from inside. */
export interface Series {
  name: string
  kind: 'leak' | 'harmless'
  /** `process.version` of the recorded process. */
  node: string
  /** What was done, to read and to record again. */
  recipe: Recipe
  /** V8's heap limit, KiB. */
  heapLimit: number
  /** At every major collection: ms since the recording began, live heap without the new space and external memory in KiB. */
  collections: { time: number[]; live: number[]; external: number[] }
  /** Twice a second: ms; KiB; requests answered since the last sample; requests in flight. */
  samples: { time: number[]; rss: number[]; heapTotal: number[]; external: number[]; requests: number[]; inFlight: number[] }
}

/** One line of a set's list. */
export interface Recipe {
  /** Name of a behaviour in behaviours.ts. */
  behaviour: string
  /** Name of a shape in load.ts. */
  shape: string
  seed: number
  /** Mean requests a second. */
  rate: number
  /** Octets that a unit of the behaviour has. */
  size: number
  /** Seconds that the recording lasts. */
  duration: number
  /** Seconds that behaviours count as the whole: what fills has filled by a part of them. */
  pace?: number
  /** Seconds of load before the behaviour and the recording begin; they are none of `duration`. Default: 0. */
  warmUp?: number
  /** Major version of Node. */
  node: 20 | 24
  /** `--max-old-space-size`, MiB. */
  heap: number
  /** MiB of live objects that are there from the start. */
  base: number
}

/** The folder of this file in the sources, where the data is: compiled code runs from dist/. */
export const FOLDER = fileURLToPath(new URL('../../../../../test/middleware/memory/series/', import.meta.url))

export function readSet(set: SetName): Series[] {
  const folder = join(FOLDER, set)
  return readdirSync(folder).filter((name) => name.endsWith('.json')).sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Series)
}

export function writeSeries(set: SetName, series: Series): void {
  writeFileSync(join(FOLDER, set, `${series.name}.json`), `${JSON.stringify(series)}\n`)
}

/** Numbers from 0 up to 1 that a seed determines (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
