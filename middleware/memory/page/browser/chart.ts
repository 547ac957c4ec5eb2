/** The chart: an SVG of three lanes, memory, collections and load, over one axis of time. Colours and line patterns are the style sheet's. */
import { formatBytes } from '../../units.js'
import type { Collection, ColumnName, Columns } from './api.js'
import { setAll, shape } from './dom.js'
import { area, type Layout, layoutOf, line, type NamedLimit, pieces, timeTicks, type View } from './geometry.js'
import { localOffset, memory, perSecond, tick } from './text.js'
import { firstFrom } from './timeline.js'

/** Pixels a time label needs. */
const LABEL_WIDTH = 96
const NOTE_WIDTH = 160
/** Collections that the server keeps. */
const KEPT = 256
const EXTERNAL_GRAIN = 5
const CURVES = ['external', 'liveHeap', 'rss'] as const

/** The picture. */
export class Chart {
  readonly #svg = shape('svg', { class: 'chart-picture', 'aria-hidden': 'true', focusable: 'false' })
  readonly #grid = shape('g')
  readonly #rssArea = shape('path', { class: 'area-rss' })
  readonly #loadArea = shape('path', { class: 'area-load' })
  readonly #loadLine = shape('path', { class: 'curve load' })
  readonly #curves = { rss: shape('path', { class: 'curve rss' }), liveHeap: shape('path', { class: 'curve live-heap' }), external: shape('path', { class: 'curve external' }) }
  readonly #ticks = shape('path', { class: 'collection' })
  readonly #forcedTicks = shape('path', { class: 'collection forced' })
  readonly #limits = shape('g')
  readonly #lost = shape('g')
  readonly #cursor = shape('g', { class: 'cursor' })
  readonly #host: HTMLElement
  #layout: Layout | undefined

