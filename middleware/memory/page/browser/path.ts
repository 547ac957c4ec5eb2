/** Samples as the paths of an SVG: broken where there are gaps, and with no more points than pixels can show. Pure. */
import type { Values } from './wire.js'

export interface Point {
  x: number
  y: number
}

export interface Curve {
  times: readonly number[]
  values: Values
  x: (time: number) => number
  y: (value: number) => number
  /** ms without a sample that break the curve. */
  gap: number
  /** Of all samples on so many pixels only the highest stays, so that a dotted line stays dotted. Without it, see `pieces`. */
  grain?: number
}

/** The curve in unbroken pieces. Where many samples fall on one pixel, its first, lowest, highest and last stay. */
export function pieces({ times, values, x, y, gap, grain }: Curve): Point[][] {
  const found: Point[][] = []
  let piece: Point[] = []
  let before = NaN
  times.forEach((time, index) => {
    const value = values[index] ?? null
    if (value === null || time - before > gap) {
      if (piece.length > 0) found.push(thinned(piece, grain))
      piece = []
    }
    before = time
    if (value !== null) piece.push({ x: x(time), y: y(value) })
  })
  if (piece.length > 0) found.push(thinned(piece, grain))
  return found
}

function thinned(points: readonly Point[], grain: number | undefined): Point[] {
  const kept: Point[] = []
  const cell = (point: Point | undefined): number | undefined => (point === undefined ? undefined : Math.floor(point.x / (grain ?? 1)))
  let begin = 0
  for (let index = 1; index <= points.length; index++) {
    if (cell(points[index]) === cell(points[begin])) continue
    const together = points.slice(begin, index)
    kept.push(...(grain === undefined ? extremes(together) : highest(together)))
    begin = index
  }
  return kept
}

/** The least y: pixels are counted from above. */
function highest(points: readonly Point[]): Point[] {
  return points.length === 0 ? [] : [points.reduce((best, point) => (point.y < best.y ? point : best))]
}

function extremes(points: readonly Point[]): Point[] {
  if (points.length <= 4) return [...points]
  const indices = points.map((_, index) => index)
  const by = (better: (one: number, other: number) => boolean): number =>
    indices.reduce((best, index) => (better(points[index]?.y ?? 0, points[best]?.y ?? 0) ? index : best), 0)
  const wanted = new Set([0, by((one, other) => one < other), by((one, other) => one > other), points.length - 1])
  return [...wanted].sort((one, other) => one - other).flatMap((index) => points[index] ?? [])
}

/** `stepped`: each value holds until the next, as the live heap does between collections. */
export function line(parts: readonly (readonly Point[])[], stepped = false): string {
  return parts.map((points) => {
    const [first, ...rest] = points
    if (first === undefined) return ''
    // A piece of one point: with round ends, a line of no length is a dot.
    const to = rest.length === 0 ? 'h.01' : rest.map((point) => (stepped ? `H${pixels(point.x)}V${pixels(point.y)}` : `L${pair(point)}`)).join('')
    return `M${pair(first)}${to}`
  }).join('')
}

/** What lies between the curve and the pixel `base`. */
export function area(parts: readonly (readonly Point[])[], base: number): string {
  return parts.map((points) => {
    const [first, last] = [points[0], points.at(-1)]
    if (first === undefined || last === undefined) return ''
    return `M${pixels(first.x)},${pixels(base)}${points.map((point) => `L${pair(point)}`).join('')}L${pixels(last.x)},${pixels(base)}Z`
  }).join('')
}

function pair({ x, y }: Point): string {
  return `${pixels(x)},${pixels(y)}`
}

function pixels(value: number): string {
  return String(Math.round(value * 10) / 10)
}
