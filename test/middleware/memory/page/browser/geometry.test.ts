import { describe, expect, it } from '@jest/globals'
import { area, axis, type Curve, layoutOf, line, pieces, scale, timeTicks, type View, withLimits } from '../../../../../middleware/memory/page/browser/geometry.js'
import { noColumns } from '../../../../../middleware/memory/page/browser/timeline.js'
import { history, MB, NOW } from '../histories.js'

function view(changes: Partial<View> = {}): View {
  return { columns: history().fine, collections: [], limits: { heap: null, cgroup: null }, from: NOW - 3_600_000, to: NOW, gap: 15_000, ...changes }
}

describe('layoutOf', () => {
  it.each([0, 360, 1120])('keeps the lanes apart and inside, %d pixels wide', (width) => {
    const { memory, collections, load, height, left, right, ...layout } = layoutOf(view(), width)
    const edges = [0, memory.top, memory.bottom, collections.top, collections.bottom, load.top, load.bottom, height]
    expect(edges).toEqual([...edges].sort((one, other) => one - other))
    expect(left).toBeLessThan(right)
    expect(right).toBeLessThan(layout.width)
  })

  it('puts the newest sample at the right end, and the largest value below the top', () => {
    const { x, yMemory, right, memory } = layoutOf(view(), 1000)
    expect(x(NOW)).toBe(right)
    expect(yMemory(Math.max(...history().fine.rss.map(Number)))).toBeGreaterThanOrEqual(memory.top)
    expect(yMemory(0)).toBe(memory.bottom)
  })

  it('has axes where there is nothing to draw', () => {
    const { memoryAxis, loadAxis } = layoutOf(view({ columns: noColumns() }), 1000)
    expect([memoryAxis.top, loadAxis.top]).toEqual([MB, 1])
  })

  it('shows a limit that is near, tells of one that is far, and has none of nothing', () => {
    const layout = layoutOf(view({ limits: { heap: 9000 * MB, cgroup: 300 * MB } }), 1000)
    expect([layout.shown, layout.beyond]).toEqual([[{ name: 'cgroup limit', value: 300 * MB }], [{ name: 'heap limit', value: 9000 * MB }]])
    expect(layoutOf(view({ limits: { heap: 0, cgroup: null } }), 1000).beyond).toEqual([])
  })

  it('scales to what is in view alone', () => {
    const columns = { ...noColumns(), time: [1000, 2000], rss: [900 * MB, 90 * MB] }
    expect(layoutOf(view({ columns, from: 1500, to: 2000 }), 1000).memoryAxis.top).toBe(100 * MB)
  })
})

/** One pixel a ms, values counted from pixel 100 upwards. */
function curve(points: readonly (readonly [number, number | null])[], changes: Partial<Curve> = {}): Curve {
  return { times: points.map(([time]) => time), values: points.map(([, value]) => value), x: (time) => time, y: (value) => 100 - value, gap: 10, ...changes }
}

describe('pieces', () => {
  it('break where nothing is known and where no sample came', () => {
    const found = pieces(curve([[0, 1], [1, 2], [2, null], [3, 3], [20, 4]]))
    expect(found.map((piece) => piece.map(({ x }) => x))).toEqual([[0, 1], [3], [20]])
    expect(pieces(curve([]))).toEqual([])
    expect(pieces(curve([[0, null]]))).toEqual([])
  })

  it('keep the first, the highest, the lowest and the last of a pixel', () => {
    const values = [5, 6, 90, 7, 1, 8, 6]
    const found = pieces(curve(values.map((value, index) => [index / 10, value] as const)))
    expect(found.flat().map(({ y }) => 100 - y)).toEqual([5, 90, 1, 6])
  })

  it('stay short however many samples there are', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => [index / 100, Math.sin(index) * 50] as const)
    const found = pieces(curve(many)).flat()
    expect(found.length).toBeLessThanOrEqual(4 * 201)
    expect(Math.min(...found.map(({ y }) => y))).toBeCloseTo(50, 1)
  })

  it('keep the highest of a grain alone where there is one', () => {
    expect(pieces(curve([[0, 1], [1, 9], [4, 2], [5, 3], [6, 1]], { grain: 5 })).flat()).toEqual([{ x: 1, y: 91 }, { x: 5, y: 97 }])
  })
})

describe('line and area', () => {
  const parts = [[{ x: 0, y: 10 }, { x: 5.04, y: 20 }], [{ x: 9, y: 1 }]]

  it('draw straight, in steps, and a lone point as a dot', () => {
    expect(line(parts)).toBe('M0,10L5,20M9,1h.01')
    expect(line(parts, true)).toBe('M0,10H5V20M9,1h.01')
    expect(line([[]])).toBe('')
  })

  it('close the area on its base', () => {
    expect(area(parts.slice(0, 1), 100)).toBe('M0,100L0,10L5,20L5,100Z')
    expect(area([[]], 100)).toBe('')
  })
})

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