  constructor(host: HTMLElement) {
    this.#host = host
    this.#svg.append(this.#grid, this.#rssArea, this.#loadArea, this.#loadLine)
    this.#svg.append(...CURVES.map((name) => this.#curves[name]), this.#ticks, this.#forcedTicks, this.#lost, this.#limits, this.#cursor)
    host.replaceChildren(this.#svg)
  }

  /** Pixels at which time begins and ends, and how many ms one is; undefined before the first drawing. */
  timeAt(clientX: number): number | undefined {
    return this.#layout?.x.invert(clientX - this.#host.getBoundingClientRect().left)
  }

  draw(view: View): void {
    const layout = layoutOf(view, this.#host.clientWidth)
    this.#layout = layout
    setAll(this.#svg, { width: layout.width, height: layout.height, viewBox: `0 0 ${String(layout.width)} ${String(layout.height)}` })
    this.#grid.replaceChildren(...memoryGrid(layout), ...laneGrid(layout), ...timeGrid(layout, view))
    this.#drawCurves(layout, view)
    const inView = view.collections.filter(({ time }) => time >= view.from && time <= view.to)
    this.#ticks.setAttribute('d', tickPath(inView.filter(({ forced }) => !forced), layout))
    this.#forcedTicks.setAttribute('d', tickPath(inView.filter(({ forced }) => forced), layout))
    this.#lost.replaceChildren(...lostNote(view, layout))
    this.#limits.replaceChildren(...layout.shown.flatMap((limit) => limitLine(limit, layout)), ...beyondNote(layout))
  }

  #drawCurves(layout: Layout, { columns, from, gap }: View): void {
    const begin = firstFrom(columns.time, from)
    const times = columns.time.slice(begin)
    const piecesOf = (name: ColumnName, y: (value: number) => number, grain?: number): ReturnType<typeof pieces> =>
      pieces({ times, values: columns[name].slice(begin), x: layout.x, y, gap, ...(grain === undefined ? {} : { grain }) })
    const rss = piecesOf('rss', layout.yMemory)
    this.#rssArea.setAttribute('d', area(rss, layout.memory.bottom))
    this.#curves.rss.setAttribute('d', line(rss))
    this.#curves.liveHeap.setAttribute('d', line(piecesOf('liveHeap', layout.yMemory), true))
    this.#curves.external.setAttribute('d', line(piecesOf('external', layout.yMemory, EXTERNAL_GRAIN)))
    const load = piecesOf('requestsPerSecond', layout.yLoad)
    this.#loadArea.setAttribute('d', area(load, layout.load.bottom))
    this.#loadLine.setAttribute('d', line(load))
  }

  /** The line at a sample; none where the index is not in view. After `draw`. */
  point(columns: Columns, index: number): void {
    const [layout, time] = [this.#layout, columns.time[index]]
    if (layout === undefined || time === undefined) {
      this.#cursor.replaceChildren()
      return
    }
    const x = layout.x(time)
    const dot = (name: ColumnName, y: (value: number) => number, kind: string): SVGElement[] => {
      const value = columns[name][index] ?? null
      return value === null ? [] : [shape('circle', { class: `dot ${kind}`, cx: x, cy: y(value), r: 4 })]
    }
    this.#cursor.replaceChildren(
      shape('path', { class: 'cursor-line', d: `M${String(x)},${String(layout.memory.top)}V${String(layout.load.bottom)}` }),
      ...dot('external', layout.yMemory, 'external'),
      ...dot('liveHeap', layout.yMemory, 'live-heap'),
      ...dot('rss', layout.yMemory, 'rss'),
      ...dot('requestsPerSecond', layout.yLoad, 'load'),
    )
  }
}

function rule(layout: Layout, y: number, kind = 'grid'): SVGElement {
  return shape('path', { class: kind, d: `M${String(layout.left)},${String(Math.round(y) + 0.5)}H${String(layout.right)}` })
}

function label(x: number, y: number, text: string, kind: string): SVGElement {
  return shape('text', { x, y, class: kind }, text)
}

function memoryGrid(layout: Layout): SVGElement[] {
  return layout.memoryAxis.ticks.flatMap((value) => {
    const y = layout.yMemory(value)
    return [rule(layout, y, value === 0 ? 'base' : 'grid'), label(layout.left - 10, y + 4, value === 0 ? '0' : memory(value).replace('.0 ', ' '), 'label end')]
  })
}

function laneGrid(layout: Layout): SVGElement[] {
  const { left, collections, load, loadAxis } = layout
  return [
    label(left - 10, (collections.top + collections.bottom) / 2 + 4, 'GC', 'label end'),
    rule(layout, collections.bottom, 'base'),
    rule(layout, load.top),
    rule(layout, load.bottom, 'base'),
    label(left - 10, load.top + 4, `${perSecond(loadAxis.top)}/s`, 'label end'),
    label(left - 10, load.bottom + 4, '0', 'label end'),
  ]
}

function timeGrid({ x, left, right, memory: lane, load }: Layout, { from, to }: View): SVGElement[] {
  const { step, ticks } = timeTicks(from, to, Math.max(2, Math.floor((right - left) / LABEL_WIDTH)), localOffset(to))
  return ticks.flatMap((time) => {
    const at = x(time)
    const kind = at - left < 24 ? 'label' : right - at < 24 ? 'label end' : 'label middle'
    return [
      shape('path', { class: 'grid', d: `M${String(Math.round(at) + 0.5)},${String(lane.top)}V${String(load.bottom)}` }),
      label(at, load.bottom + 20, tick(time, step), kind),
    ]
  })
}

function tickPath(collections: readonly Collection[], { x, collections: lane }: Layout): string {
  const places = new Set(collections.map(({ time }) => Math.round(x(time))))
  return [...places].map((at) => `M${String(at)},${String(lane.bottom)}V${String(lane.top)}`).join('')
}

/** The lane says where it knows nothing: the server keeps the last collections alone. */
function lostNote({ collections, from }: View, { x, left, collections: lane }: Layout): SVGElement[] {
  const first = collections[0]?.time ?? from
  const room = x(first) - left
  if (collections.length < KEPT || room < NOTE_WIDTH) return []
  return [label(left + room / 2, (lane.top + lane.bottom) / 2 + 4, 'older ones are not kept', 'label middle')]
}

function limitLine({ name, value }: NamedLimit, layout: Layout): SVGElement[] {
  const y = layout.yMemory(value)
  return [rule(layout, y, `limit ${name.replace(' ', '-')}`), label(layout.left + 6, y - 6, `${name} ${formatBytes(value)}`, 'limit-label')]
}

function beyondNote({ beyond, right, memory: lane }: Layout): SVGElement[] {
  if (beyond.length === 0) return []
  return [label(right, lane.top - 8, `↑ ${beyond.map(({ name, value }) => `${name} ${formatBytes(value)}`).join(', ')}`, 'limit-label end')]
}
