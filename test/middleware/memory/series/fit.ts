/**
 * Fits the thresholds of the verdict on the series in fitting/, and on no others, and writes them:
 *
 *   npm run fit:verdict [-- --print] [--folds 8] [--shift 30000]
 *
 * With folds, behaviours are also judged with thresholds that were chosen without them: what new behaviours may bring.
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

const { values } = parseArgs({ options: {
  print: { type: 'boolean', default: false },
  folds: { type: 'string', default: '0' },
  shift: { type: 'string', default: '0' },
} })
/** ms by which periods begin earlier: another look at the same series. */
const SHIFT = Number(values.shift)
/** Coarse, and without hasty places: what is chosen from less over-fits less. */
const GRID = {
  likeness: [0.15, 0.25, 0.4],
  effect: [1, 1.5, 2, 3, 4],
  concordance: [0.4, 0.5, 0.6, 0.7],
  recent: [0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
  share: [0.03, 0.05, 0.08, 0.12],
  hold: [6, 8, 10, 12],
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
  let start = NaN
  const advance = (time: number): boolean => {
    if (Number.isNaN(start)) start = time
    if (time - start < WARM_UP + SHIFT) return false
    if (!buckets.advance(time + SHIFT)) return true
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

/** What thresholds make of a case: whether a leak was announced at any time, and whether at the end. */
interface Said {
  alarmed: boolean
  found: boolean
}

function say({ trends }: Case, thresholds: Thresholds): Said {
  const said = { alarmed: false, found: false }
  for (const ofQuantity of trends) {
    const watch = new TendencyWatch(thresholds)
    for (const trend of ofQuantity) said.alarmed = watch.decide(trend) === 'suspected' || said.alarmed
    said.found = watch.tendency === 'suspected' || said.found
  }
  return said
}

/** 1 for a missed leak, 2 for a false alarm, 0 for what is right. */
function loss({ leak }: Case, { alarmed, found }: Said): number {
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

/** All cases of some quantities, and what each place of the grid makes of them: counted once, for all folds. */
class Grid {
  readonly names: readonly string[]
  readonly #cases: readonly (readonly Case[])[]
  readonly #losses: ReadonlyMap<string, Uint8Array>

  constructor(all: readonly Series[], quantities: readonly Quantity[]) {
    this.#cases = GRID.likeness.map((likeness) => [
      ...all.map((series) => caseOf(series, quantities, likeness)),
      ...CORRELATIONS.map((correlation) => levelDay(correlation, likeness)),
    ])
    this.names = this.#at(0).map(({ name }) => name)
    this.#losses = new Map(places().map((place) => {
      const thresholds = thresholdsAt(place)
      return [place.join(), Uint8Array.from(this.#at(place[0] ?? 0), (one) => loss(one, say(one, thresholds)))]
    }))
  }

  /** The best place for the cases that are wanted. */
  fit(wanted: (name: string) => boolean): Thresholds {
    const chosen = this.names.map(wanted)
    const losses = new Map<string, number>()
    for (const [place, ofCases] of this.#losses) losses.set(place, ofCases.reduce((sum, one, index) => sum + (chosen[index] === true ? one : 0), 0))
    const lossAt = (place: Place): number => losses.get(place.map((at, axis) => Math.min(Math.max(0, at), GRID[NAMES[axis] ?? 'hold'].length - 1)).join()) ?? 0
    const around = (place: Place): number => {
      const near = place.flatMap((at, axis) => [-2, -1, 1, 2].map((move) => lossAt(place.with(axis, at + move))))
      return near.reduce((sum, value) => sum + value, near.length * lossAt(place))
    }
    const scores = places().map((place) => ({ place, score: around(place) }))
    const least = Math.min(...scores.map(({ score }) => score))
    return thresholdsAt(centre(scores.filter(({ score }) => score === least).map(({ place }) => place)))
  }

  say(name: string, thresholds: Thresholds): Said {
    const one = this.#at(GRID.likeness.findIndex((likeness) => likeness === thresholds.likeness)).find((other) => other.name === name)
    if (one === undefined) throw new Error(`no case ${name}`)
    return say(one, thresholds)
  }

  #at(likeness: number): readonly Case[] {
    return this.#cases[likeness] ?? []
  }
}

interface Chosen {
  collected: Thresholds
  remainder: Thresholds
}

class Fit {
  readonly #series = readSet('fitting')
  readonly #collected = new Grid(this.#series, ['heap', 'external'])
  readonly #remainder = new Grid(this.#series, ['remainder'])
  readonly #byName = new Map(this.#series.map((series) => [series.name, series]))

  /** Without the behaviours of a fold. */
  fit(without: ReadonlySet<string>): Chosen {
    const wanted = (leaks: (behaviour: string) => boolean) => (name: string): boolean => {
      const series = this.#byName.get(name)
      if (series === undefined) return true
      const { behaviour } = series.recipe
      return !without.has(behaviour) && (series.kind === 'harmless' || leaks(behaviour))
    }
    return {
      collected: this.#collected.fit(wanted((behaviour) => !UNCOUNTED.includes(behaviour))),
      remainder: this.#remainder.fit(wanted((behaviour) => UNCOUNTED.includes(behaviour))),
    }
  }

  /** Which of some behaviours' series are judged wrongly. */
  wrong({ collected, remainder }: Chosen, behaviours: ReadonlySet<string>): string[] {
    return this.#series.filter(({ recipe }) => behaviours.has(recipe.behaviour)).filter(({ name, kind }) => {
      const [one, other] = [this.#collected.say(name, collected), this.#remainder.say(name, remainder)]
      return kind === 'leak' ? !one.found && !other.found : one.alarmed || other.alarmed
    }).map(({ name }) => name)
  }

  /** Judges each behaviour with thresholds that were chosen without it. */
  crossValidate(folds: number): string[] {
    const behaviours = this.behaviours()
    return Array.from({ length: folds }, (_, fold) => new Set(behaviours.filter((_name, index) => index % folds === fold)))
      .flatMap((fold) => this.wrong(this.fit(fold), fold))
  }

  behaviours(): string[] {
    return [...new Set(this.#series.map(({ recipe }) => recipe.behaviour))].sort()
  }
}

const show = (thresholds: Thresholds): string => `{ ${NAMES.map((name) => `${name}: ${String(thresholds[name])}`).join(', ')} }`

const all = new Fit()
const { collected, remainder } = all.fit(new Set())
const tell = (what: string, wrong: readonly string[]): void => { process.stdout.write(`${what}: ${String(wrong.length)} wrong${wrong.map((name) => `\n  ${name}`).join('')}\n`) }
tell('fitted', all.wrong({ collected, remainder }, new Set(all.behaviours())))
if (Number(values.folds) > 0) tell(`behaviours judged that were not fitted on, ${values.folds} folds`, all.crossValidate(Number(values.folds)))
const text = `/** Thresholds of the verdict. Written by \`npm run fit:verdict\` from the series in test/middleware/memory/series/fitting. */
import type { Thresholds } from './tendency.js'

/** Of the live heap and of external memory. */
export const COLLECTED: Thresholds = ${show(collected)}

/** Of the part of RSS that V8 knows nothing about. */
export const REMAINDER: Thresholds = ${show(remainder)}
`
process.stdout.write(text)
if (!values.print) writeFileSync(fileURLToPath(new URL('../../../../../middleware/memory/verdict/thresholds.ts', import.meta.url)), text)
