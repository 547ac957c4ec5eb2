/** What every middleware checks its options with: a wrong one is a TypeError that names it, its value and the remedy. */
import { IncomingMessage } from 'node:http'
import { inspect } from 'node:util'

/** The error for a wrong option; `code` is 'ERR_MIDDLEWARE_OPTION'. */
export class OptionError extends TypeError {
  readonly code = 'ERR_MIDDLEWARE_OPTION'
  override readonly name = 'OptionError'
}

/** The error for the option `name` of `middleware`, such as `concurrencyLimit`. */
export function wrongOption(middleware: string, name: string, value: unknown, remedy: string): OptionError {
  const shown = value === undefined ? '' : ` is ${inspect(value, { depth: 1, breakLength: Infinity })}`
  return new OptionError(`${middleware}: option ${name}${shown}: ${remedy}`)
}

/** The error for what the function that is the option `name` gave. */
export function wrongAnswer(middleware: string, name: string, answer: unknown, remedy: string): OptionError {
  return new OptionError(`${middleware}: option ${name} gave ${inspect(answer, { depth: 1, breakLength: Infinity })}: ${remedy}`)
}

/**
 * Options as an object whose names are all known. Also recognises the factory itself given to `app.use()`:
 * Express then calls it with a request.
 */
export function checkedObject<Options extends object>(
  middleware: string,
  group: string,
  given: Options | undefined,
  names: readonly (keyof Options & string)[],
): Options {
  if (given instanceof IncomingMessage || isRequest(given)) {
    throw new OptionError(`${middleware} was given to app.use() itself: call it, app.use(${middleware}())`)
  }
  if (given === undefined) return {} as Options
  if (typeof given !== 'object' || (given as unknown) === null || Array.isArray(given)) throw wrongOption(middleware, group, given, 'give an object')
  for (const name of Object.keys(given)) {
    if (!(names as readonly string[]).includes(name)) {
      throw wrongOption(middleware, group === 'options' ? name : `${group}.${name}`, undefined, `no such option; there are ${names.join(', ')}`)
    }
  }
  return given
}

/** The compatibility requests of HTTP/2 are no IncomingMessage. */
function isRequest(given: unknown): boolean {
  return typeof given === 'object' && given !== null && 'method' in given && 'headers' in given && 'url' in given
}

/** A number from `least` up to `most`. */
export function numberWithin(middleware: string, name: string, value: unknown, least: number, most = Infinity): number {
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw wrongOption(middleware, name, value, `give a number ${range(least, most)}`)
}

/** A whole number from `least` up to `most`. */
export function wholeNumber(middleware: string, name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
  throw wrongOption(middleware, name, value, `give a whole number ${range(least, most)}`)
}

function range(least: number, most: number): string {
  return most >= Number.MAX_SAFE_INTEGER ? `of at least ${String(least)}` : `from ${String(least)} to ${String(most)}`
}

/** One of some words. */
export function oneOf<Word extends string>(middleware: string, name: string, value: unknown, words: readonly Word[]): Word {
  const word = words.find((known) => known === value)
  if (word !== undefined) return word
  throw wrongOption(middleware, name, value, `give ${words.map((known) => `'${known}'`).join(' or ')}`)
}

/** true or false. */
export function flag(middleware: string, name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw wrongOption(middleware, name, value, 'give true or false')
}

/** A function, or nothing. */
export function optionalFunction<Fn extends (...args: never[]) => unknown>(middleware: string, name: string, value: Fn | undefined): Fn | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw wrongOption(middleware, name, value, 'give a function')
}
