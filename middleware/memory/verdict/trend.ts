/**
 * The trend of floors at like load: the median of the slopes of pairs (Theil and Sen), of pairs alone that lie well apart
 * and had about the same load, so that neither outliers nor a rising load make a slope.
 */
import { bendOf } from './bend.js'
import { median } from './median.js'

export interface Point {
  /** ms */
  readonly time: number
  /** Octets. */
  readonly value: number
  readonly rate: number
  readonly inFlight: number
  /** Requests since the beginning. */
  readonly requests: number
}

export interface Trend {
  /** Octets a millisecond. */
  readonly slope: number
  /** Octets that the slope makes over the whole time. */
  readonly growth: number
  /** Octets by which floors differ at like load when the slope is taken out (a robust standard deviation). */
  readonly noise: number
  /** Rising pairs less falling ones, as a share of all: -1 to 1 (Kendall). */
  readonly concordance: number
  /** Slope of the recent part as a share of the slope of the whole: by requests, or by time, which counts less: whichever is more. */
  readonly recent: number
  /** Whether enough pairs had like load; else all pairs were used, and the slope may be the load's. */
  readonly comparable: boolean
  /** Median of the values. */
  readonly level: number
  /** ms between the first and the last point. */
  readonly span: number
}

// Looked up once: these run for every pair.
const { SQRT2, abs, max, sign } = Math
const { isNaN } = Number

/** Share of the whole time that pairs lie apart at least. */
const APART = 0.2
/** Requests in flight differ by chance: as many do not make loads unlike. */
const IN_FLIGHT_SLACK = 3
/** Requests a second that do not make loads unlike. */
const RATE_SLACK = 1
/** Share of pairs that must have like load, and their least number. */
const COMPARABLE = 0.08
const COMPARABLE_PAIRS = 8
/** Growth of the load over the whole time that may be chance. */
const LOAD_NOISE = 0.05
/** What a slope by time counts beside one by requests. */
const BY_TIME = 0.8
/** A load that creeps up rises in so many more pairs than it falls, as a share of all; else it only wavers. */
const CREEPING = 0.5

/** `likeness`: by what share of the larger one loads may differ. Points are in the order of time, at least four. */
export function trendOf(points: readonly Point[], likeness: number): Trend {
  const whole = pairsOf(points, likeness)
  const slope = median(slopesOf(whole))
  const span = spanOf(points)
  const level = median(points.map(({ value }) => value))
  const growth = slope * span
  return {
    slope,
    growth,
    noise: noiseOf(whole, slope),
    concordance: concordanceOf(whole),
    recent: slope > 0 ? recentShare(points) : 0,
    // Memory that is in proportion to a load which creeps up explains as much by itself.
    comparable: whole.comparable && growth > level * (loadGrowth(whole, span) - LOAD_NOISE),
    level,
    span,
  }
}

interface Pairs {
  first: Point[]
  second: Point[]
}

function pairsOf(points: readonly Point[], likeness: number): Pairs & { comparable: boolean } {
  const all = pairsAmong(points)
  const like = select(points, (one, other) => apart(points, one, other) && alike(one, other, likeness))
  const comparable = like.first.length >= max(COMPARABLE_PAIRS, all.first.length * COMPARABLE)
  return { ...(comparable ? like : all), comparable }
}

/** All pairs that lie well apart. */
function pairsAmong(points: readonly Point[]): Pairs {
  return select(points, (one, other) => apart(points, one, other))
}

function select(points: readonly Point[], wanted: (one: Point, other: Point) => boolean): Pairs {
  const pairs: Pairs = { first: [], second: [] }
  points.forEach((one, index) => {
    for (let next = index + 1; next < points.length; next++) {
      const other = points[next]
      if (other === undefined || !wanted(one, other)) continue
      pairs.first.push(one)
      pairs.second.push(other)
    }
  })
  return pairs
}

function apart(points: readonly Point[], one: Point, other: Point): boolean {
  return other.time - one.time >= spanOf(points) * APART
}

function alike(one: Point, other: Point, likeness: number): boolean {
  const differ = (a: number, b: number, slack: number): boolean => abs(a - b) > slack + likeness * max(a, b)
  // What is not known (NaN) does not differ.
  return !differ(one.rate, other.rate, RATE_SLACK) && !differ(one.inFlight, other.inFlight, IN_FLIGHT_SLACK)
}

/** One value for each pair. */
function map({ first, second }: Pairs, value: (one: Point, other: Point) => number): Float64Array {
  const values = new Float64Array(first.length)
  for (let index = 0; index < values.length; index++) {
    const [one, other] = [first[index], second[index]]
    if (one !== undefined && other !== undefined) values[index] = value(one, other)
  }
  return values
}

function slopesOf(pairs: Pairs): Float64Array {
  return map(pairs, (one, other) => (other.value - one.value) / (other.time - one.time))
}

/** A leak of every request slows down when load does, and a cache fills faster when load rises: what it is by time counts less. */
function recentShare(points: readonly Point[]): number {
  return max(BY_TIME * bendOf(points, ({ time }) => time), bendOf(points, ({ requests }) => requests))
}

function noiseOf(pairs: Pairs, slope: number): number {
  const rests = map(pairs, (one, other) => abs(other.value - one.value - slope * (other.time - one.time)))
  // From the median of absolute values to a standard deviation, and from a difference to one value.
  return median(rests) * 1.4826 / SQRT2
}

function concordanceOf(pairs: Pairs): number {
  const signs = map(pairs, (one, other) => sign(other.value - one.value))
  return signs.reduce((sum, one) => sum + one, 0) / max(1, signs.length)
}

/** By what share of itself the load grows over the whole time, in the pairs: rate or requests in flight. */
function loadGrowth(pairs: Pairs, span: number): number {
  const growth = (of: 'rate' | 'inFlight', slack: number): number => {
    const rises = map(pairs, (one, other) => isNaN(other[of] - one[of]) ? 0 : sign(other[of] - one[of]))
    if (rises.reduce((sum, one) => sum + one, 0) < rises.length * CREEPING) return 0
    return median(map(pairs, (one, other) => (other[of] - one[of]) / (slack + (one[of] + other[of]) / 2) * span / (other.time - one.time)))
  }
  return max(growth('rate', RATE_SLACK), growth('inFlight', IN_FLIGHT_SLACK))
}

function spanOf(points: readonly Point[]): number {
  return (points.at(-1)?.time ?? 0) - (points[0]?.time ?? 0)
}
