/** Verdict, spaces and settle report as they come from the server; the figures of one moment, which are the chart's legend too; the same as a table. */
import type { Collection, Columns, GrownCallSite, Limits, Row, SettleReport, Space, Verdict } from './api.js'
import { bar, byId, byIdOf, element, setText } from './dom.js'
import { clock, costText, type Fact, factsOf, growth, memory, milliseconds, moment, partName, percent, perSecond, readoutText, siteAddress, siteName, spaceMeaning, UNKNOWN, verdictTitle } from './text.js'
import { type Interval, intervals, type Range } from './timeline.js'

const STATES: readonly string[] = ['warming', 'ok', 'growing', 'leak-suspected', 'native-growth']

/** Shows the verdict. */
export function showVerdict(verdict: Verdict, now: number): void {
  const { state, sentence, evidence } = verdict
  const known = STATES.includes(state) ? state : 'warming'
  byId('verdict').dataset['state'] = known
  byIdOf('verdict-icon', SVGUseElement).setAttribute('href', `#icon-${known}`)
  setText(byId('verdict-title'), verdictTitle(state))
  setText(byId('verdict-sentence'), sentence)
  showFacts(verdict, now)
  const warming = byId('verdict-progress')
  warming.hidden = state !== 'warming'
  const progress = byIdOf('verdict-periods', HTMLProgressElement)
  progress.max = Math.max(1, evidence.pointsNeeded)
  progress.value = evidence.points
  byId('verdict-sites').hidden = evidence.callSites.length === 0
  byId('verdict-sites-list').replaceChildren(...evidence.callSites.map(grownElement))
}

let facts = ''

/** Some of them are of the time that has passed. Touches the document only where one differs. */
export function showFacts(verdict: Verdict, now: number): void {
  const latest = factsOf(verdict, now)
  const text = JSON.stringify(latest)
  if (text === facts) return
  facts = text
  byId('verdict-facts').replaceChildren(...latest.map(factElement))
}

/** For how long the app would stand still, by the size of the heap; said where each is asked for. */
export function showCosts(heapUsed: number): void {
  for (const place of document.querySelectorAll<HTMLElement>('[data-cost]')) setText(place, costText(place.dataset['cost'] ?? '', heapUsed))
}

function factElement({ name, value, note }: Fact): HTMLElement {
  return element('div', {}, element('dt', {}, name), element('dd', { class: 'fact' }, value), element('dd', { class: 'note' }, note))
}

function grownElement(site: GrownCallSite): HTMLElement {
  return element('li', {}, siteElement(site), element('span', { class: 'amount' }, growth(site.growth)))
}

/** A call site as an element. */
export function siteElement(site: Pick<GrownCallSite, 'name' | 'url' | 'line'>): HTMLElement {
  return element('span', { class: 'site' }, element('code', {}, siteName(site)), element('span', { class: 'address' }, siteAddress(site)))
}

/** Shows the spaces of V8's heap. */
export function showSpaces(spaces: readonly Space[]): void {
  const largest = Math.max(1, ...spaces.map(({ size }) => size))
  byId('spaces-none').hidden = spaces.length > 0
  byId('spaces-rows').replaceChildren(...spaces.map((space) => spaceElement(space, largest)))
}

/** Roles are said outright: on phones the rows are laid out as a grid, which takes them away in some browsers. */
function spaceElement({ name, used, size, available, physical }: Space, largest: number): HTMLElement {
  const head = element('th', { scope: 'row', role: 'rowheader' },
    element('span', { class: 'space' }, element('code', {}, name), element('span', { class: 'note' }, spaceMeaning(name)), bar(used / largest)))
  return element('tr', { role: 'row', class: size > 0 ? '' : 'unused' }, head,
    ...[used, size, available, physical].map((value) => element('td', { role: 'cell' }, memory(value))))
}

