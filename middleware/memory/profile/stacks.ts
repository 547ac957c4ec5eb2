/** Call stacks with what was measured on them: the form in which all profiles are handled between V8 and the answer. */

import { basename } from 'node:path'
import type { HeapSample } from './sampling-error.js'

/** The URL of code that has none. */
export const EVALUATED = 'eval'

/** A function as V8 names it, in the code that V8 compiled. */
export interface Place {
  /** '' where it has none. */
  readonly name: string
  /**
   * A file: URL, a path, `node:fs`, or whatever the code was compiled under; `EVALUATED` where that was nothing, as with
   * `new Function`; '' for what is built into V8, such as `map` and `(GC)`.
   */
  readonly url: string
  /** Where the function begins: line from 1, column from 0; 0 where V8 does not say. */
  readonly line: number
  readonly column: number
  /** The line in it that was running; 0 where V8 does not say. */
  readonly at: number
}

/** A call stack, innermost function first. */
export interface Stack {
  readonly places: readonly Place[]
  /** One for each type of the profile. */
  readonly values: readonly number[]
  /** What a heap profile's values are made of, where V8 tells. */
  readonly samples?: readonly HeapSample[] | undefined
}

/** A function for people: source maps are applied, and every part can be printed on one line. */
export interface Frame {
  readonly name: string
  /** A path where it is a file; else as in `Place`. */
  readonly file: string
  /** Where the function begins, from 1; 0 where that is unknown. */
  readonly line: number
  /** The line in it that was running; the same as `line` where that is unknown. */
  readonly at: number
}

/** A call stack, innermost frame first, with its values. */
export interface FrameStack {
  readonly frames: readonly Frame[]
  readonly values: readonly number[]
  readonly samples?: readonly HeapSample[] | undefined
}

/** Equal for the same function at the same line. */
export function placeKey({ name, url, line, column, at }: Place): string {
  return `${url}\n${String(line)}:${String(column)}:${String(at)}\n${name}`
}

/** Name of a file and line in a few characters. */
export function shortPlace(file: string, line: number): string {
  return `${file.startsWith('node:') ? file : basename(file)}:${String(line)}`
}

/** What is measured now, less what was measured then; stacks on which nothing has changed are left out. */
export function difference(then: readonly Stack[], now: readonly Stack[]): Stack[] {
  const byKey = new Map<string, { places: readonly Place[]; values: number[] }>()
  const add = (stacks: readonly Stack[], sign: 1 | -1): void => {
    for (const { places, values } of stacks) {
      const key = places.map(placeKey).join('\n')
      const entry = byKey.get(key) ?? { places, values: values.map(() => 0) }
      entry.values.forEach((value, index) => { entry.values[index] = value + sign * (values[index] ?? 0) })
      byKey.set(key, entry)
    }
  }
  add(now, 1)
  add(then, -1)
  return [...byKey.values()].filter(({ values }) => values.some((value) => value !== 0))
}
