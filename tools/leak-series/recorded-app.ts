/**
 * The recorded process: an HTTP server whose requests do some work, and the behaviour of the recipe on top of it.
 * Records itself and sends the series to its parent when asked to stop.
 */
import http from 'node:http'
import { PerformanceObserver, constants } from 'node:perf_hooks'
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import { BEHAVIOURS, type Behaviour } from './behaviours.js'
import { record, type Step } from './behaviours/step.js'
import { seeded } from '../../test/support/seeded.js'
import type { Recipe, Series } from './archive.js'

const SAMPLE_INTERVAL = 500
/** Octets that a request holds on to for one or two seconds. */
const CONTEXT = 122_880
/** Arrays in which a busy app holds it: no large objects. */
const CHURN_PIECES = 8
const recipe = JSON.parse(process.argv[2] ?? '') as Recipe
const socketPath = process.argv[3]
const random = seeded(recipe.seed)
const behaviour = behaviourNamed(recipe.behaviour)
const base = Array.from({ length: Math.round(recipe.base * 1024) }, (_, index) => ({ index, text: [`row ${String(index)}`], values: new Array<number>(100).fill(index) }))
let step: Step = () => undefined

const collections: Series['collections'] = { time: [], live: [], external: [] }
const samples: Series['samples'] = { time: [], rss: [], heapTotal: [], external: [], requests: [], inFlight: [] }
let inFlight = 0
let answered = 0
/** ms of the process' clock. */
let begun = 0
const kib = (octets: number): number => Math.round(octets / 1024)
const now = (): number => Math.round(performance.now() - begun)

function behaviourNamed(name: string): Behaviour {
  const found = BEHAVIOURS[name]
  if (found === undefined) throw new Error(`no behaviour ${name}`)
  return found
}

/** What apps keep for a moment after an answer; old enough to be promoted, so that there are major collections. */
function hold(number: number): void {
  const { churn } = recipe
  if (churn !== undefined) {
    const length = (): number => Math.round(churn / CHURN_PIECES * (0.5 + random()) / 8)
    const passing = Array.from({ length: CHURN_PIECES }, () => new Array<number>(length()).fill(random()))
    setTimeout(() => passing, 150 + 350 * random())
    return
  }
  const context = record(CONTEXT * (0.5 + random()), number, random)
  setTimeout(() => context, 500 + 1500 * random())
}

const server = http.createServer((request, response) => {
  inFlight++
  const number = Number(request.url?.split('=')[1])
  // Work as apps do: something parsed, held while something else is awaited, and answered.
  const text = JSON.stringify(Array.from({ length: 60 + Math.floor(random() * 240) }, (_, index) => ({ index, number, name: `item ${String(random())}` })))
  const held = JSON.parse(text) as { name: string }[]
  hold(number)
  const kept = step(number)
  setTimeout(() => {
    response.end(JSON.stringify({ count: held.length, first: held[0], base: base.length, kept: kept === undefined }))
    answered++
    inFlight--
  }, 20 + 480 * random() ** 2)
})

const observer = new PerformanceObserver((list) => {
  const majors = list.getEntries().filter((entry) => (entry as unknown as { detail: { kind: number } }).detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR)
  if (majors.length === 0) return
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_used_size ?? 0
  collections.time.push(now())
  collections.live.push(kib(getHeapStatistics().used_heap_size - young))
  collections.external.push(kib(process.memoryUsage().external))
})

function sample(): void {
  const usage = process.memoryUsage()
  samples.time.push(now())
  samples.rss.push(kib(usage.rss))
  samples.heapTotal.push(kib(usage.heapTotal))
  samples.external.push(kib(usage.external))
  samples.requests.push(answered)
  samples.inFlight.push(inFlight)
  answered = 0
}

/** The process is warm: what it does is recorded from here on. */
function begin({ start }: Behaviour): void {
  const { size, rate, duration, pace = duration } = recipe
  step = start({ random, size, duration: pace, rate })
  begun = performance.now()
  answered = 0
  observer.observe({ entryTypes: ['gc'] })
  setInterval(sample, SAMPLE_INTERVAL)
}

function stop(): void {
  process.send?.({ node: process.version, heapLimit: kib(getHeapStatistics().heap_size_limit), collections, samples }, () => process.exit(0))
}

process.on('message', (wish) => {
  if (wish === 'begin') begin(behaviour)
  else stop()
})
server.listen(socketPath, () => process.send?.('ready'))
