/**
 * Fits the thresholds of the verdict on the series in fitting/, and on no others, and writes them:
 *
 *   npm run fit:verdict [-- --print]
 *
 * A recording is short, and an app runs for weeks: days of a level heap whose noise is correlated, as an app's is, are made up
 * and must raise no alarm either.
 *
 * Tries a grid. Counts a missed leak once and a false alarm twice, and takes the place where the loss and that of its
 * neighbours is least: the middle of a plateau, not a lucky spot.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Buckets, type Quantity } from '../../../../middleware/memory/verdict/buckets.js'
import { LEAST_POINTS, TendencyWatch, type Thresholds } from '../../../../middleware/memory/verdict/tendency.js'
import { trendOf, type Point, type Trend } from '../../../../middleware/memory/verdict/trend.js'
import { readSet, seeded, type Series } from './format.js'
import { replay } from './replay.js'

const GRID = {
  likeness: [0.15, 0.25, 0.4],
  effect: [1, 1.5, 2, 2.5, 3, 4, 5],
  concordance: [0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
  recent: [0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
  share: [0.03, 0.05, 0.08, 0.12],
  hold: [4, 5, 6, 8, 10, 12, 15],
} as const
const NAMES = ['likeness', 'effect', 'concordance', 'recent', 'share', 'hold'] as const
const BUCKET = 120_000
const WARM_UP = 3 * BUCKET
/** Leaks of memory that V8 does not count: the rest of RSS must show them, nothing else can. */
const UNCOUNTED = ['secureContexts', 'formatters', 'sharedMemory']

interface Case {
  name: string
  leak: boolean
  /** Trends of each quantity at the end of each bucket. */
  trends: Trend[][]
}

function caseOf(series: Series, quantities: readonly Quantity[], likeness: number): Case {
  const buckets = new Buckets(BUCKET, 60)
  const trends = quantities.map((): Trend[] => [])
  const advance = (time: number): boolean => {
    if (time < WARM_UP) return false
    if (!buckets.advance(time)) return true
    quantities.forEach((quantity, index) => {
      const points = buckets.closed.filter((bucket) => !Number.isNaN(bucket[quantity])).map((bucket) => ({ ...bucket, value: bucket[quantity] }))
      if (points.length >= LEAST_POINTS) trends[index]?.push(trendOf(points, likeness))
    })
    return true
  }
  replay(series, {
    collection: ({ time, live, external }) => { if (advance(time)) buckets.collection(live, external) },
    sample: (sample) => { if (advance(sample.time)) buckets.sample(sample) },
  })
  return { name: series.name, leak: series.kind === 'leak', trends }
}

/** Days of a level heap: noise of 4 %, whose neighbours correlate by so much; a load that goes up and down once a day. */
const CORRELATIONS = [0, 0.3, 0.6, 0.8, 0.9]
const LEVEL = 50 * 1_048_576

function levelDay(correlation: number, likeness: number): Case {
  const random = seeded(Math.round(1 + correlation * 100))
  const points: Point[] = []
  const trends: Trend[] = []
  let noise = 0
  for (let index = 0, requests = 0; index < 720; index++) {
    // The sum of twelve has a standard deviation of 1.
    const fresh = Array.from({ length: 12 }, random).reduce((sum, one) => sum + one, -6)
    noise = correlation * noise + Math.sqrt(1 - correlation ** 2) * fresh
    const rate = 40 + 20 * Math.sin(index * 2 * Math.PI / 720)
    requests += rate * BUCKET / 1000
    points.push({ time: index * BUCKET, value: LEVEL * (1 + 0.04 * noise + 0.002 * rate), rate, inFlight: 4, requests })
    if (points.length > 60) points.shift()
    if (points.length >= LEAST_POINTS) trends.push(trendOf(points, likeness))
  }
  return { name: `level-${String(correlation)}`, leak: false, trends: [trends] }
}

