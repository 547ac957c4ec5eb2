/**
 * The source map of a compiled file: the one that Node has read (`--enable-source-maps`, tsx and the like), the one that
 * the file's last `sourceMappingURL` names, within the file or beside it, or `<file>.map`. Only regular files of this
 * machine are read, up to a size; whatever is wrong with a map, there is none.
 */
import { decodedMappings, FlattenMap, TraceMap } from '@jridgewell/trace-mapping'
import { readFile, stat } from 'node:fs/promises'
import { findSourceMap } from 'node:module'
import { isAbsolute } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Octets of a compiled file, and of a map beside one, that are read at the most. */
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
