/** The checks of all options. A wrong option throws an error with its name, its value and the remedy. */
import { inspect, types } from 'node:util'

/** How much of a value a message shows. */
const SHOWN = { depth: 1, breakLength: Infinity, maxArrayLength: 10, maxStringLength: 200 } as const

/** The checks of one function's options. `undefined` is taken for absent; the function puts its default there. */
export class OptionChecks {
  readonly #owner: string
  readonly #refusal: (message: string) => Error

  /**
   * @param owner the function that takes the options, as its users call it, such as `serve`
   * @param refusal makes the error
   */
  constructor(owner: string, refusal: (message: string) => Error) {
    this.#owner = owner
    this.#refusal = refusal
  }

  /** The error for the option `name`; an undefined value is not shown. */
  wrong(name: string, value: unknown, remedy: string): Error {
    return this.#refusal(`${this.#owner}: option ${name}${value === undefined ? '' : ` is ${shown(value)}`}: ${remedy}`)
  }

  /** The error for a wrong return value of the option `name`, which is a function. */
  wrongAnswer(name: string, answer: unknown, remedy: string): Error {
    return this.#refusal(`${this.#owner}: option ${name} gave ${shown(answer)}: ${remedy}`)
  }

  /** The error for options that are wrong together, or for anything else without an option's name. */
  refused(message: string): Error {
    return this.#refusal(`${this.#owner}: ${message}`)
  }

  /** Options as an object whose names are all known. */
  object<Options extends object>(group: string, given: Options | undefined, names: Iterable<keyof Options & string>): Options {
    if (given === undefined) return {} as Options
    if (typeof given !== 'object' || (given as unknown) === null || Array.isArray(given)) throw this.wrong(group, given, 'give an object')
    const known = new Set<string>(names)
    for (const name of Object.keys(given)) {
      if (!known.has(name)) {
        throw this.wrong(group === 'options' ? name : `${group}.${name}`, undefined, `no such option; there are ${[...known].join(', ')}`)
      }
    }
    return given
  }

  /** A number from `least` up to `most`. */
  number(name: string, value: unknown, least: number, most = Infinity): number {
    if (typeof value === 'number' && value >= least && value <= most) return value
    throw this.wrong(name, value, `give a number ${range(least, most)}`)
  }

  /** A whole number from `least` up to `most`. */
  wholeNumber(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
    throw this.wrong(name, value, `give a whole number ${range(least, most)}`)
  }

  /** One of some words. */
  oneOf<Word extends string>(name: string, value: unknown, words: readonly Word[]): Word {
    const word = words.find((known) => known === value)
    if (word !== undefined) return word
    throw this.wrong(name, value, `give ${words.map((known) => `'${known}'`).join(' or ')}`)
  }

  /** true or false. */
  flag(name: string, value: unknown): boolean {
    if (typeof value === 'boolean') return value
    throw this.wrong(name, value, 'give true or false')
  }

  /** A string with something in it. */
  text(name: string, value: unknown, remedy: string): string {
    if (typeof value === 'string' && value !== '') return value
    throw this.wrong(name, value, remedy)
  }

  /** A function, or nothing. */
  optionalFunction<Fn extends (...args: never[]) => unknown>(name: string, value: Fn | undefined): Fn | undefined {
    if (value === undefined || typeof value === 'function') return value
    throw this.wrong(name, value, 'give a function')
  }
}

function shown(value: unknown): string {
  // inspect() shows more of a promise while async_hooks are in use: the message would differ.
  if (types.isPromise(value)) return 'a promise'
  try {
    return inspect(value, SHOWN)
  } catch {
    return `a value of type ${typeof value}`
  }
}

function range(least: number, most: number): string {
  return most >= Number.MAX_SAFE_INTEGER ? `of at least ${String(least)}` : `from ${String(least)} to ${String(most)}`
}
