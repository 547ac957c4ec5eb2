/** What every room checks its options with: a wrong one is named, with its value and the remedy. */
import { inspect } from 'node:util'
import { FastCgiError } from './errors.js'

/** The error for a wrong option. */
export function wrongOption(name: string, value: unknown, remedy: string): FastCgiError {
  const shown = value === undefined ? '' : ` is ${inspect(value)}`
  return new FastCgiError('ERR_FCGI_OPTION', `option ${name}${shown}: ${remedy}`)
}

/** Refuses what is no object, and names that are no options. */
export function checkNames(group: string, given: unknown, names: Iterable<string>): void {
  if (typeof given !== 'object' || given === null) throw wrongOption(group, given, 'give an object')
  const known = new Set(names)
  for (const name of Object.keys(given)) {
    if (!known.has(name)) {
      throw wrongOption(group === 'options' ? name : `${group}.${name}`, undefined, `no such option; there are ${[...known].join(', ')}`)
    }
  }
}

/** A whole number from `least` up to `most`. */
export function wholeNumber(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${String(least)}` : `from ${String(least)} to ${String(most)}`
  throw wrongOption(name, value, `give a whole number ${range}`)
}
