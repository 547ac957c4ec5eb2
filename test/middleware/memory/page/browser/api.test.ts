import { describe, expect, it } from '@jest/globals'
import type { Verdict } from '../../../../../middleware/memory/leak-detector/verdict.js'
import { wordsFor } from '../../../../../middleware/memory/page/browser/api.js'
import type { SettleReport } from '../../../../../middleware/memory/settle-check.js'
import { CALL_SITES, emptyHistory, history, nulls, oneSample, sampleAfter, settleReport, verdictOf, withMarkup } from '../histories.js'
import * as api from '../../../../../middleware/memory/page/browser/api.js'

/** The compiler's part of the test: what the server has is what the page reads. */
export const verdictAsRead = (verdict: Verdict): api.Verdict => verdict
export const settleAsRead = (report: SettleReport): api.SettleReport => report

function sent(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown
}

describe('what the server sends', () => {
  it.each([['whole', history()], ['empty', emptyHistory()], ['small', oneSample()], ['of nulls', nulls()], ['of markup', withMarkup()]])('is read: a history, %s', (_, given) => {
    expect(api.isHistory(sent(given))).toBe(true)
  })

  it('is read: every other message', () => {
    for (const state of ['warming', 'ok', 'growing', 'leak-suspected', 'native-growth'] as const) expect(api.isVerdict(sent(verdictOf(state)))).toBe(true)
    expect(api.isSettleReport(sent(settleReport()))).toBe(true)
    expect(api.isSample(sent(sampleAfter(1)))).toBe(true)
    expect(api.isCallSites(sent(CALL_SITES))).toBe(true)
    expect(api.isCollection({ time: 1, durationMs: 2, forced: false })).toBe(true)
  })

  it.each([
    ['nothing', undefined], ['null', null], ['text', 'history'], ['a list', []],
    ['no verdict', { ...history(), verdict: undefined }],
    ['columns of two lengths', { ...history(), fine: { ...history().fine, rss: [1] } }],
    ['a column that is missing', { ...history(), coarse: { time: [] } }],
    ['text for a number', { ...history(), limits: { heap: '1', cgroup: null } }],
  ])('is refused: %s for a history', (_, given) => {
    expect(api.isHistory(given)).toBe(false)
  })

  it('says which process it is about', () => {
    expect([api.pidOf({ pid: 3 }), api.pidOf({ process: { pid: 4 } }), api.pidOf({}), api.pidOf(null), api.pidOf({ process: 'x' })]).toEqual([3, 4, undefined, undefined, undefined])
  })
})

const ASKED_AT = Date.UTC(2026, 10, 25)

describe('wordsFor', () => {
  it.each([
    [429, '', '8', 'Not now: the app does costly things one at a time, and not too often. Try again in 8 seconds.'],
    [429, 'A profile is being taken', '1', 'Not now: A profile is being taken. Try again in 1 second.'],
    [429, '', null, 'Not now: the app does costly things one at a time, and not too often. Try again in a few seconds.'],
    [429, '', new Date(ASKED_AT + 12_000).toUTCString(), 'Not now: the app does costly things one at a time, and not too often. Try again in 12 seconds.'],
    [503, 'Stopping.', null, 'The app cannot do this now. Stopping.'],
    [503, '', '0', 'The app cannot do this now. Try again in 1 second.'],
    [401, '', null, 'The app does not allow this.'],
    [403, 'Give a token!', null, 'The app does not allow this. Give a token!'],
    [404, '', null, 'The app does not offer this.'],
    [500, '', null, 'The app could not do this (status 500).'],
  ])('%d, %j, %j', (status, detail, retryAfter, words) => {
    expect(wordsFor(status, detail, retryAfter, ASKED_AT)).toBe(words)
  })
})
