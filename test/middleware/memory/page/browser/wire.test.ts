import { describe, expect, it } from '@jest/globals'
import type { SettleReport } from '../../../../../middleware/memory/settle-check.js'
import type { Verdict } from '../../../../../middleware/memory/leak-detector/verdict.js'
import * as wire from '../../../../../middleware/memory/page/browser/wire.js'
import { CALL_SITES, emptyHistory, history, nulls, oneSample, sampleAfter, settleReport, verdictOf, withMarkup } from '../histories.js'

/** The compiler's part of the test: what the server has is what the page reads. */
export const verdictAsRead = (verdict: Verdict): wire.Verdict => verdict
export const settleAsRead = (report: SettleReport): wire.SettleReport => report

function sent(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown
}

describe('what the server sends', () => {
  it.each([['whole', history()], ['empty', emptyHistory()], ['small', oneSample()], ['of nulls', nulls()], ['of markup', withMarkup()]])('is read: a history, %s', (_, given) => {
    expect(wire.isHistory(sent(given))).toBe(true)
  })

  it('is read: every other message', () => {
    for (const state of ['warming', 'ok', 'growing', 'leak-suspected', 'native-growth'] as const) expect(wire.isVerdict(sent(verdictOf(state)))).toBe(true)
    expect(wire.isSettleReport(sent(settleReport()))).toBe(true)
    expect(wire.isSample(sent(sampleAfter(1)))).toBe(true)
    expect(wire.isCallSites(sent(CALL_SITES))).toBe(true)
    expect(wire.isCollection({ time: 1, durationMs: 2, forced: false })).toBe(true)
  })

  it.each([
    ['nothing', undefined], ['null', null], ['text', 'history'], ['a list', []],
    ['no verdict', { ...history(), verdict: undefined }],
    ['columns of two lengths', { ...history(), fine: { ...history().fine, rss: [1] } }],
    ['a column that is missing', { ...history(), coarse: { time: [] } }],
    ['text for a number', { ...history(), limits: { heap: '1', cgroup: null } }],
  ])('is refused: %s for a history', (_, given) => {
    expect(wire.isHistory(given)).toBe(false)
  })

  it('says which process it is about', () => {
    expect([wire.pidOf({ pid: 3 }), wire.pidOf({ process: { pid: 4 } }), wire.pidOf({}), wire.pidOf(null), wire.pidOf({ process: 'x' })]).toEqual([3, 4, undefined, undefined, undefined])
  })
})
