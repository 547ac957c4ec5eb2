/** What a behaviour is given, and what memory it fills. */

export interface Surroundings {
  random: () => number
  /** Octets of a unit, about. */
  size: number
  /** Seconds that count as the whole. */
  duration: number
  /** Mean requests a second. */
  rate: number
}

/** Called once a request with its number. */
export type Step = (number: number) => unknown

export type Start = (surroundings: Surroundings) => Step

/** An array of numbers that has about `size` octets in V8's heap. */
export function numbers(size: number, random: () => number): number[] {
  return Array.from({ length: Math.max(1, Math.round(size / 8)) }, random)
}

/** An object as apps have them, of about `size` octets. */
export function record(size: number, number: number, random: () => number): Record<string, unknown> {
  return { id: `request ${String(number)}`, at: Date.now(), tags: [`tag ${String(number % 7)}`], values: numbers(size - 200, random) }
}

/** A string of `length` characters, made of pieces. */
export function words(length: number, random: () => number): string {
  let text = ''
  while (text.length < length) text += `${random().toString(36)} `
  return text
}
