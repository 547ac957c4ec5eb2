/** The parameters in a request's query. */
import type { IncomingMessage } from 'node:http'

/** A wrong parameter; the message is for the client. */
// eslint-disable-next-line no-restricted-syntax -- becomes an answer
export class ParameterError extends Error {
  override readonly name = 'ParameterError'
}

/** The bounds of a parameter that is a whole number, both included. */
export interface WholeNumber {
  least: number
  most: number
}

/** Undefined where it is not given. @throws ParameterError that names it, its value and what is allowed */
export function wholeParameter({ url = '' }: IncomingMessage, name: string, { least, most }: WholeNumber): number | undefined {
  const given = queryOf(url).getAll(name)
  if (given.length === 0) return undefined
  const value = Number(given[0])
  if (given.length === 1 && /^\d{1,15}$/.test(given[0] ?? '') && value >= least && value <= most) return value
  const shown = given.map((text) => text.slice(0, 40)).slice(0, 3).join(', ')
  throw new ParameterError(`${name}=${shown}: give one whole number from ${String(least)} to ${String(most)}.`)
}

function queryOf(url: string): URLSearchParams {
  return new URLSearchParams(rawQuery(url))
}

/** What follows the question mark. */
export function rawQuery(url: string): string {
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark + 1)
}
