import { expect, it } from '@jest/globals'
import { readSet } from '../../../../tools/leak-series/archive.js'
import { judgeSet } from '../../../../tools/leak-series/judge.js'
import { score } from '../../../../tools/leak-series/score.js'

// What was asked for: 95 % found, and no more than 3 % false alarms.
it('the verdict finds 42 of 44 leaks among recordings for judging, and raises no alarm in 43 that are harmless', () => {
  expect(score(readSet('judging'))).toEqual({
    leaks: 44,
    // They grow by 15 and 20 % an hour, which is told once it has lasted: their recordings end after three hours and twenty minutes.
    missed: ['leak-closures-pauses-37002-node20', 'leak-slicedStrings-decline-37005-node20'],
    harmless: 43,
    falseAlarms: [],
  })
})

it('of recorded busy apps it finds 22 of 23 leaks of 3 % an hour and more within eight hours, and takes 3 of 24 harmless ones for a leak', () => {
  const judged = judgeSet('busy')
  expect(judged.filter(({ tooSlow }) => tooSlow)).toEqual([])
  expect([judged.filter(({ kind }) => kind === 'leak').length, judged.length]).toEqual([23, 47])
  expect(judged.filter(({ right }) => !right).map(({ name }) => name)).toEqual([
    'harmless-imageCache-campaign-61026-node24',
    'harmless-indexBuilt-drift-61017-node24',
    'harmless-poolToBound-twoPeaks-61046-node20',
    'leak-waitersForgotten-drift-61010-node20',
  ])
})
