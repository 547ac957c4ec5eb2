import { describe, expect, it } from '@jest/globals'
import { growth, memory, milliseconds, moment, percent, perSecond, span, tick } from '../../../../../middleware/memory/page/browser/format.js'

describe('values', () => {
  it.each([
    [memory(null), '–'], [memory(24_100_000), '24.1 MB'],
    [growth(null), '–'], [growth(5_300_000), '+5.3 MB'], [growth(-400_000), '−400 KB'], [growth(0), '0 B'],
    [perSecond(null), '–'], [perSecond(0), '0'], [perSecond(0.25), '0.3'], [perSecond(1234.5), '1,235'],
    [milliseconds(null), '–'], [milliseconds(0.04), '0.0 ms'], [milliseconds(152.3), '152 ms'], [milliseconds(4321), '4.3 s'], [milliseconds(64_000), '64 s'],
    [percent(62, 100), '62 %'], [percent(1, 1000), '<1 %'], [percent(0, 5), '0 %'], [percent(5, 0), '–'],
    [span(0), '0 seconds'], [span(1), '1 second'], [span(59), '59 seconds'], [span(7200), '2 hours'],
  ])('%s reads %s', (found, wanted) => {
    expect(found).toBe(wanted)
  })
})

describe('times', () => {
  const at = (day: number, hour: number, minute = 0, second = 0): number => new Date(2026, 10, day, hour, minute, second).getTime()

  it('name the day where it is not today', () => {
    expect(moment(at(25, 9, 5), at(25, 14))).not.toMatch(/Wed/)
    expect(moment(at(25, 9, 5), at(26, 14))).toMatch(/^Wed .*9.05/)
  })

  it('are as fine as the step', () => {
    expect(tick(at(25, 9, 5, 15), 15_000)).toMatch(/9.05.15/)
    expect(tick(at(25, 9, 5), 300_000)).toMatch(/9.05(?!.\d)/)
    expect(tick(at(25, 0), 3 * 3_600_000)).toBe('Wed 25')
    expect(tick(at(25, 0), 60_000)).not.toContain('Wed')
  })
})
