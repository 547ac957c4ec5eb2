/**
 * Profiles as `profile.proto` (github.com/google/pprof, proto/profile.proto), gzipped: what `go tool pprof` reads. Every
 * function comes with its name and file, so that pprof has nothing to look up.
 */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Profile, StringTable, type FunctionInput, type LocationInput } from 'pprof-format'
import type { Frame, FrameStack } from './stacks.js'

/** What a value is, and its unit: `ValueType` of `profile.proto`. */
export interface PprofType {
  type: string
  unit: string
}

/** A profile, before it is encoded. */
export interface PprofInput {
  stacks: readonly FrameStack[]
  /** What each of a stack's values is; pprof shows the last one if it is not told otherwise. */
  types: readonly PprofType[]
  /** What is between two samples. */
  period: PprofType & { value: number }
  /** ms since 1970, when it was taken, or begun where it has a duration. */
  time: number
  /** ms. */
  duration?: number
  /** For `go tool pprof -comments`. */
  comments: readonly string[]
}

const gzipped = promisify(gzip)
const NS_PER_MS = 1_000_000n

/** The mapping that all functions are in; pprof shows its name. */
const MAPPING = 1

/** A profile as gzipped `profile.proto`, the format of https://github.com/google/pprof/blob/main/proto/profile.proto. */
export async function encodePprof({ stacks, types, period, time, duration, comments }: PprofInput): Promise<Buffer> {
  const strings = new StringTable()
  const typeOf = ({ type, unit }: PprofType): { type: number; unit: number } => ({ type: strings.dedup(type), unit: strings.dedup(unit) })
  const locations = new Locations(strings)
  const profile = new Profile({
    stringTable: strings,
    sampleType: types.map(typeOf),
    defaultSampleType: strings.dedup(types.at(-1)?.type ?? ''),
    sample: stacks.map(({ frames, values }) => ({ locationId: frames.map((frame) => locations.of(frame)), value: [...values] })),
    location: locations.locations,
    function: locations.functions,
    mapping: [{ id: MAPPING, filename: strings.dedup(process.argv[1] ?? process.execPath), hasFunctions: true, hasFilenames: true, hasLineNumbers: true }],
    timeNanos: BigInt(Math.round(time)) * NS_PER_MS,
    durationNanos: BigInt(Math.round(duration ?? 0)) * NS_PER_MS,
    periodType: typeOf(period),
    period: period.value,
    comment: comments.map((comment) => strings.dedup(comment)),
  })
  return gzipped(await profile.encodeAsync())
}

/** Functions and lines, each once. */
class Locations {
  readonly locations: LocationInput[] = []
  readonly functions: FunctionInput[] = []
  readonly #strings: StringTable
  readonly #locationIds = new Map<string, number>()
  readonly #functionIds = new Map<string, number>()

  constructor(strings: StringTable) {
    this.#strings = strings
  }

  /** Its id, from 1. */
  of(frame: Frame): number {
    const functionId = this.#functionOf(frame)
    const key = `${String(functionId)}:${String(frame.at)}`
    const known = this.#locationIds.get(key)
    if (known !== undefined) return known
    const id = this.locations.push({ id: this.locations.length + 1, mappingId: MAPPING, line: [{ functionId, line: frame.at }] })
    this.#locationIds.set(key, id)
    return id
  }

  /** Without a system name, which pprof would take for one of C++. */
  #functionOf({ name, file, line }: Frame): number {
    const key = `${file}\n${String(line)}\n${name}`
    const known = this.#functionIds.get(key)
    if (known !== undefined) return known
    const id = this.functions.push({
      id: this.functions.length + 1,
      name: this.#strings.dedup(name),
      filename: this.#strings.dedup(file),
      startLine: line,
    })
    this.#functionIds.set(key, id)
    return id
  }
}
