/** All of the page but its charts: the state, the tables and the lists. */
import type { Cap, Status, Worker } from './api.js'
import { styleOf } from './chart.js'
import { byId, element, setText, shape } from './dom.js'
import { amount, clock, counted, memory, percent, span, UNKNOWN } from './text.js'
import { minutesOf, type Timeline } from './timeline.js'

/** Seconds without a report after which a worker counts as stuck. */
const SILENT = 5000

/** Shows the state of the pool in words and figures. */
export function showState(status: Status): void {
  const { tone, title, sentence } = stateOf(status)
  byId('state').dataset['state'] = tone
  setText(byId('state-title'), title)
  setText(byId('state-sentence'), sentence)
  byId('state-facts').replaceChildren(...factsOf(status).map(([name, value, note]) => element('div', {}, element('dt', {}, name), element('dd', {}, value, element('span', { class: 'note' }, note)))))
  setText(byId('address'), status.address)
  setText(byId('facts'), `up ${span(status.time - status.startedAt)} · ${counted(status.workers.length, 'worker')}`)
  document.title = `${title} · Status of ${status.address}`
}

function stateOf({ state, notReady, workers, unanswered }: Status): { tone: string; title: string; sentence: string } {
  const stuck = workers.filter((worker) => worker.state === 'ready' && (worker.silentFor ?? 0) > SILENT)
  if (stuck.length > 0) {
    return { tone: 'bad', title: 'A worker is silent', sentence: `${stuck.map(({ worker, pid, silentFor }) => `Worker ${String(worker)} (pid ${String(pid)}) has said nothing for ${span(silentFor ?? 0)}`).join('. ')}: its event loop is blocked.` }
  }
  if (notReady === 'capped') return { tone: 'bad', title: 'Capped', sentence: 'All slots of each worker are held, and the queues are full: requests are turned away, and /readyz says 503.' }
  if (notReady === 'draining') return { tone: 'busy', title: 'Draining', sentence: 'Requests that are open are answered, then the program ends.' }
  if (notReady === 'starting') return { tone: 'busy', title: 'Starting', sentence: 'No worker is ready yet.' }
  if (state === 'reloading') return { tone: 'busy', title: 'Reloading', sentence: 'New workers begin; the old ones serve until those are ready.' }
  if (unanswered > 0) return { tone: 'busy', title: 'Ready', sentence: `${counted(unanswered, 'worker')} did not tell details in time: theirs are missing here.` }
  return { tone: 'good', title: 'Ready', sentence: '' }
}

function sum(workers: readonly Worker[], figure: (worker: Worker) => number | null | undefined): number {
  return workers.reduce((total, worker) => total + (figure(worker) ?? 0), 0)
}

function factsOf({ workers, backlog, totals, ends }: Status): [name: string, value: string, note: string][] {
  const ended = ends.recycled + ends.died + ends.stuck
  return [
    ['Requests a second', amount(sum(workers, ({ requestsPerSecond }) => requestsPerSecond)), `${amount(totals.requests)} in all`],
    ['Active requests', amount(sum(workers, ({ report }) => report?.active)), `on ${counted(sum(workers, ({ report }) => report?.connections), 'connection')}`],
    ['Waiting in the kernel', backlog === null ? UNKNOWN : amount(backlog.waiting), backlog === null ? 'not a Unix socket' : `of ${amount(backlog.limit)}; ${amount(backlog.most)} at most so far`],
    ['Memory', memory(sum(workers, ({ report }) => report?.rss)), 'RSS of all workers'],
    ['Server errors', amount(totals.serverErrors), `${amount(totals.recovered)} recovered, ${amount(totals.timedOut)} timed out`],
    ['Turned away', amount(totals.rejected + totals.rateLimited), `${amount(totals.rejected)} by caps, ${amount(totals.rateLimited)} by rate limits`],
    ['Slow requests', amount(totals.slow), `${amount(sum(workers, ({ slow }) => slow?.running.length))} still run`],
    ['Workers replaced', amount(ended), `${amount(ends.recycled)} recycled, ${amount(ends.died)} died, ${amount(ends.stuck)} stuck; ${counted(ends.reloads, 'reload')}, ${amount(ends.failedReloads)} failed`],
  ]
}

/** Shows a row for each worker. */
export function showWorkers({ workers, time }: Status): void {
  byId('workers-none').hidden = workers.length > 0
  byId('workers-rows').replaceChildren(...workers.map((worker) => workerRow(worker, time)))
}

function workerRow(worker: Worker, time: number): HTMLElement {
  const { state, memory: verdict } = worker
  const { words, isBad } = conditionOf(worker)
  return element('tr', {},
    element('th', { scope: 'row' }, String(worker.worker), element('span', { class: 'note' }, `pid ${String(worker.pid)}`)),
    element('td', { class: 'left' }, state, element('span', { class: isBad ? 'note bad' : 'note' }, words)),
    element('td', {}, span(time - worker.startedAt)),
    ...figuresOf(worker).map((text) => element('td', {}, text)),
    element('td', { class: 'words left' }, verdict === null ? UNKNOWN : verdict.state.replaceAll('-', ' '), element('span', { class: 'note' }, verdict?.sentence ?? '')))
}

