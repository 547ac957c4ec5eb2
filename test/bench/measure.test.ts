/** The benchmark's statistics and table. */
import { describe, expect, it } from '@jest/globals'
import { ratio, spread } from '../../bench/measure.js'
import { figure, table, withSpread } from '../../bench/report.js'

describe('spread', () => {
  it('takes the middle of an odd number of values, and the mean of the two middle ones of an even number', () => {
    expect(spread([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 })
    expect(spread([4, 1, 2, 9])).toEqual({ median: 3, min: 1, max: 9 })
  })

  it('refuses to make something of nothing', () => {
    expect(() => spread([])).toThrow(RangeError)
  })
})

describe('ratio', () => {
  it('compares round by round, so that a disturbance of both does not count', () => {
    expect(ratio([10, 100, 10], [40, 400, 40])).toEqual({ median: 0.25, min: 0.25, max: 0.25 })
  })

  it('refuses rounds that do not match', () => {
    expect(() => ratio([1, 2], [1])).toThrow(RangeError)
  })
})

describe('the table', () => {
  it('is Markdown with aligned columns', () => {
    expect(table(['server', 'µs'], [['floor', '5.5'], ['Express over HTTP', '79']])).toBe(
      [
        '| server            |  µs |',
        '|-------------------|----:|',
        '| floor             | 5.5 |',
        '| Express over HTTP |  79 |',
      ].join('\n'),
    )
  })

  it('gives three significant digits', () => {
    expect([0.2384, 5.512, 18.04, 588_123].map(figure)).toEqual(['0.238', '5.51', '18.0', '588123'])
    expect(withSpread({ median: 18, min: 17.5, max: 21 })).toBe('18.0 (17.5–21.0)')
  })
})
