/** The chart's figures as a table, for those who would rather read than look. Filled only while it is open. */
import { byId, byIdOf, element, setText } from './dom.js'
import { memory, moment, perSecond } from './format.js'
import { intervals, type Interval, type Range } from './timeline.js'
import type { Columns } from './wire.js'

const MINUTE = 60_000
const WIDTHS: Readonly<Record<Range, number>> = { hour: MINUTE, day: 30 * MINUTE }
const CAPTIONS: Readonly<Record<Range, string>> = {
  hour: 'The last hour by the minute, newest first',
  day: 'The last day by the half hour, newest first',
}

export class Figures {
  readonly #details = byIdOf('figures', HTMLDetailsElement)
  readonly #head = byId('figures-head')
  readonly #body = byId('figures-rows')
  readonly #source: () => { columns: Columns; range: Range }
  #shown = ''

  constructor(source: () => { columns: Columns; range: Range }) {
    this.#source = source
    this.#details.addEventListener('toggle', () => { this.update() })
  }

  /** Cheap where nothing new is to be shown. */
  update(): void {
    if (!this.#details.open) return
    const { columns, range } = this.#source()
    const width = WIDTHS[range]
    const [first = 0, last = 0] = [columns.time[0], columns.time.at(-1)]
    const shown = [range, first, Math.floor(last / width)].join()
    if (shown === this.#shown) return
    this.#shown = shown
    const cgroup = columns.cgroup.some((value) => value !== null)
    setText(byId('figures-caption'), `${CAPTIONS[range]}. The most in each interval; of the live heap, the last.`)
    this.#head.replaceChildren(...headings(cgroup))
    this.#body.replaceChildren(...intervals(columns, width).map((interval) => rowOf(interval, cgroup)))
  }
}

function headings(cgroup: boolean): HTMLElement[] {
  const names = ['Time', 'RSS', 'Live heap', 'External', ...(cgroup ? ['Cgroup'] : []), 'Requests a second']
  return names.map((name) => element('th', { scope: 'col', class: name === 'Cgroup' ? 'spare' : '' }, name))
}

function rowOf({ time, rss, liveHeap, external, cgroup, requestsPerSecond }: Interval, withCgroup: boolean): HTMLElement {
  const cell = (text: string, kind = ''): HTMLElement => element('td', { class: kind }, text)
  return element('tr', {},
    element('th', { scope: 'row' }, moment(time, Date.now())),
    ...[rss, liveHeap, external].map((value) => cell(memory(value))),
    ...(withCgroup ? [cell(memory(cgroup), 'spare')] : []),
    cell(perSecond(requestsPerSecond)),
  )
}
