/** More than a minute of processor time: one of the long tests. */
import { expect, it } from '@jest/globals'
import { readSet } from '../../../../tools/leak-series/archive.js'
import { LONGEST } from '../../../../tools/leak-series/recipes.js'
import { score } from '../../../../tools/leak-series/score.js'

/** Shorter leaks end before anything is told of them: what is not quick must have lasted for two hours. */
const fitting = readSet('fitting').filter(({ kind, recipe }) => kind === 'harmless' || recipe.duration >= LONGEST)

/**
 * Before growth had to last for so long, four of these 103 were missed, and `harmless-zipfKeys-day-13052-node24` was taken for a leak. The
 * recordings last for three hours and twenty minutes, and those that are missed since grow by little.
 */
it('the verdict judges those that thresholds are fitted on, all but 10 of 518 rightly', () => {
  expect(score(fitting)).toEqual({
    leaks: 103,
    missed: [
      'leak-history-decline-33113-node24',
      'leak-instances-decline-33114-node20',
      'leak-leakUnderCache-day-31006-node24',
      'leak-secureContexts-steepRamp-33024-node20',
      'leak-slowConsumer-stepUp-33009-node24',
      'leak-snapshots-day-33030-node24',
      'leak-suspendedGenerators-stepDown-33031-node20',
      'leak-timers-decline-31001-node20',
      'leak-weakMapHeld-slowDay-33034-node24',
      'leak-windowsByAddress-rareBursts-33128-node20',
    ],
    harmless: 415,
    falseAlarms: [],
  })
})
