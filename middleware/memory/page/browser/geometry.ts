/** Where things are in the chart: its lanes, scales with round numbers, and samples as the paths of an SVG. Pure. */
import type { Collection, Columns, Limits, Values } from './api.js'
import { firstFrom } from './timeline.js'

/** What is to be drawn. */
export interface View {
  columns: Columns
  collections: readonly Collection[]
  limits: Limits
  /** ms since 1970. */
  from: number
  to: number
  /** ms without a sample that break a curve. */
  gap: number
}

/** A lane of the chart, in pixels from its top. */
interface Lane {
  top: number
  bottom: number
}

/** Where everything is, in pixels. */
export interface Layout {
  width: number
  height: number
  left: number
  right: number
  memory: Lane
  collections: Lane
  load: Lane
  x: Scale
  yMemory: Scale
  yLoad: Scale
  memoryAxis: Axis
  loadAxis: Axis
  /** Limits within reach of the curves, and those far above. */
  shown: NamedLimit[]
  beyond: NamedLimit[]
}

const LEFT = 60
const RIGHT = 14
const TOP = 22
const LANE_GAP = 16
const COLLECTIONS_HEIGHT = 14
const LOAD_HEIGHT = 52
const AXIS_HEIGHT = 26
/** Of which only the first and the last are drawn: steps finer than the lane has room for make a tighter top. */
const LOAD_STEPS = 4
const NARROW = 600
const LEAST_WIDTH = 200

/** The layout of a view in a host of so many pixels. */
export function layoutOf({ columns, limits, from, to }: View, hostWidth: number): Layout {
  const width = Math.max(LEAST_WIDTH, hostWidth)
  const memory = { top: TOP, bottom: TOP + (width < NARROW ? 190 : 270) }
  const collections = laneUnder(memory, COLLECTIONS_HEIGHT)
  const load = laneUnder(collections, LOAD_HEIGHT)
  const [left, right] = [LEFT, width - RIGHT]
  const begin = firstFrom(columns.time, from)
  const { largest, shown, beyond } = withLimits(largestOf([columns.rss, columns.liveHeap, columns.external], begin), named(limits))
  const memoryAxis = axis(largest, width < NARROW ? 4 : 5, 1_000_000)
  const loadAxis = axis(largestOf([columns.requestsPerSecond], begin), LOAD_STEPS)
  return {
    width, height: load.bottom + AXIS_HEIGHT, left, right, memory, collections, load, memoryAxis, loadAxis, shown, beyond,
    x: scale(from, to, left, right),
    yMemory: scale(0, memoryAxis.top, memory.bottom, memory.top),
    yLoad: scale(0, loadAxis.top, load.bottom, load.top),
  }
}

function laneUnder(lane: Lane, height: number): Lane {
  return { top: lane.bottom + LANE_GAP, bottom: lane.bottom + LANE_GAP + height }
}

function named({ heap, cgroup }: Limits): NamedLimit[] {
  return [{ name: 'heap limit', value: heap }, { name: 'cgroup limit', value: cgroup }]
    .flatMap(({ name, value }) => (value === null || value <= 0 ? [] : { name, value }))
}

function largestOf(lists: readonly Values[], begin: number): number {
  let largest = 0
  for (const list of lists) {
    for (let index = begin; index < list.length; index++) largest = Math.max(largest, list[index] ?? 0)
  }
  return largest
}

/** Values to pixels. */
export interface Scale {
  /** Pixels of a value. */
  (value: number): number
  /** The value at a pixel. */
  invert: (pixel: number) => number
}

/** A linear scale: `from` is at pixel `low`, `to` at pixel `high`. */
export function scale(from: number, to: number, low: number, high: number): Scale {
  const span = to - from === 0 ? 1 : to - from
  const pixels = (value: number): number => low + ((value - from) / span) * (high - low)
  return Object.assign(pixels, { invert: (pixel: number): number => from + ((pixel - low) / (high - low || 1)) * span })
}

/** A scale with its round numbers. */
export interface Axis {
  /** Where the axis ends: a round number not below the largest value. */
  top: number
  /** Round numbers from 0 to the top. */
  ticks: number[]
}

/** An axis from 0 with about `count` steps of 1, 2 or 5 times a power of ten. */
export function axis(largest: number, count: number, leastStep = 1): Axis {
  const rough = Math.max(largest, leastStep) / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(leastStep, power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10))
  const steps = Math.max(1, Math.ceil(largest / step))
  return { top: steps * step, ticks: Array.from({ length: steps + 1 }, (_, index) => index * step) }
}

/** A limit that is farther than this many times the largest value would press the curves to the floor. */
const FAR = 2.5

/** A limit, with its name. */
export interface NamedLimit {
  name: string
  value: number
}

/** Which limits the chart has room for, and up to which value it has to reach. */
export function withLimits(largest: number, limits: readonly NamedLimit[]): { largest: number; shown: NamedLimit[]; beyond: NamedLimit[] } {
  const shown = limits.filter(({ value }) => value <= FAR * largest)
  return { largest: Math.max(largest, ...shown.map(({ value }) => value * 1.04)), shown, beyond: limits.filter((limit) => !shown.includes(limit)) }
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const TIME_STEPS = [
  5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR,
]

/** Round local times from `from` to `to`, at most `count`. `offset`: what local time is ahead of UTC, ms. */
export function timeTicks(from: number, to: number, count: number, offset: number): { step: number; ticks: number[] } {
  const step = TIME_STEPS.find((candidate) => (to - from) / candidate <= count) ?? 24 * HOUR
  const first = Math.ceil((from + offset) / step) * step - offset
  const ticks: number[] = []
  for (let tick = first; tick <= to; tick += step) ticks.push(tick)
  return { step, ticks }
}

/** A point, in pixels. */
export interface Point {
  x: number
  y: number
}

/** What a curve is drawn of. */
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