/** The sentence stands in the line that is announced. */
export function showSettle({ sentence, explained, collectionMs, trigger }: SettleReport): void {
  const cause = trigger === 'load-drop' ? 'Load had dropped. ' : ''
  byId('settle-report').hidden = false
  byId('settle-message').classList.remove('failure')
  setText(byId('settle-message'), sentence)
  setText(byId('settle-collection'), `${cause}The forced collection took ${milliseconds(collectionMs)}.`)
  const whole = Math.max(1, explained.reduce((sum, { octets }) => sum + octets, 0))
  byId('settle-parts').replaceChildren(...explained.map(({ part, octets, meaning, remedy }) => element('li', {},
    element('div', { class: 'part' }, element('h4', {}, partName(part)), element('span', { class: 'amount' }, memory(octets))),
    bar(octets / whole),
    element('p', {}, meaning),
    element('p', { class: 'note' }, remedy),
  )))
}

/** What is shown of one moment. */
export interface Reading {
  /** Undefined where there are no samples. */
  row: Row | undefined
  /** Whether it is the newest. */
  newest: boolean
  limits: Limits
  collections: readonly Collection[]
}

const TILES = { rss: byId('figure-rss'), liveHeap: byId('figure-live-heap'), external: byId('figure-external'), load: byId('figure-load') }
const NOTES = { rss: byId('note-rss'), liveHeap: byId('note-live-heap'), external: byId('note-external'), load: byId('note-load') }

/** Shows it, and gives the words for those who do not see it. */
export function showReading({ row, newest, limits, collections }: Reading): string {
  if (row === undefined) {
    for (const tile of Object.values(TILES)) setText(tile, UNKNOWN)
    setText(byId('moment'), 'No samples yet')
    return 'No samples yet'
  }
  setText(TILES.rss, memory(row.rss))
  setText(TILES.liveHeap, memory(row.liveHeap))
  setText(TILES.external, memory(row.external))
  setText(TILES.load, perSecond(row.requestsPerSecond))
  setText(NOTES.rss, lines(shareOf(row.cgroup ?? row.rss, limits.cgroup, 'cgroup limit'), `V8’s heap ${memory(row.heapTotal)}`))
  setText(NOTES.liveHeap, collectionNote(row, limits, collections))
  setText(NOTES.external, `ArrayBuffers ${memory(row.arrayBuffers)}`)
  setText(NOTES.load, lines(`${row.inFlight === null ? UNKNOWN : String(row.inFlight)} in flight`, `loop delay ${milliseconds(row.loopDelay)}`))
  const when = momentOf(row.time)
  setText(byId('moment'), newest ? `Now, ${clock(row.time)}` : when)
  if (newest) return 'Now, the newest sample'
  return readoutText(when, [['RSS', row.rss], ['live heap', row.liveHeap], ['external', row.external]], perSecond(row.requestsPerSecond))
}

function momentOf(time: number): string {
  const today = new Date(time).toDateString() === new Date().toDateString()
  return today ? clock(time) : moment(time, Date.now())
}

function shareOf(value: number | null, limit: number | null, name: string): string {
  return value === null || limit === null ? '' : `${percent(value, limit)} of ${name}`
}

/** The last collection before the moment, and how near the limit the heap is. */
function collectionNote({ time, liveHeap }: Row, limits: Limits, collections: readonly Collection[]): string {
  const last = collections.findLast((collection) => collection.time <= time)
  const share = shareOf(liveHeap, limits.heap, 'heap limit')
  const collected = last === undefined ? 'no major GC yet' : `${last.forced ? 'forced ' : ''}GC ${short(time - last.time)} before, ${milliseconds(last.durationMs)}`
  return lines(share, collected)
}

/** ms, in a few letters. */
function short(ms: number): string {
  return ms < 60_000 ? `${String(Math.round(ms / 1000))} s` : `${String(Math.round(ms / 60_000))} min`
}

function lines(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n')
}

const MINUTE = 60_000
const WIDTHS: Readonly<Record<Range, number>> = { hour: MINUTE, day: 30 * MINUTE }
const CAPTIONS: Readonly<Record<Range, string>> = {
  hour: 'The last hour by the minute, newest first',
  day: 'The last day by the half hour, newest first',
}

/** The table of figures. */
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