function figuresOf({ report, requestsPerSecond }: Worker): string[] {
  if (report === null) return new Array<string>(7).fill(UNKNOWN)
  return [amount(report.requests), amount(requestsPerSecond), amount(report.active), amount(report.connections), percent(report.utilization), memory(report.rss), memory(report.heapUsed)]
}

function conditionOf({ state, silentFor, givenUp, answered, generation }: Worker): { words: string; isBad: boolean } {
  if (state === 'ready' && (silentFor ?? 0) > SILENT) return { words: `silent for ${span(silentFor ?? 0)}`, isBad: true }
  if (givenUp) return { words: 'has given up', isBad: true }
  return { words: state === 'ready' && !answered ? 'no details' : `generation ${String(generation)}`, isBad: false }
}

/** Shows caps and rate limits, recoveries, and slow requests. */
export function showMiddleware({ workers }: Status): void {
  const rows = workers.flatMap(({ worker, caps, rateLimits }) => [
    ...caps.map((cap, index) => capRow(worker, `cap ${String(index)}`, cap)),
    ...rateLimits.map(({ passed, limited, storeAway }, index) => row(worker, `rate limit ${String(index)}`, storeAway ? 'the store does not answer' : '', [UNKNOWN, UNKNOWN, UNKNOWN, amount(passed), amount(limited)])),
  ])
  byId('caps').hidden = rows.length === 0
  byId('caps-rows').replaceChildren(...rows)
  const recoveries = new Map<string, number>()
  for (const { route, kind, count } of workers.flatMap((worker) => worker.recoveries)) {
    const name = `${route === '' ? '(no route)' : route} · ${kind}`
    recoveries.set(name, (recoveries.get(name) ?? 0) + count)
  }
  showRows('recoveries', [...recoveries].sort(([, one], [, other]) => other - one).slice(0, 20).map(([name, count]) => [name, amount(count)]))
  const slow = workers.flatMap(({ worker, slow: own }) => (own?.running ?? []).map((each) => ({ worker, ...each })))
  showRows('slow', slow.sort((one, other) => other.age - one.age).slice(0, 20).map(({ worker, age, method, path, route }) => [`${method} ${path}${route === '' || route === path ? '' : ` (${route})`} · worker ${String(worker)}`, span(age)]))
}

function capRow(worker: number, name: string, { active, limit, waiting, keyed, observing, full, accepted, rejected }: Cap): HTMLElement {
  const notes = [full ? 'full' : '', keyed ? 'for each key' : '', observing ? 'only observes' : ''].filter((note) => note !== '').join(', ')
  return row(worker, name, notes, [amount(active), limit === null ? UNKNOWN : amount(limit), amount(waiting), amount(accepted), amount(Object.values(rejected).reduce((total, count) => total + count, 0))])
}

function row(worker: number, name: string, note: string, cells: readonly string[]): HTMLElement {
  return element('tr', {}, element('th', { scope: 'row' }, String(worker)), element('td', { class: 'left' }, name, element('span', { class: 'note' }, note)), ...cells.map((text) => element('td', {}, text)))
}

function showRows(id: string, rows: readonly (readonly [name: string, value: string])[]): void {
  byId(`${id}-none`).hidden = rows.length > 0
  byId(id).replaceChildren(...rows.map(([name, value]) => element('li', {}, element('code', {}, name), element('span', { class: 'amount' }, value))))
}

/** Shows the minutes as a table, while it is open. */
export function showFigures(timeline: Timeline): void {
  const details = byId('figures')
  if (!(details instanceof HTMLDetailsElement) || !details.open) return
  byId('figures-rows').replaceChildren(...minutesOf(timeline).map((minute) => element('tr', {}, element('th', { scope: 'row' }, clock(minute.time, false)),
    ...[amount(minute.requestsPerSecond), amount(minute.active), percent(minute.utilization), memory(minute.rss), amount(minute.waiting), amount(minute.turnedAway), amount(minute.failures)].map((text) => element('td', {}, text)))))
}

/** Shows which curve is which. */
export function showLegend(id: string, series: readonly { readonly name: string; readonly style: number }[]): void {
  const host = byId(id)
  const names = series.map(({ name }) => name).join('\n')
  if (host.dataset['names'] === names) return
  host.dataset['names'] = names
  host.replaceChildren(...series.map(({ name, style }) => element('li', {},
    shape('svg', { 'class': 'swatch', 'viewBox': '0 0 30 8', 'aria-hidden': 'true', 'focusable': 'false' }, shape('path', { class: `curve ${styleOf(style)}`, d: 'M1 4H29' })), name)))
}
