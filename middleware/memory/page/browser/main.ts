/** The memory page: reads the endpoint's history and its stream, and shows them. */
import { bindButtons } from './actions.js'
import { type Allowed, ask, type History, isCollection, isHistory, isSample, isSettleReport, isVerdict, type Limits, pidOf, type ProcessInfo, type Sample, UNREADABLE, type Verdict } from './api.js'
import { Chart } from './chart.js'
import { Connection, type ConnectionState } from './connection.js'
import { Cursor } from './cursor.js'
import { byId, byIdOf, element, setText } from './dom.js'
import { Figures, showCosts, showFacts, showReading, showSettle, showSpaces, showVerdict } from './panels.js'
import { pprofCommand, span, verdictTitle } from './text.js'
import { type Range, rowAt, stretch, Timeline } from './timeline.js'

const CONNECTION: Readonly<Record<ConnectionState, string>> = {
  connecting: 'Connecting', live: 'Live', quiet: 'Silent: no sample for some seconds', reconnecting: 'Reconnecting',
  asking: 'Asking every two seconds: a proxy holds the stream of events back, or refuses it',
}
/** ms without a sample that break the curves. */
const GAPS: Readonly<Record<Range, number>> = { hour: 15_000, day: 120_000 }

const ELSEWHERE = 'The app runs in several processes, and whichever is free answers. Load the page again to meet another.'

/** The process that is shown. */
let shown: ProcessInfo | undefined
let timeline = new Timeline()
let limits: Limits = { heap: null, cgroup: null }
let verdict: Verdict | undefined
let range: Range = 'hour'
let drawing = false
/** How long the process had been up at the time of a sample, seconds; NaN where there is none yet. */
let begun = { time: NaN, uptime: 0 }
let loads = 0
let loading = false
/** Those that the server can be asked about, by pid. */
const processes = new Map<number, ProcessInfo>()

const host = byId('chart')
const chart = new Chart(host)
const cursor = new Cursor(host, {
  times: () => timeline.columns(range).time,
  timeAt: (clientX) => chart.timeAt(clientX),
  onMove: showMoment,
})
const figures = new Figures(() => ({ columns: timeline.columns(range), range }))
const connection = new Connection({
  address: () => new URL('events', document.baseURI).href,
  events: ['sample', 'gc', 'verdict', 'settle'],
  onState: showConnection,
  onMessage: receive,
  onReturn: () => { void load() },
  ask: askForNews,
})

/** Of another process, in a row: then that is the app, started again. */
const RESTARTED = 5
let strangers = 0

/** With `?pid=` once there is more than one process. */
function addressOf(path: string): string {
  const address = new URL(path, document.baseURI)
  if (processes.size > 1 && shown !== undefined) address.searchParams.set('pid', String(shown.pid))
  return address.href
}

/** Of several loads the last counts: its answer may come before an earlier one's. */
async function load(): Promise<void> {
  const number = ++loads
  loading = true
  const { value, words } = await ask('GET', addressOf('history'))
  if (number !== loads) return
  loading = false
  if (words === undefined && isHistory(value)) showHistory(value)
  showTrouble(words ?? (isHistory(value) ? '' : UNREADABLE))
}

/** What has come since the newest sample. Whether that was a sample; undefined where there was no answer. */
async function askForNews(): Promise<boolean | undefined> {
  if (shown === undefined) {
    await load()
    return timeline.fine.time.length > 0 ? true : undefined
  }
  const address = new URL(addressOf('history'))
  const newest = timeline.fine.time.at(-1) ?? 0
  address.searchParams.set('since', String(newest))
  const { value } = await ask('GET', address.href)
  if (!isHistory(value)) return undefined
  if (value.process.pid !== shown.pid) {
    if (++strangers >= RESTARTED) await load()
    else if (processes.size < 2) showTrouble(`${ELSEWHERE} This is process ${String(shown.pid)}, and process ${String(value.process.pid)} has answered.`)
    return false
  }
  strangers = 0
  addNews(value)
  return (timeline.fine.time.at(-1) ?? 0) > newest
}

function addNews(history: History): void {
  history.fine.time.forEach((_, index) => {
    const row = rowAt(history.fine, index)
    if (row !== undefined) timeline.add(row)
  })
  history.gc.time.forEach((time, index) => {
    timeline.addCollection({ time, durationMs: history.gc.durationMs[index] ?? 0, forced: history.gc.forced[index] ?? false })
  })
  begun = { time: timeline.fine.time.at(-1) ?? NaN, uptime: history.process.uptime }
  showSpaces(history.spaces)
  if (history.settle !== null) showSettle(history.settle)
  newVerdict(history.verdict)
  showAge()
  draw()
}

function showTrouble(words: string): void {
  byId('trouble').hidden = words === ''
  setText(byId('trouble'), words)
}

function showHistory(history: History): void {
  shown = history.process
  strangers = 0
  begun = { time: history.fine.time.at(-1) ?? NaN, uptime: shown.uptime }
  timeline = new Timeline(history.fine, history.coarse, history.gc)
  limits = history.limits ?? { heap: null, cgroup: null }
  processes.clear()
  for (const info of [...history.processes ?? [], shown]) processes.set(info.pid, info)
  showProcess(shown)
  showChooser()
  showTools(history.allowed)
  showSpaces(history.spaces)
  if (history.settle !== null) showSettle(history.settle)
  newVerdict(history.verdict)
  showAge()
  draw()
}

