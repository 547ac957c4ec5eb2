import { expect, it } from '@jest/globals'
import { readSet } from '../../../../tools/leak-series/archive.js'
import { score } from '../../../../tools/leak-series/score.js'

// What was asked for: 95 % found, and no more than 3 % false alarms.
it('the verdict finds all of 44 leaks among recordings for judging, and raises no alarm in 43 that are harmless', () => {
  expect(score(readSet('judging'))).toEqual({ leaks: 44, missed: [], harmless: 43, falseAlarms: [] })
})
