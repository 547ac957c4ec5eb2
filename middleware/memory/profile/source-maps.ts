/**
 * From functions as V8 names them to functions as their author wrote them, through source maps. Maps are read when a
 * profile is taken and forgotten then: they are large. What they said of a function is kept, in a bounded number.
 */
import { LEAST_UPPER_BOUND, originalPositionFor, traceSegment, type TraceMap } from '@jridgewell/trace-mapping'
import { loadSourceMap, pathOf } from './source-map-file.js'
import { placeKey, shortPlace, type Frame, type FrameStack, type Place, type Stack } from './stacks.js'

/** Functions of mapped files, and files without a map, that are remembered. */
const MOST_FRAMES = 4096
const MOST_UNMAPPED = 4096
/** Files read at a time. */
const PARALLEL = 8
/** Characters of a name or a file that are shown. */
const MOST_CHARACTERS = 200
// eslint-disable-next-line no-control-regex -- they are what must not be printed
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g

export class SourceMaps {
  readonly #load: (url: string) => Promise<TraceMap | undefined>
  /** By place. */
  readonly #frames = new Map<string, Frame>()
  /** URLs of files without a map. */
  readonly #unmapped = new Set<string>()

  constructor(load: (url: string) => Promise<TraceMap | undefined> = loadSourceMap) {
    this.#load = load
  }

  /** Where there is no map, or none that can be read, the lines of the compiled code. */
  async resolve(stacks: readonly Stack[]): Promise<FrameStack[]> {
    const frames = await this.#resolvePlaces(stacks.flatMap(({ places }) => places))
    return stacks.map(({ places, values, samples }) => ({
      frames: places.map((place) => frames.get(placeKey(place)) ?? frameOf(place)),
      values,
      ...samples === undefined ? {} : { samples },
    }))
  }

  async #resolvePlaces(places: readonly Place[]): Promise<Map<string, Frame>> {
    const frames = new Map<string, Frame>()
    const toDo = new Map<string, Map<string, Place>>()
    for (const place of places) {
      const key = placeKey(place)
      if (frames.has(key)) continue
      const known = this.#frames.get(key)
      frames.set(key, known ?? frameOf(place))
      if (known !== undefined || this.#unmapped.has(place.url) || pathOf(place.url) === undefined) continue
      toDo.set(place.url, (toDo.get(place.url) ?? new Map<string, Place>()).set(key, place))
    }
    const queue = [...toDo]
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await this.#resolveFile(...next, frames)
    }
    await Promise.all(Array.from({ length: PARALLEL }, work))
    return frames
  }

  async #resolveFile(url: string, places: Map<string, Place>, frames: Map<string, Frame>): Promise<void> {
    const map = await this.#load(url)
    if (map === undefined) {
      forgetOldest(this.#unmapped, MOST_UNMAPPED)
      this.#unmapped.add(url)
      return
    }
    for (const [key, place] of places) {
      const frame = frameOf(place, map)
      frames.set(key, frame)
      forgetOldest(this.#frames, MOST_FRAMES)
      this.#frames.set(key, frame)
    }
  }
}

function forgetOldest(remembered: Map<string, Frame> | Set<string>, most: number): void {
  if (remembered.size < most) return
  for (const oldest of remembered.keys()) {
    remembered.delete(oldest)
    return
  }
}

function frameOf(place: Place, map?: TraceMap): Frame {
  const original = map === undefined ? undefined : originalOf(place, map)
  const file = printable(original?.file ?? pathOf(place.url) ?? place.url)
  const line = original?.line ?? place.line
  return { name: nameOf(original?.name ?? place.name, file, line), file, line, at: original?.at ?? (place.at || line) }
}

interface Original {
  name: string | undefined
  file: string
  line: number
  at: number
}

function originalOf(place: Place, map: TraceMap): Original | undefined {
  const segment = traceSegment(map, place.line - 1, place.column)
  // A segment of one number belongs to nothing in a source.
  if (segment === null || segment.length === 1) return undefined
  const [column, sourceIndex, line] = segment
  const source = map.resolvedSources[sourceIndex]
  if (source === undefined) return undefined
  // V8's column is that of the parameters. A name that ends there is the function's own, and the map may know what it was.
  const isName = segment.length === 5 && place.name !== '' && column + place.name.length === place.column
  const name = isName ? map.names[segment[4]] : undefined
  return { name, file: pathOf(source) ?? source, line: line + 1, at: originalLine(place, map, source) ?? line + 1 }
}

/** V8 gives no column for a line that was running: the first thing on it counts, unless the function begins on it. */
function originalLine({ line, at }: Place, map: TraceMap, source: string): number | undefined {
  if (at === 0 || at === line) return undefined
  const original = originalPositionFor(map, { line: at, column: 0, bias: LEAST_UPPER_BOUND })
  return original.source === source ? original.line : undefined
}

/** A function without a name is told from others by its place. */
function nameOf(name: string, file: string, line: number): string {
  const shown = printable(name)
  if (shown !== '') return shown
  return file === '' ? '(anonymous)' : `(anonymous ${shortPlace(file, line)})`
}

function printable(text: string): string {
  const line = text.replace(UNPRINTABLE, ' ').trim()
  return line.length <= MOST_CHARACTERS ? line : `${line.slice(0, MOST_CHARACTERS - 1)}…`
}
