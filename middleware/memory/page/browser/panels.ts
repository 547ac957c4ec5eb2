/** The verdict, the spaces and the settle report, as they come from the server. */
import { bar, byId, byIdOf, element, setText } from './dom.js'
import { growth, memory, milliseconds } from './format.js'
import type { GrownCallSite, SettleReport, Space, Verdict } from './wire.js'
import { costText, factsOf, partName, siteAddress, siteName, spaceMeaning, verdictTitle, type Fact } from './words.js'

const STATES: readonly string[] = ['warming', 'ok', 'growing', 'leak-suspected', 'native-growth']

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

export function siteElement(site: Pick<GrownCallSite, 'name' | 'url' | 'line'>): HTMLElement {
  return element('span', { class: 'site' }, element('code', {}, siteName(site)), element('span', { class: 'address' }, siteAddress(site)))
}

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
