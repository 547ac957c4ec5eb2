/** One chart: curves over one axis of time, as SVG. Colours and line patterns are the style sheet's. */
import type { Values } from './api.js'
import { setAll, shape } from './dom.js'
import { clock } from './text.js'

/** A curve, and what tells it from the others. */
export interface Series {
  name: string
  /** The number of its colour and line pattern. */
  style: number
  values: Values
}

/** What is to be drawn. */
export interface View {
  times: readonly number[]
  series: readonly Series[]
  /** ms since 1970. */
  from: number
  to: number
  format: (value: number) => string
  /** The axis reaches at least so far. */
  least: number
}

const HEIGHT = 150
const TOP = 12
const BOTTOM = HEIGHT - 22
const LEFT = 52
const RIGHT = 8
const LABEL_WIDTH = 84
/** ms without a sample that break a curve. */
const GAP = 16_000
const COLOURS = 8
const PATTERNS = 4
const MINUTE = 60_000
const STEPS = [MINUTE / 2, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE]

/** The classes of a curve's style. */
export function styleOf(style: number): string {
  return `colour-${String(style % COLOURS)} pattern-${String(style % PATTERNS)}`
}

/** The picture, and which moment of it is pointed at. */
export class Chart {
  readonly #host: HTMLElement
  readonly #svg = shape('svg', { 'aria-hidden': 'true', 'focusable': 'false' })
  readonly #grid = shape('g')
  readonly #curves = shape('g')
  readonly #cursor = shape('path', { class: 'cursor' })
  #x = { from: 0, to: 1, left: LEFT, right: LEFT + 1 }

  /** @param onPoint the time that is pointed at; undefined once nothing is */
  constructor(host: HTMLElement, onPoint: (time: number | undefined) => void) {
    this.#host = host
    this.#svg.append(this.#grid, this.#curves, this.#cursor)
    host.replaceChildren(this.#svg)
    const point = ({ clientX }: PointerEvent): void => { onPoint(this.#timeAt(clientX)) }
    host.addEventListener('pointermove', point)
    host.addEventListener('pointerdown', point)
    host.addEventListener('pointerleave', () => { onPoint(undefined) })
  }

  draw({ times, series, from, to, format, least }: View): void {
    const width = Math.max(160, this.#host.clientWidth)
    setAll(this.#svg, { width, height: HEIGHT, viewBox: `0 0 ${String(width)} ${String(HEIGHT)}` })
    this.#x = { from, to, left: LEFT, right: width - RIGHT }
    const begin = times.findIndex((time) => time >= from)
    const shown = begin === -1 ? [] : times.slice(begin)
    const cut = series.map((each) => ({ ...each, values: begin === -1 ? [] : each.values.slice(begin) }))
    const { top, ticks } = axis(cut.reduce((most, { values }) => Math.max(most, largest(values)), 0), least)
    const y = (value: number): number => BOTTOM - (value / top) * (BOTTOM - TOP)
    this.#grid.replaceChildren(
      ...ticks.flatMap((value) => [rule(y(value), this.#x.right, value === 0), shape('text', { x: LEFT - 8, y: y(value) + 4, class: 'end' }, value === 0 ? '0' : format(value))]),
      ...this.#timeLabels(),
    )
    this.#curves.replaceChildren(...cut.map(({ style, values }) => shape('path', { class: `curve ${styleOf(style)}`, d: this.#path(shown, values, y) })))
  }

  /** The line at a time; none where it is undefined or out of sight. */
  point(time: number | undefined): void {
    const { from, to } = this.#x
    const x = time === undefined || time < from || time > to ? undefined : Math.round(this.#pixel(time)) + 0.5
    this.#cursor.setAttribute('d', x === undefined ? '' : `M${String(x)},${String(TOP)}V${String(BOTTOM)}`)
  }

  #pixel(time: number): number {
    const { from, to, left, right } = this.#x
    return left + ((time - from) / (to - from || 1)) * (right - left)
  }

  #timeAt(clientX: number): number {
    const { from, to, left, right } = this.#x
    return from + ((clientX - this.#host.getBoundingClientRect().left - left) / (right - left)) * (to - from)
  }

  #timeLabels(): SVGElement[] {
    const { from, to, left, right } = this.#x
    const most = Math.max(1, Math.floor((right - left) / LABEL_WIDTH))
    const step = STEPS.find((candidate) => (to - from) / candidate <= most) ?? 60 * MINUTE
    const labels: SVGElement[] = []
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const x = this.#pixel(time)
      labels.push(shape('text', { x, y: HEIGHT - 6, class: right - x < 24 ? 'end' : x - left < 24 ? 'start' : 'middle' }, clock(time, step < MINUTE)))
    }
    return labels
  }

  /** Of all samples on one pixel the highest stays. */
  #path(times: readonly number[], values: Values, y: (value: number) => number): string {
    let [path, before, pixel, held] = ['', -Infinity, NaN, -Infinity]
    const flush = (): void => {
      if (held === -Infinity) return
      path += `${path === '' || path.endsWith(' ') ? 'M' : 'L'}${String(pixel)},${y(held).toFixed(1)}`
      held = -Infinity
    }
    times.forEach((time, index) => {
      const value = values[index] ?? null
      const at = Math.round(this.#pixel(time))
      if (value === null || time - before > GAP || at !== pixel) flush()
      if ((value === null || time - before > GAP) && path !== '' && !path.endsWith(' ')) path += ' '
      if (value === null) return
      held = Math.max(held, value)
      pixel = at
      before = time
    })
    flush()
    return path
  }
}

function largest(values: Values): number {
  let most = 0
  for (const value of values) if (value !== null && value > most) most = value
  return most
}

function rule(y: number, right: number, isBase: boolean): SVGElement {
  return shape('path', { class: isBase ? 'grid base' : 'grid', d: `M${String(LEFT)},${String(Math.round(y) + 0.5)}H${String(right)}` })
}

/** Two or three steps of 1, 2, 2.5 or 5 times a power of ten, up to what is drawn. */
function axis(most: number, least: number): { top: number; ticks: number[] } {
  const rough = Math.max(most, least) / 3
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10)
  const steps = Math.max(1, Math.ceil(Math.max(most, least) / step - 0.001))
  return { top: step * steps, ticks: Array.from({ length: steps + 1 }, (_, index) => index * step) }
}