function receive(event: string, message: unknown): void {
  const pid = pidOf(message)
  if (shown === undefined) {
    // The history could not be had, but the app is there.
    if (!loading) void load()
    return
  }
  if (pid !== undefined && pid !== shown.pid) {
    // Workers of which none knows the others: the history is of one of them, the stream of another.
    if (processes.size < 2) showTrouble(`${ELSEWHERE} This is process ${String(shown.pid)}; the live figures come from process ${String(pid)} and are left out.`)
    return
  }
  if (event === 'sample' && isSample(message)) newSample(message)
  else if (event === 'gc' && isCollection(message)) timeline.addCollection(message)
  else if (event === 'verdict' && isVerdict(message)) newVerdict(message)
  else if (event === 'settle' && isSettleReport(message)) showSettle(message)
}

function newSample(sample: Sample): void {
  timeline.add(sample)
  showSpaces(sample.spaces)
  showAge()
  draw()
}

function newVerdict(latest: Verdict): void {
  verdict = latest
  showVerdict(latest, Date.now())
  showTitle()
}

function showTitle(): void {
  const state = verdict === undefined ? '' : `${verdictTitle(verdict.state)} · `
  document.title = `${state}Memory${shown === undefined ? '' : ` of ${shown.worker ?? `process ${String(shown.pid)}`}`}`
}

/** What changes as time passes: by the samples' clock, so that it stands still where the app does. */
function showAge(): void {
  const { time, heapUsed } = rowAt(timeline.fine, timeline.fine.time.length - 1) ?? { time: NaN, heapUsed: null }
  if (Number.isNaN(begun.time)) begun = { ...begun, time }
  if (shown !== undefined) showProcess({ ...shown, uptime: begun.uptime + (Number.isNaN(time) ? 0 : (time - begun.time) / 1000) })
  if (verdict !== undefined) showFacts(verdict, Date.now())
  if (heapUsed !== null) showCosts(heapUsed)
}

function showProcess({ pid, worker, node, uptime, argv }: ProcessInfo): void {
  const version = node.startsWith('v') ? node.slice(1) : node
  setText(byId('process-name'), argv)
  setText(byId('process-facts'), [worker ?? '', `pid ${String(pid)}`, `Node.js ${version}`, `up ${span(uptime)}`].filter((part) => part !== '').join(' · '))
  showTitle()
}

/** Only where there is a choice. */
function showChooser(): void {
  const select = byIdOf('chooser', HTMLSelectElement)
  byId('chooser-label').hidden = processes.size < 2
  select.replaceChildren(...[...processes].map(([pid, info]) => {
    const option = element('option', { value: pid }, nameOf(info))
    option.selected = pid === shown?.pid
    return option
  }))
  for (const link of document.querySelectorAll<HTMLAnchorElement>('a[data-path]')) link.href = addressOf(link.dataset['path'] ?? '')
  for (const command of document.querySelectorAll<HTMLElement>('[data-pprof]')) setText(command, pprofCommand(addressOf(command.dataset['pprof'] ?? '')))
}

function nameOf({ pid, worker }: ProcessInfo): string {
  return worker === null ? `pid ${String(pid)}` : `${worker} (pid ${String(pid)})`
}

function showTools({ gc, snapshot, profiles }: Allowed): void {
  for (const part of document.querySelectorAll<HTMLElement>('[data-needs="profiles"]')) part.hidden = !profiles
  byId('profiles-off').hidden = profiles
  byId('gc-tool').hidden = !gc
  byId('snapshot-tool').hidden = !snapshot
  byId('snapshot-off').hidden = snapshot
}

function showConnection(state: ConnectionState): void {
  const line = byId('connection')
  line.dataset['state'] = state
  setText(byId('connection-words'), CONNECTION[state])
}

/** At most once a frame, and not while nobody looks. */
function draw(): void {
  if (drawing || document.hidden) return
  drawing = true
  requestAnimationFrame(() => {
    drawing = false
    const columns = timeline.columns(range)
    chart.draw({ columns, collections: timeline.collections, limits, ...stretch(columns, range, Date.now()), gap: GAPS[range] })
    showMoment()
    figures.update()
  })
}

function showMoment(): void {
  const columns = timeline.columns(range)
  const index = cursor.index
  chart.point(columns, index ?? columns.time.length - 1)
  const row = rowAt(columns, index ?? columns.time.length - 1)
  cursor.describe(showReading({ row, newest: index === undefined, limits, collections: timeline.collections }))
  byId('to-now').hidden = !cursor.held
  byId('chart-empty').hidden = columns.time.length > 0
}

function start(): void {
  bindButtons(addressOf)
  showChooser()
  byId('to-now').addEventListener('click', () => {
    cursor.release()
    host.focus()
  })
  for (const choice of document.querySelectorAll<HTMLInputElement>('input[name="range"]')) {
    choice.addEventListener('change', () => {
      range = choice.value === 'day' ? 'day' : 'hour'
      cursor.release()
      draw()
    })
    if (choice.checked) range = choice.value === 'day' ? 'day' : 'hour'
  }
  byIdOf('chooser', HTMLSelectElement).addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLSelectElement) || shown === undefined) return
    shown = { ...shown, pid: Number(target.value) }
    cursor.release()
    void load()
  })
  new ResizeObserver(draw).observe(host)
  document.addEventListener('visibilitychange', draw)
  // A page in the browser's back-forward cache must not hold one of the few streams.
  addEventListener('pagehide', () => { connection.close() })
  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return
    connection.open()
    void load()
  })
  connection.open()
  void load()
}

start()
