/** The statistics of benchmarks, tests and tools, and the benchmark's table. */
import { describe, expect, it } from '@jest/globals'
import { mean, median, medianInterval, quantile, ratio, scaled, spread } from '../../bench/stats.js'
import { figure, table, withSpread } from '../../bench/report.js'

describe('quantile, median and mean', () => {
  it('are the values in order, and between two of them in proportion', () => {
    expect([0, 0.25, 0.5, 0.9, 1].map((share) => quantile([5, 1, 3, 2, 4], share))).toEqual([1, 2, 3, 4.6, 5])
    expect(median([4, 1, 2, 9])).toBe(3)
    expect(median([7])).toBe(7)
    expect(mean([1, 2, 6])).toBe(3)
  })

  it('are numbers in their order, not texts, and leave what they are given as it was', () => {
    const values = [10, 9, 100]
    expect(median(values)).toBe(10)
    expect(values).toEqual([10, 9, 100])
  })

  it('are NaN of no values', () => {
    expect([quantile([], 0.99), median([]), mean([])]).toEqual([NaN, NaN, NaN])
  })
})

describe('medianInterval', () => {
  it('is the sign test\u2019s: the 40th to the 60th of a hundred and one values', () => {
    const { median: middle, min, max } = medianInterval(Array.from({ length: 101 }, (_, index) => index))
    expect(middle).toBe(50)
    expect(min).toBeCloseTo(50 - 9.8, 0)
    expect(max).toBeCloseTo(50 + 9.8, 0)
  })

  it('is all there is of few values', () => {
    expect(medianInterval([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
  })
})

describe('scaled', () => {
  it('divides the middle and both ends', () => {
    expect(scaled({ median: 2000, min: 1000, max: 4000 }, 1000)).toEqual({ median: 2, min: 1, max: 4 })
  })
})

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
