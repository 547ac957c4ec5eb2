/** What the verdict gets wrong of a set of recordings. */
import type { Series } from './archive.js'
import { judgeSeries } from './replay.js'

export interface Score {
  leaks: number
  missed: string[]
  harmless: number
  falseAlarms: string[]
}

/** A leak must be announced at the end; an alarm at any moment of what is harmless is false, also one that is taken back. */
export function score(set: readonly Series[]): Score {
  const outcomes = set.map((series) => ({ ...judgeSeries(series), name: series.name, kind: series.kind }))
  const leaks = outcomes.filter(({ kind }) => kind === 'leak')
  const harmless = outcomes.filter(({ kind }) => kind === 'harmless')
  return {
    leaks: leaks.length,
    missed: leaks.filter(({ found }) => !found).map(({ name }) => name),
    harmless: harmless.length,
    falseAlarms: harmless.filter(({ alarmed }) => alarmed).map(({ name }) => name),
  }
}
