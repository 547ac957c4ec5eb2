/**
 * From functions as V8 names them to functions as their author wrote them, through source maps. Maps are read when a
 * profile is taken and forgotten then: they are large. What they said of a function is kept, in a bounded number.
 */
import { readFile, stat } from 'node:fs/promises'
import { findSourceMap } from 'node:module'
import { isAbsolute } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { decodedMappings, FlattenMap, LEAST_UPPER_BOUND, originalPositionFor, TraceMap, traceSegment } from '@jridgewell/trace-mapping'
import { type Frame, type FrameStack, type Place, placeKey, shortPlace, type Stack } from './stacks.js'

/** Functions of mapped files, and files without a map, that are remembered. */
const MOST_FRAMES = 4096
const MOST_UNMAPPED = 4096
/** Files read at a time. */
const PARALLEL = 8
/** Characters of a name or a file that are shown. */
const MOST_CHARACTERS = 200
// eslint-disable-next-line no-control-regex -- they are what must not be printed
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g

/** Finds where a function was written, by the source maps of the files that were loaded. */
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

/*
 * The source map of a compiled file: the one that Node has read (`--enable-source-maps`, tsx and the like), the one that
 * the file's last `sourceMappingURL` names, within the file or beside it, or `<file>.map`. Only regular files of this
 * machine are read, up to a size; whatever is wrong with a map, there is none.
 */

/** Bytes of a compiled file, and of a map beside one, that are read at the most. */
const MOST_SCRIPT = 32 * 1024 * 1024
const MOST_MAP = 64 * 1024 * 1024
const COMMENT = /\/\/[#@][ \t]*sourceMappingURL=([^\s'"]+)[ \t]*$/gm
const DATA = /^data:application\/json[^,]*,/

/** The path of a script, by URL or path; undefined where it is none of the disk's. */
export function pathOf(url: string): string | undefined {
  try {
    if (url.startsWith('file:')) return fileURLToPath(url)
  } catch {
    return undefined
  }
  return isAbsolute(url) ? url : undefined
}

/** Undefined where there is none that can be used. */
export async function loadSourceMap(url: string): Promise<TraceMap | undefined> {
  const path = pathOf(url)
  if (path === undefined) return undefined
  try {
    const map = nodes(url) ?? await fromDisk(path)
    // Decoded on first use, which must not fail later.
    if (map !== undefined) decodedMappings(map)
    return map
  } catch {
    // No file, no permission, no JSON, no map: the compiled lines are shown.
    return undefined
  }
}

/** What the loader has compiled is not what is on the disk. */
function nodes(url: string): TraceMap | undefined {
  const map = findSourceMap(url)
  return map === undefined ? undefined : new TraceMap({ ...map.payload, version: 3 }, url)
}

async function fromDisk(path: string): Promise<TraceMap | undefined> {
  const script = await readRegular(path, MOST_SCRIPT)
  if (script === undefined) return undefined
  const base = pathToFileURL(path)
  const reference = [...script.matchAll(COMMENT)].at(-1)?.[1] ?? `${base.href}.map`
  if (DATA.test(reference)) return FlattenMap(decode(reference), base.href)
  const location = new URL(reference, base)
  if (location.protocol !== 'file:') return undefined
  const json = await readRegular(fileURLToPath(location), MOST_MAP)
  return json === undefined ? undefined : FlattenMap(json, location.href)
}

function decode(reference: string): string {
  const comma = reference.indexOf(',')
  const body = reference.slice(comma + 1)
  return reference.slice(0, comma).endsWith(';base64') ? Buffer.from(body, 'base64').toString() : decodeURIComponent(body)
}

/** Devices, pipes, what says nothing of its size and what is too large are left alone. */
async function readRegular(path: string, most: number): Promise<string | undefined> {
  const entry = await stat(path)
  return entry.isFile() && entry.size > 0 && entry.size <= most ? readFile(path, 'utf8') : undefined
}
