/** More than a minute of processor time: one of the long tests. */
import { expect, it } from '@jest/globals'
import { readSet } from '../../../../tools/leak-series/archive.js'
import { LONG } from '../../../../tools/leak-series/recipes.js'
import { score } from '../../../../tools/leak-series/score.js'

/** Shorter leaks end before anything is told of them. */
const fitting = readSet('fitting').filter(({ kind, recipe }) => kind === 'harmless' || recipe.duration >= LONG)

/**
 * The verdict before steps and pauses were looked at missed 22 and raised four false alarms: one of lateCache, three of zipfKeys. Those
 * four are gone, one of zipfKeys in waves of a day is new. Newly missed are leaks that slow with the load or come in waves: instances,
 * slowConsumer, timers, weakMapHeld. formatters on a slow day is found.
 */
it('the verdict judges those that thresholds are fitted on, all but 26 of 703 rightly', () => {
  expect(score(fitting)).toEqual({
    leaks: 288,
    missed: [
      'leak-abortListeners-bursts-25029-node24',
      'leak-closures-decline-25089-node24',
      'leak-compiledScripts-decline-17015-node24',
      'leak-contextChain-steepRamp-29014-node20',
      'leak-dictionary-steepRamp-25103-node20',
      'leak-finalizers-slowDay-25015-node20',
      'leak-formatters-noon-17044-node24',
      'leak-formatters-rareBursts-21019-node20',
      'leak-growingColumn-noisyRamp-25037-node24',
      'leak-instances-decline-33114-node20',
      'leak-messagePorts-steepRamp-25042-node24',
      'leak-metricLabels-steepRamp-25094-node24',
      'leak-openCompressors-ramp-17014-node24',
      'leak-secretKeys-plateau-25038-node24',
      'leak-secureContexts-steepRamp-33024-node20',
      'leak-sharedMemory-twoSteps-17043-node24',
      'leak-sharedMemory-twoSteps-21023-node24',
      'leak-slowConsumer-waves-25009-node20',
      'leak-snapshots-ramp-25117-node20',
      'leak-stringGrowth-decline-25091-node20',
      'leak-stringGrowth-stepUp-17004-node20',
      'leak-suspendedGenerators-noisyRamp-29031-node20',
      'leak-timers-decline-31001-node20',
      'leak-unsettledPromises-noisyRamp-17038-node20',
      'leak-weakMapHeld-slowDay-33034-node24',
    ],
    harmless: 415,
    falseAlarms: [
      'harmless-zipfKeys-day-13052-node24',
    ],
  })
})
