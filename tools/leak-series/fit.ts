/**
 * Fits the thresholds of the verdict on the recordings for fitting, and on no others, and writes them:
 *
 *   npm run series -- fit [--print] [--folds 8] [--shift 30000]
 *
 * With folds, behaviours are also judged with thresholds that were chosen without them, and so are shapes of load: what new ones
 * may bring.
 *
 * A recording is short, and an app runs for weeks: days of a level heap whose noise is correlated, as an app's is, are made up
 * and must raise no alarm either.
 *
 * Tries a grid. Counts a missed leak once and a false alarm twice, and a recording that fills the fine periods as two. Takes
 * the place where the loss and that of its neighbours is least: the middle of a plateau, not a lucky spot, and not the edge.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { mean } from '../../bench/stats.js'
import { Buckets, type Quantity } from '../../middleware/memory/leak-detector/buckets.js'
import { comparedWith, pointsOf } from '../../middleware/memory/leak-detector/buckets.js'
import { CHOSEN, LEAST_POINTS, GrowthTracker, type Thresholds } from '../../middleware/memory/leak-detector/growth-state.js'
import { trendOf, type Point, type Trend } from '../../middleware/memory/leak-detector/trend.js'
import { seeded } from '../../test/support/seeded.js'
import { readSet, type Series } from './archive.js'
import { LONG, UNCOUNTED } from './recipes.js'
import { replay } from './replay.js'

/** Coarse, and without hasty places: what is chosen from less over-fits less. */
const GRID = {
  overLoad: [4, 5, 6, 7, 8, 10],
  overStep: [-3, -2, -1, 0, 1],
  overFilling: [-4, -3, -2, -1, 0],
  recent: [0.3, 0.4, 0.5, 0.6, 0.7],
  share: [0.03, 0.05, 0.07, 0.1, 0.13],
} as const
const NAMES = ['overLoad', 'overStep', 'overFilling', 'recent', 'share'] as const
/** Buckets by which it must be told earlier here. Most recordings are short: what would be told soon after their end counts, too. */
const EARLIER = { leak: 6, harmless: 2 }
const BUCKET = 120_000
const WARM_UP = 3 * BUCKET

interface Case {
  name: string
  leak: boolean
  /** What it counts. */
  weight: number
  /** Trends of each quantity at the end of each bucket. */
  trends: Trend[][]
}

/** `shift`: ms by which periods begin earlier: another look at the same series. */
function caseOf(series: Series, quantities: readonly Quantity[], shift: number): Case {
  const buckets = new Buckets(BUCKET, 60)
  const trends = quantities.map((): Trend[] => [])
  let start = NaN
  const advance = (time: number): boolean => {
    if (Number.isNaN(start)) start = time
    if (time - start < WARM_UP + shift) return false
    if (!buckets.advance(time + shift)) return true
    quantities.forEach((quantity, index) => {
      const points = pointsOf(buckets.closed, quantity)
      if (points.length >= LEAST_POINTS) trends[index]?.push(trendOf(points, comparedWith(buckets.closed, quantity)))
    })
    return true
  }
  replay(series, {
    collection: ({ time, live, external }) => { if (advance(time)) buckets.collection(live, external) },
    sample: (sample) => { if (advance(sample.time)) buckets.sample(sample) },
  })
  return { name: series.name, leak: series.kind === 'leak', weight: series.recipe.duration >= LONG ? 2 : 1, trends }
}

/** Days of a level heap: noise of 4 %, whose neighbours correlate by so much; a load that goes up and down once a day. */
const CORRELATIONS = [0, 0.3, 0.6, 0.8, 0.9]
const LEVEL = 50 * 1_048_576

function levelDay(correlation: number): Case {
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
    points.push({ time: index * BUCKET, value: LEVEL * (1 + 0.04 * noise + 0.002 * rate), requests, causes: [rate, rate, 4] })
    if (points.length > 60) points.shift()
    if (points.length >= LEAST_POINTS) trends.push(trendOf(points))
  }
  return { name: `level-${String(correlation)}`, leak: false, weight: 1, trends: [trends] }
}

