import { describe, expect, it } from '@jest/globals'
import { axis, scale, timeTicks, withLimits } from '../../../../../middleware/memory/page/browser/scale.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('scale', () => {
  it('goes both ways', () => {
    const pixels = scale(100, 200, 50, 10)
    expect([pixels(100), pixels(150), pixels(200)]).toEqual([50, 30, 10])
    expect(pixels.invert(30)).toBe(150)
  })

  it('does not divide by zero', () => {
    expect(scale(5, 5, 0, 100)(5)).toBe(0)
    expect(scale(0, 1, 7, 7).invert(7)).toBe(0)
  })
})

describe('axis', () => {
  it.each([
    [187e6, 5, 200e6, 50e6], [2.1e9, 5, 2.5e9, 0.5e9], [3, 4, 3, 1], [1000, 4, 1000, 500], [0, 5, 1e6, 1e6], [205, 4, 300, 100],
  ])('to %d has round steps', (largest, count, top, step) => {
    const { top: found, ticks } = axis(largest, count, largest === 0 ? 1e6 : 1)
    expect(found).toBe(top)
    expect(ticks).toEqual(Array.from({ length: top / step + 1 }, (_, index) => index * step))
  })

  it.each([1, 17, 999, 1001, 123_456_789, 9e15])('to %d reaches it with no more than a few steps', (largest) => {
    const { top, ticks } = axis(largest, 5)
    expect(top).toBeGreaterThanOrEqual(largest)
    expect(ticks.length).toBeLessThanOrEqual(7)
  })
})

describe('withLimits', () => {
  it('makes room for near limits and tells of far ones', () => {
    const [near, far] = [{ name: 'near', value: 200 }, { name: 'far', value: 5000 }]
    expect(withLimits(100, [near, far])).toEqual({ largest: 208, shown: [near], beyond: [far] })
    expect(withLimits(300, [near]).largest).toBe(300)
    expect(withLimits(0, [])).toEqual({ largest: 0, shown: [], beyond: [] })
  })
})

describe('timeTicks', () => {
  const noon = Date.UTC(2026, 10, 25, 12)

  it('are round in local time', () => {
    const { step, ticks } = timeTicks(noon, noon + HOUR, 8, 0)
    expect(step).toBe(10 * MINUTE)
    expect(ticks).toEqual([0, 10, 20, 30, 40, 50, 60].map((minutes) => noon + minutes * MINUTE))
    const india = timeTicks(noon, noon + 24 * HOUR, 8, 5.5 * HOUR)
    expect(india.ticks.map((tick) => new Date(tick + 5.5 * HOUR).getUTCHours() % 3)).toEqual(india.ticks.map(() => 0))
  })

  it.each([1, 120, 3600, 7 * 24 * 3600])('are no more than asked for in %d seconds', (seconds) => {
    expect(timeTicks(noon, noon + seconds * 1000, 8, 0).ticks.length).toBeLessThanOrEqual(9)
  })
})
