/** The status page: loads the last hour, asks for the present once a second, and shows both. */
import { ask, isHistory, isStatus, type PoolFigure, type WorkerFigure } from './api.js'
import { Chart, type Series } from './chart.js'
import { byId, setText } from './dom.js'
import { showFigures, showLegend, showMiddleware, showState, showWorkers } from './panels.js'
import { amount, clock, memory, percent, span } from './text.js'
import { nearest, Timeline } from './timeline.js'

const INTERVAL = 1000
/** ms between two tries while nobody answers. */
const RETRY = 2000
/** ms without a sample after which the history is loaded again. */
const MISSED = 10_000
const RANGES: Readonly<Record<string, number>> = { minutes: 600_000, hour: 3_600_000 }
const UNREADABLE = 'The answer of the status cannot be read: the program may be another version by now. Load the page again.'

/** A chart of the page. */
interface Drawn {
  id: string
  series: () => Series[]
  format: (value: number) => string
  /** How far its axis reaches at least. */
  least: number
}

const timeline = new Timeline()
let pointed: number | undefined
let shownFor = RANGES['minutes'] ?? 600_000
let drawing = false
let asking = false
let timer: ReturnType<typeof setTimeout> | undefined

function ofWorkers(figure: WorkerFigure): () => Series[] {
  return () => [...timeline.workers].sort(([one], [other]) => one - other).map(([worker, columns]) => ({ name: `worker ${String(worker)}`, style: worker, values: columns[figure] }))
}

function ofPool(...figures: readonly (readonly [figure: PoolFigure, name: string, style: number])[]): () => Series[] {
  return () => figures.map(([figure, name, style]) => ({ name, style, values: timeline.pool[figure] }))
}

const DRAWN: readonly Drawn[] = [
  { id: 'requests', series: ofWorkers('requestsPerSecond'), format: amount, least: 3 },
  { id: 'active', series: ofWorkers('active'), format: amount, least: 3 },
  { id: 'utilization', series: ofWorkers('utilization'), format: percent, least: 1 },
  { id: 'memory', series: ofWorkers('rss'), format: memory, least: 3e6 },
  { id: 'waiting', series: ofPool(['backlog', 'in the kernel', 0], ['waiting', 'for a slot', 1]), format: amount, least: 3 },
  { id: 'away', series: ofPool(['rejected', 'by caps', 3], ['rateLimited', 'by rate limits', 5]), format: amount, least: 3 },
  { id: 'failures', series: ofPool(['serverErrors', 'answers of 5xx', 6], ['recovered', 'recovered', 4]), format: amount, least: 3 },
]

const charts = DRAWN.map((drawn) => ({
  ...drawn,
  host: byId(`chart-${drawn.id}`),
  chart: new Chart(byId(`chart-${drawn.id}`), (time) => {
    pointed = time
    draw()
  }),
}))

/** At most once a frame, and not while nobody looks. */
function draw(): void {
  if (drawing || document.hidden) return
  drawing = true
  requestAnimationFrame(() => {
    drawing = false
    const to = timeline.time.at(-1) ?? Date.now()
    const from = to - shownFor
    const index = pointed === undefined ? timeline.time.length - 1 : nearest(timeline.time, pointed)
    const time = timeline.time[index]
    for (const { id, series, format, least, host, chart } of charts) {
      const curves = series()
      chart.draw({ times: timeline.time, series: curves, from, to, format, least })
      chart.point(pointed === undefined ? undefined : time)
      const read = curves.map(({ name, values }) => [name, values[index] ?? null] as const)
      const words = read.map(([name, value]) => `${name} ${value === null ? 'unknown' : format(value)}`).join(', ')
      host.setAttribute('aria-label', `${host.parentElement?.querySelector('figcaption')?.firstChild?.textContent?.trim() ?? ''}: ${words === '' ? 'nothing is known yet' : words}`)
      setText(byId(`read-${id}`), shortly(read.map(([, value]) => value), format))
    }
    showLegend('legend', ofWorkers('active')())
    for (const id of ['waiting', 'away', 'failures']) showLegend(`legend-${id}`, DRAWN.find((drawn) => drawn.id === id)?.series() ?? [])
    setText(byId('moment'), time === undefined ? 'No figures yet' : pointed === undefined ? `Now, ${clock(time)}` : clock(time))
    showFigures(timeline)
  })
}

/** Of few curves each value, of many the least and the most. */
function shortly(values: readonly (number | null)[], format: (value: number) => string): string {
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return ''
  return known.length <= 4 ? known.map(format).join(' · ') : `${format(Math.min(...known))} to ${format(Math.max(...known))}`
}

function showConnection(state: 'live' | 'reconnecting', words: string): void {
  byId('connection').dataset['state'] = state
  setText(byId('connection-words'), words)
}

function showTrouble(words: string): void {
  byId('trouble').hidden = words === ''
  setText(byId('trouble'), words)
}

async function loadHistory(): Promise<void> {
  const history = await ask('history.json')
  if (isHistory(history)) timeline.load(history)
}

/** One question at a time; the next a second after the answer. */
async function askForStatus(): Promise<void> {
  if (asking || document.hidden) return
  asking = true
  clearTimeout(timer)
  if (Date.now() - (timeline.time.at(-1) ?? 0) > MISSED) await loadHistory()
  const status = await ask('status.json')
  asking = false
  if (isStatus(status)) {
    timeline.add(status)
    showState(status)
    showWorkers(status)
    showMiddleware(status)
    showConnection('live', 'Live')
    showTrouble('')
  } else {
    const last = timeline.time.at(-1)
    showConnection('reconnecting', last === undefined ? 'No answer' : `No answer for ${span(Date.now() - last)}`)
    if (status !== undefined) showTrouble(UNREADABLE)
  }
  draw()
  timer = setTimeout(() => { void askForStatus() }, status === undefined ? RETRY : INTERVAL)
}

for (const choice of document.querySelectorAll<HTMLInputElement>('input[name="range"]')) {
  const choose = (): void => {
    if (choice.checked) shownFor = RANGES[choice.value] ?? shownFor
    draw()
  }
  choice.addEventListener('change', choose)
  choose()
}
byId('figures').addEventListener('toggle', draw)
new ResizeObserver(draw).observe(byId('main'))
document.addEventListener('visibilitychange', () => { void askForStatus() })
void askForStatus()
