import { expect, it } from '@jest/globals'
import { readSet } from '../../../../tools/leak-series/archive.js'
import { judgeSet } from '../../../../tools/leak-series/judge.js'
import { score } from '../../../../tools/leak-series/score.js'

// What was asked for: 95 % found, and no more than 3 % false alarms.
it('the verdict finds 41 of 44 leaks among recordings for judging, and raises no alarm in 43 that are harmless', () => {
  expect(score(readSet('judging'))).toEqual({
    leaks: 44,
    // They grow by 20 % an hour or less, which is told once it has lasted: their recordings end after three hours and twenty minutes.
    missed: ['leak-closures-pauses-37002-node20', 'leak-instances-saw-37027-node20', 'leak-slicedStrings-decline-37005-node20'],
    harmless: 43,
    falseAlarms: [],
  })
})

it('of recorded busy apps it finds 22 of 23 leaks of 3 % an hour and more within eight hours, and takes none of 24 harmless ones for a leak', () => {
  const judged = judgeSet('busy')
  expect(judged.filter(({ tooSlow }) => tooSlow)).toEqual([])
  expect([judged.filter(({ kind }) => kind === 'leak').length, judged.length]).toEqual([23, 47])
  expect(judged.filter(({ right }) => !right).map(({ name }) => name)).toEqual([
    'leak-waitersForgotten-drift-61010-node20',
  ])
})
