/**
 * What a recorded series is as data, and how it is kept: a set is one file, compressed, a series a line of JSON in it, in the order of
 * their names; columns of whole KiB and ms.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, gunzipSync, gzipSync } from 'node:zlib'

export type SetName = 'fitting' | 'judging' | 'slow' | 'busy-fitting' | 'busy'
export const SETS: readonly SetName[] = ['fitting', 'judging', 'slow', 'busy-fitting', 'busy']

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
  /** Octets that a request holds for less than half a second, so that there are many collections. Default: fewer, for longer. */
  churn?: number
}

/** Where the sets are: in the sources, whereas compiled code runs from dist/. */
export const FOLDER = fileURLToPath(new URL('../../../test/fixtures/leak-series/', import.meta.url))

/** The series of a set, in the order of their names; none where nothing was recorded yet. */
export function readSet(set: SetName, folder = FOLDER): Series[] {
  const file = fileOf(set, folder)
  if (!existsSync(file)) return []
  const lines = gunzipSync(readFileSync(file)).toString('utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Series)
}

/** Puts series into a set: in the place of those that have their names, or beside them. A set is replaced whole, or stays as it was. */
export function writeSeries(set: SetName, recorded: readonly Series[], folder = FOLDER): void {
  const byName = new Map([...readSet(set, folder), ...recorded].map((series) => [series.name, series]))
  const lines = [...byName.keys()].sort().map((name) => `${JSON.stringify(byName.get(name))}\n`)
  const file = fileOf(set, folder)
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${file}.new`, gzipSync(lines.join(''), { level: constants.Z_BEST_COMPRESSION }))
  renameSync(`${file}.new`, file)
}

function fileOf(set: SetName, folder: string): string {
  return join(folder, `${set}.ndjson.gz`)
}
