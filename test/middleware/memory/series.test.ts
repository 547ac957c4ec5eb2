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

  it('misses few leaks of those that thresholds are fitted on, and most of these are of 40 seconds', () => {
    expect(score(fitting)).toEqual({
      leaks: 185,
      missed: [
        'leak-compiledScripts-decline-17015-node24',
        'leak-compiledScripts-steady-1017-node24',
        'leak-formatters-bursts-13026-node20',
        'leak-history-rareBursts-9026-node24',
        'leak-listeners-bursts-13002-node20',
        'leak-mapById-slowDay-13001-node20',
        'leak-metricLabels-bursts-13009-node20',
        'leak-secretKeys-noisy-13041-node24',
        'leak-secureContexts-pauses-17016-node20',
        'leak-slicedStrings-waves-13007-node20',
        'leak-stringGrowth-day-13006-node20',
        'leak-stringGrowth-stepUp-17004-node20',
        'leak-timers-stepUp-9003-node20',
      ],
      harmless: 186,
      falseAlarms: [
        'harmless-lateCache-waves-17056-node24',
        'harmless-loadedTable-day-13066-node24',
        'harmless-zipfKeys-day-13052-node24',
        'harmless-zipfKeys-steady-13050-node20',
      ],
    })
  })
})
