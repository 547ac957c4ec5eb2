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

  it('judges those that thresholds are fitted on as the fit does, all but 26 of 545 rightly', () => {
    expect(score(fitting)).toEqual({
      leaks: 273,
      missed: [
        'leak-closures-decline-25089-node24',
        'leak-compiledScripts-decline-17015-node24',
        'leak-compiledScripts-steady-1017-node24',
        'leak-finalizers-slowDay-25015-node20',
        'leak-formatters-bursts-13026-node20',
        'leak-growingColumn-noisyRamp-25037-node24',
        'leak-history-rareBursts-9026-node24',
        'leak-listeners-bursts-13002-node20',
        'leak-mapById-slowDay-13001-node20',
        'leak-metricLabels-bursts-13009-node20',
        'leak-metricLabels-steepRamp-25094-node24',
        'leak-secretKeys-noisy-13041-node24',
        'leak-secretKeys-plateau-25038-node24',
        'leak-secureContexts-pauses-17016-node20',
        'leak-slicedStrings-waves-13007-node20',
        'leak-snapshots-ramp-25117-node20',
        'leak-stringGrowth-day-13006-node20',
        'leak-stringGrowth-stepUp-17004-node20',
        'leak-timers-stepUp-9003-node20',
      ],
      harmless: 272,
      falseAlarms: [
        'harmless-labelsBounded-twoSteps-25064-node20',
        'harmless-lateCache-waves-17056-node24',
        'harmless-loadedTable-day-13066-node24',
        'harmless-zipfKeys-day-13052-node24',
        'harmless-zipfKeys-launch-25159-node24',
        'harmless-zipfKeys-steady-13050-node20',
        'harmless-zipfKeys-stepUp-25072-node20',
      ],
    })
  })

  // Found: what was asked for, 95 %. False alarms: asked for were 3 %; README.md of the series says more.
  it('finds 42 of 44 leaks among those for judging, with two false alarms in 43', () => {
    expect(score(readSet('judging'))).toEqual({
      leaks: 44,
      missed: ['leak-contextChain-steepRamp-29014-node20', 'leak-formatters-slowDay-29025-node20'],
      harmless: 43,
      falseAlarms: ['harmless-lru-slowDay-29047-node24', 'harmless-zipfKeys-bursts-29072-node20'],
    })
  })
})
