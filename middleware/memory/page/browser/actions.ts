/** What the buttons do: call sites and their mark, the settle check, a collection, a snapshot, copying. */
import { type Answer, ask, askForFile, type CallSite, type CallSites, isCallSites, isObject, isSettleReport, UNREADABLE } from './api.js'
import { bar, byId, element, onPress, setText } from './dom.js'
import { showSettle, siteElement } from './panels.js'
import { ageText, growth, growthNote, memory, ordered, sitesSentence } from './text.js'

/** The address of a path of the endpoint, for the process that is shown. */
export type AddressOf = (path: string) => string

/** Call sites that are listed. */
const MOST = 30

/** Makes the buttons of the page do something. */
export function bindButtons(addressOf: AddressOf): void {
  onPress(byId('sites-refresh'), () => refreshSites(addressOf))
  onPress(byId('sites-mark'), () => setMark(addressOf))
  onPress(byId('settle-run'), () => runSettle(addressOf))
  onPress(byId('gc-run'), async () => {
    say('tools-message', 'Collecting …')
    const answer = await ask('POST', addressOf('gc'))
    say('tools-message', answer.words ?? sentenceOf(answer.value), answer)
  })
  onPress(byId('snapshot-run'), () => takeSnapshot(addressOf))
  for (const button of document.querySelectorAll<HTMLElement>('[data-copy]')) onPress(button, () => copy(button))
}

async function refreshSites(addressOf: AddressOf): Promise<void> {
  say('sites-message', 'Collecting …')
  const answer = await ask('GET', addressOf('callsites'))
  if (answer.words !== undefined) say('sites-message', answer.words, answer)
  else if (isCallSites(answer.value)) showSites(answer.value)
  else say('sites-message', UNREADABLE, { words: UNREADABLE })
}

async function setMark(addressOf: AddressOf): Promise<void> {
  say('sites-message', 'Setting the mark …')
  const answer = await ask('POST', addressOf('mark'))
  if (answer.words !== undefined) say('sites-message', answer.words, answer)
  else {
    if (isCallSites(answer.value)) showSites(answer.value)
    say('sites-message', 'The mark is set. Let the app work, then refresh: what has grown comes first.')
  }
}

function showSites({ sites, mark, age }: CallSites): void {
  const listed = ordered(sites, mark !== null).slice(0, MOST)
  const largest = Math.max(1, ...listed.map(({ octets }) => octets))
  byId('sites-table').hidden = listed.length === 0
  byId('sites-limits').hidden = mark === null || listed.length === 0
  byId('sites-rows').replaceChildren(...listed.map((site) => element('tr', { role: 'row' },
    element('th', { scope: 'row', role: 'rowheader' }, siteElement(site), bar(site.octets / largest)),
    element('td', { role: 'cell' }, memory(site.octets)),
    growthElement(site),
  )))
  say('sites-message', sitesSentence(sites.length, listed.length, mark, Date.now()) + ageText(age))
}

function growthElement(site: CallSite): HTMLElement {
  const { note, chance } = growthNote(site)
  const kind = chance ? 'chance' : (site.growth ?? 0) > 0 ? 'grown' : ''
  return element('td', { role: 'cell', class: kind }, growth(site.growth), ...(note === '' ? [] : [element('span', { class: 'note' }, ` ${note}`)]))
}

async function runSettle(addressOf: AddressOf): Promise<void> {
  say('settle-message', 'Collecting, then waiting a second …')
  const answer = await ask('POST', addressOf('settle'))
  if (answer.words !== undefined) say('settle-message', answer.words, answer)
  else if (isSettleReport(answer.value)) showSettle(answer.value)
  else say('settle-message', UNREADABLE, { words: UNREADABLE })
}

async function takeSnapshot(addressOf: AddressOf): Promise<void> {
  say('tools-message', 'Writing the snapshot. The app stands still meanwhile …')
  const answer = await askForFile(addressOf('snapshot'))
  if ('words' in answer) {
    say('tools-message', answer.words, answer)
    return
  }
  const address = URL.createObjectURL(answer.file)
  element('a', { href: address, download: answer.name }).click()
  URL.revokeObjectURL(address)
  say('tools-message', `Saved as ${answer.name}, ${memory(answer.file.size)}.`)
}

function sentenceOf(value: unknown): string {
  return isObject(value) && typeof value['sentence'] === 'string' ? value['sentence'] : 'A full collection was forced.'
}

async function copy(button: HTMLElement): Promise<void> {
  const command = byId(button.dataset['copy'] ?? '')
  try {
    await navigator.clipboard.writeText(command.textContent)
    say('copy-message', 'Copied.')
  } catch {
    // Browsers give the clipboard to secure pages alone: then the text is selected, for the user to copy.
    getSelection()?.selectAllChildren(command)
    say('copy-message', 'Selected: copy it with the keyboard.')
  }
}

/** `answer`: shown as a failure where it has words. */
function say(id: string, text: string, answer?: Answer | { words: string }): void {
  const line = byId(id)
  line.classList.toggle('failure', isObject(answer) && answer.words !== undefined)
  setText(line, text)
}
