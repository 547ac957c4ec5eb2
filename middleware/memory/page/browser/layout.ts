/** Where things are in the chart, and how its scales run. Pure. */
import { axis, scale, withLimits, type Axis, type NamedLimit, type Scale } from './scale.js'
import { firstFrom } from './timeline.js'
import type { Collection, Columns, Limits, Values } from './wire.js'

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
