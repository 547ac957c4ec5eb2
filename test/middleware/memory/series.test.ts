import { describe, expect, it } from '@jest/globals'
import { readSet, type Series } from './series/format.js'
import { judgeSeries } from './series/replay.js'

interface Score {
  leaks: number
  missed: string[]
  harmless: number
  falseAlarms: string[]
}

/** A leak must be announced at the end; an alarm at any moment of what is harmless is false, also one that is taken back. */
function score(set: readonly Series[]): Score {
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

describe('the verdict on recorded processes', () => {
  const fitting = readSet('fitting')

  it('misses four leaks of those that thresholds are fitted on, and nothing else', () => {
    expect(score(fitting)).toEqual({
      leaks: 90,
      missed: [
        'leak-contextChain-pauses-5023-node24', 'leak-rareLarge-waves-5021-node20', 'leak-secureContexts-stepUp-9023-node20',
        'leak-slicedStrings-plateau-1046-node24',
      ],
      harmless: 87,
      falseAlarms: [],
    })
  })
})
