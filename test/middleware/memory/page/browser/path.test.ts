import { describe, expect, it } from '@jest/globals'
import { area, line, pieces, type Curve } from '../../../../../middleware/memory/page/browser/path.js'

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
