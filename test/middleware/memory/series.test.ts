import { describe, expect, it } from '@jest/globals'
import { readSet, SETS } from './series/format.js'
import { judgeSeries } from './series/replay.js'

describe('the verdict on recorded processes', () => {
  const [fitting, judging] = SETS.map((set) => readSet(set))

  it('the two sets share no recording, and have at least 30 of each kind to judge', () => {
    const seeds = new Set(fitting?.map(({ recipe }) => recipe.seed))
    expect(judging?.filter(({ recipe }) => seeds.has(recipe.seed))).toEqual([])
    for (const kind of ['leak', 'harmless']) expect(judging?.filter((series) => series.kind === kind).length).toBeGreaterThanOrEqual(30)
  })

  it('finds 95 % of the leaks and raises 3 % false alarms at the most, on series that nothing was fitted on', () => {
    const outcomes = (judging ?? []).map((series) => ({ ...judgeSeries(series), name: series.name, kind: series.kind }))
    const leaks = outcomes.filter(({ kind }) => kind === 'leak')
    const harmless = outcomes.filter(({ kind }) => kind === 'harmless')
    const missed = leaks.filter(({ found }) => !found).map(({ name }) => name)
    // An alarm at any moment counts, also one that is taken back.
    const falseAlarms = harmless.filter(({ alarmed }) => alarmed).map(({ name }) => name)
    expect({ missed, share: missed.length / leaks.length <= 0.05 }).toEqual({ missed, share: true })
    expect({ falseAlarms, share: falseAlarms.length / harmless.length <= 0.03 }).toEqual({ falseAlarms, share: true })
  })
})