/** What thresholds make of a case: whether a leak was announced at any time, and whether at the end. */
interface Said {
  alarmed: boolean
  found: boolean
}

function say({ leak, trends }: Case, fitted: Thresholds): Said {
  const thresholds = { ...fitted, hold: CHOSEN.hold - (leak ? EARLIER.leak : EARLIER.harmless) }
  const said = { alarmed: false, found: false }
  for (const ofQuantity of trends) {
    const watch = new GrowthTracker(thresholds)
    for (const trend of ofQuantity) said.alarmed = watch.decide(trend) === 'suspected' || said.alarmed
    said.found = watch.state === 'suspected' || said.found
  }
  return said
}

/** 0 for what is right. */
function loss({ leak, weight }: Case, { alarmed, found }: Said): number {
  return weight * (leak ? Number(!found) : 2 * Number(alarmed))
}

type Place = readonly number[]

function thresholdsAt(place: Place): Thresholds {
  return { ...Object.fromEntries(NAMES.map((name, index) => [name, GRID[name][place[index] ?? 0]])), ...CHOSEN } as Thresholds
}

function places(): Place[] {
  return NAMES.reduce<Place[]>((all, name) => all.flatMap((place) => GRID[name].map((_, index) => [...place, index])), [[]])
}

/** The one of several places that is nearest to their mean. */
function centre(all: readonly Place[]): Place {
  const middle = NAMES.map((_, axis) => mean(all.map((place) => place[axis] ?? 0)))
  const distance = (place: Place): number => place.reduce((sum, at, axis) => sum + (at - (middle[axis] ?? 0)) ** 2, 0)
  return all.reduce((one, other) => distance(other) < distance(one) ? other : one)
}

/** All cases of some quantities, and what each place of the grid makes of them: counted once, for all folds. */
class Grid {
  readonly #cases: ReadonlyMap<string, Case>
  readonly #losses: ReadonlyMap<string, Uint8Array>

