/**
 * Addresses for functions, which have none in JavaScript, and back: the text form of a profile names functions by address,
 * and pprof asks `/symbol` for the names. An address is made from the function's name and place, so that it is the same
 * in every process of an app.
 */
import { createHash } from 'node:crypto'
import { shortPlace, type Frame } from './stacks.js'

/** Functions that are remembered; the one that was named longest ago is forgotten first. */
const MOST = 8192
/** The room for a function, bytes of an address space that does not exist. With it, addresses are below 2 ** 53. */
const ROOM = 4096
const HASH_BYTES = 5

/** Addresses for functions, for `go tool pprof`, which asks for names by address. */
export class SymbolTable {
  /** By the address where the function begins. */
  readonly #functions = new Map<number, string>()

  /** Where the function begins. Return addresses lie behind it, and pprof asks for the one before those. */
  entryOf(frame: Frame): number {
    const key = `${frame.file}\n${String(frame.line)}\n${frame.name}`
    const hash = createHash('sha256').update(key).digest().readUIntBE(0, HASH_BYTES)
    const entry = Math.max(1, hash) * ROOM
    this.#functions.delete(entry)
    for (const oldest of this.#functions.keys()) {
      if (this.#functions.size < MOST) break
      this.#functions.delete(oldest)
    }
    this.#functions.set(entry, symbolOf(frame))
    return entry
  }

  /** The function that has the address; undefined where it was never named, or long ago. */
  nameAt(address: number): string | undefined {
    return this.#functions.get(Math.floor(address / ROOM) * ROOM)
  }
}

/** pprof gets no file with a name: without the place, functions of one name would be added up. */
function symbolOf({ name, file, line }: Frame): string {
  return file === '' || name.startsWith('(') ? name : `${name} (${shortPlace(file, line)})`
}