/** 1 for a missed leak, 2 for a false alarm, 0 for what is right. */
function loss({ leak, trends }: Case, thresholds: Thresholds): number {
  let alarmed = false
  let found = false
  for (const ofQuantity of trends) {
    const watch = new TendencyWatch(thresholds)
    for (const trend of ofQuantity) alarmed = watch.decide(trend) === 'suspected' || alarmed
    found = watch.tendency === 'suspected' || found
  }
  return leak ? Number(!found) : 2 * Number(alarmed)
}

type Place = readonly number[]

function thresholdsAt(place: Place): Thresholds {
  return Object.fromEntries(NAMES.map((name, index) => [name, GRID[name][place[index] ?? 0]])) as unknown as Thresholds
}

function places(): Place[] {
  return NAMES.reduce<Place[]>((all, name) => all.flatMap((place) => GRID[name].map((_, index) => [...place, index])), [[]])
}

/** The one of several places that is nearest to their mean. */
function centre(all: readonly Place[]): Place {
  const mean = NAMES.map((_, axis) => all.reduce((sum, place) => sum + (place[axis] ?? 0), 0) / all.length)
  const distance = (place: Place): number => place.reduce((sum, at, axis) => sum + (at - (mean[axis] ?? 0)) ** 2, 0)
  return all.reduce((one, other) => distance(other) < distance(one) ? other : one)
}

function fit(all: readonly Series[], quantities: readonly Quantity[]): Thresholds {
  const cases = GRID.likeness.map((likeness) => [
    ...all.map((series) => caseOf(series, quantities, likeness)),
    ...CORRELATIONS.map((correlation) => levelDay(correlation, likeness)),
  ])
  const losses = new Map<string, number>()
  for (const place of places()) {
    const thresholds = thresholdsAt(place)
    losses.set(place.join(), (cases[place[0] ?? 0] ?? []).reduce((sum, one) => sum + loss(one, thresholds), 0))
  }
  const lossAt = (place: Place): number => losses.get(place.map((at, axis) => Math.min(Math.max(0, at), GRID[NAMES[axis] ?? 'hold'].length - 1)).join()) ?? 0
  const around = (place: Place): number => {
    const near = place.flatMap((at, axis) => [-2, -1, 1, 2].map((move) => lossAt(place.with(axis, at + move))))
    return near.reduce((sum, value) => sum + value, near.length * lossAt(place))
  }
  const scores = places().map((place) => ({ place, score: around(place) }))
  const least = Math.min(...scores.map(({ score }) => score))
  const chosen = centre(scores.filter(({ score }) => score === least).map(({ place }) => place))
  const thresholds = thresholdsAt(chosen)
  const wrong = (cases[chosen[0] ?? 0] ?? []).filter((one) => loss(one, thresholds) > 0).map(({ name }) => name)
  process.stdout.write(`${quantities.join(', ')}: loss ${String(lossAt(chosen))} on ${String(all.length)} series, ${String(Math.min(...losses.values()))} at best; wrong: ${wrong.join(', ') || 'none'}\n`)
  return thresholds
}

const show = (thresholds: Thresholds): string => `{ ${NAMES.map((name) => `${name}: ${String(thresholds[name])}`).join(', ')} }`

const series = readSet('fitting')
const uncounted = ({ recipe }: Series): boolean => UNCOUNTED.includes(recipe.behaviour)
const collected = fit(series.filter((one) => !uncounted(one)), ['heap', 'external'])
const remainder = fit(series.filter((one) => one.kind === 'harmless' || uncounted(one)), ['remainder'])
const text = `/** Thresholds of the verdict. Written by \`npm run fit:verdict\` from the series in test/middleware/memory/series/fitting. */
import type { Thresholds } from './tendency.js'

/** Of the live heap and of external memory. */
export const COLLECTED: Thresholds = ${show(collected)}

/** Of the part of RSS that V8 knows nothing about. */
export const REMAINDER: Thresholds = ${show(remainder)}
`
process.stdout.write(text)
const { values } = parseArgs({ options: { print: { type: 'boolean', default: false } } })
if (!values.print) writeFileSync(fileURLToPath(new URL('../../../../../middleware/memory/verdict/thresholds.ts', import.meta.url)), text)