  constructor(all: readonly Series[], quantities: readonly Quantity[], shift: number) {
    const cases = [...all.map((series) => caseOf(series, quantities, shift)), ...CORRELATIONS.map(levelDay)]
    this.#cases = new Map(cases.map((one) => [one.name, one]))
    this.#losses = new Map(places().map((place) => {
      const thresholds = thresholdsAt(place)
      return [place.join(), Uint8Array.from(cases, (one) => loss(one, say(one, thresholds)))]
    }))
  }

  /** The best place for the cases that are wanted. */
  fit(wanted: (name: string) => boolean): Thresholds {
    const chosen = [...this.#cases.keys()].map(wanted)
    const losses = new Map<string, number>()
    for (const [place, ofCases] of this.#losses) losses.set(place, ofCases.reduce((sum, one, index) => sum + (chosen[index] === true ? one : 0), 0))
    const lossAt = (place: Place): number => losses.get(place.join()) ?? NaN
    const around = (place: Place): number => {
      const near = place.flatMap((at, axis) => [-1, 1].map((move) => lossAt(place.with(axis, at + move))))
      return near.reduce((sum, value) => sum + value, near.length * lossAt(place))
    }
    const scores = places().map((place) => ({ place, score: around(place) })).filter(({ score }) => !Number.isNaN(score))
    const least = Math.min(...scores.map(({ score }) => score))
    return thresholdsAt(centre(scores.filter(({ score }) => score === least).map(({ place }) => place)))
  }

  say(name: string, thresholds: Thresholds): Said {
    const one = this.#cases.get(name)
    if (one === undefined) throw new Error(`no case ${name}`)
    return say(one, thresholds)
  }
}

interface Chosen {
  collected: Thresholds
  remainder: Thresholds
}

/** What a series is left out by, when it is judged by thresholds that know nothing of its like. */
type Trait = 'behaviour' | 'shape'

class Fit {
  readonly #series = readSet('fitting')
  readonly #byName = new Map(this.#series.map((series) => [series.name, series]))
  readonly #collected: Grid
  readonly #remainder: Grid

  constructor(shift: number) {
    this.#collected = new Grid(this.#series, ['heap', 'external'], shift)
    this.#remainder = new Grid(this.#series, ['remainder'], shift)
  }

  /** To all series, or to some. */
  fit(known: (series: Series) => boolean = () => true): Chosen {
    const wanted = (uncounted: boolean) => (name: string): boolean => {
      const series = this.#byName.get(name)
      if (series === undefined) return true
      return known(series) && (series.kind === 'harmless' || UNCOUNTED.includes(series.recipe.behaviour) === uncounted)
    }
    return { collected: this.#collected.fit(wanted(false)), remainder: this.#remainder.fit(wanted(true)) }
  }

  /** Which series are judged wrongly, of all or of some. */
  wrong({ collected, remainder }: Chosen, judged: (series: Series) => boolean = () => true): string[] {
    return this.#series.filter(judged).filter(({ name, kind }) => {
      const [one, other] = [this.#collected.say(name, collected), this.#remainder.say(name, remainder)]
      return kind === 'leak' ? !one.found && !other.found : one.alarmed || other.alarmed
    }).map(({ name }) => name)
  }

  /** Judges each behaviour, or each shape of load, with thresholds that were chosen without it. */
  crossValidate(folds: number, trait: Trait): string[] {
    const traits = [...new Set(this.#series.map(({ recipe }) => recipe[trait]))].sort()
    return Array.from({ length: folds }, (_, fold) => new Set(traits.filter((_name, index) => index % folds === fold))).flatMap((fold) =>
      this.wrong(this.fit(({ recipe }) => !fold.has(recipe[trait])), ({ recipe }) => fold.has(recipe[trait])))
  }
}

const show = (thresholds: Thresholds): string => `{ ${NAMES.map((name) => `${name}: ${String(thresholds[name])}`).join(', ')}, ...CHOSEN }`

/** The file that the leak detector has its thresholds from. */
export function thresholdsFile({ collected, remainder }: Chosen): string {
  return `/** Thresholds of the verdict. Written by \`npm run series -- fit\` from the recordings in test/fixtures/leak-series/fitting.ndjson.gz. */
import { CHOSEN, type Thresholds } from './growth-state.js'

/** Of the live heap and of external memory. */
export const COLLECTED: Thresholds = ${show(collected)}

/** Of the part of RSS that V8 knows nothing about. */
export const REMAINDER: Thresholds = ${show(remainder)}
`
}

export const THRESHOLDS_FILE = fileURLToPath(new URL('../../../middleware/memory/leak-detector/thresholds.ts', import.meta.url))

function tell(what: string, wrong: readonly string[]): void {
  process.stdout.write(`${what}: ${String(wrong.length)} wrong${wrong.map((name) => `\n  ${name}`).join('')}\n`)
}

export function run(args: readonly string[]): void {
  const { values } = parseArgs({ args: [...args], options: {
    print: { type: 'boolean', default: false },
    folds: { type: 'string', default: '0' },
    shift: { type: 'string', default: '0' },
  } })
  const fit = new Fit(Number(values.shift))
  const chosen = fit.fit()
  tell('fitted', fit.wrong(chosen))
  if (Number(values.folds) > 0) {
    for (const trait of ['behaviour', 'shape'] as const) tell(`${values.folds} folds, each ${trait} judged without it`, fit.crossValidate(Number(values.folds), trait))
  }
  const text = thresholdsFile(chosen)
  process.stdout.write(text)
  if (!values.print) writeFileSync(THRESHOLDS_FILE, text)
}
