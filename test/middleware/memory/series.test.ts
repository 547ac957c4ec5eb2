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

  // Short of the targets, 95 % found and 3 % false alarms: README.md of the series says by how much and why.
  it('finds 36 of 42 leaks among those for judging, with six false alarms in 43', () => {
    expect(score(readSet('judging'))).toEqual({
      leaks: 42,
      missed: [
        'leak-formatters-bursts-13026-node20', 'leak-mapById-slowDay-13001-node20', 'leak-metricLabels-bursts-13009-node20',
        'leak-slicedStrings-waves-13007-node20', 'leak-slowConsumer-launch-13011-node20', 'leak-stringGrowth-day-13006-node20',
      ],
      harmless: 43,
      falseAlarms: [
        'harmless-loadedTable-day-13066-node24', 'harmless-plain-noisyRamp-13043-node24', 'harmless-popularKeys-bursts-13049-node24',
        'harmless-zipfKeys-day-13052-node24', 'harmless-zipfKeys-noisy-13051-node20', 'harmless-zipfKeys-steady-13050-node20',
      ],
    })
  })
})
