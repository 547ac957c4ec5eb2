/**
 * The trend of floors at like load: the median of the slopes of pairs (Theil and Sen), of pairs alone that lie well apart
 * and had about the same load, so that neither outliers nor a rising load make a slope.
 */

export interface Point {
  /** ms */
  readonly time: number
  /** Octets. */
  readonly value: number
  readonly rate: number
  readonly inFlight: number
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
  /** Slope of the recent part as a share of the slope of the whole. */
  readonly recent: number
  /** Whether enough pairs had like load; else all pairs were used, and the slope may be the load's. */
  readonly comparable: boolean
  /** Median of the values. */
  readonly level: number
  /** ms between the first and the last point. */
  readonly span: number
}

/** Share of the whole time that pairs lie apart at least. */
const APART = 0.2
/** The recent part, as a share of the points. */
const RECENT = 0.4
/** Requests in flight differ by chance: as many do not make loads unlike. */
const IN_FLIGHT_SLACK = 3
/** Requests a second that do not make loads unlike. */
const RATE_SLACK = 1
/** Share of pairs that must have like load, and their least number. */
const COMPARABLE = 0.08
const COMPARABLE_PAIRS = 8

/** `likeness`: by what share of the larger one loads may differ. Points are in the order of time, at least four. */
export function trendOf(points: readonly Point[], likeness: number): Trend {
  const whole = pairsOf(points, likeness)
  const slope = median(whole.slopes)
  const span = spanOf(points)
  const recent = points.slice(-Math.max(4, Math.ceil(points.length * RECENT)))
  return {
    slope,
    growth: slope * span,
    noise: noiseOf(whole, slope),
    concordance: concordanceOf(whole),
    recent: slope > 0 ? median(pairsOf(recent, likeness).slopes) / slope : 0,
    comparable: whole.comparable,
    level: median(points.map(({ value }) => value)),
    span,
  }
}

interface Pairs {
  slopes: number[]
  /** Rises of the pairs, octets, and the time between them. */
  rises: number[]
  gaps: number[]
  comparable: boolean
}

function pairsOf(points: readonly Point[], likeness: number): Pairs {
  const apart = spanOf(points) * APART
  const all: Pairs = { slopes: [], rises: [], gaps: [], comparable: false }
  const like: Pairs = { slopes: [], rises: [], gaps: [], comparable: true }
  points.forEach((first, index) => {
    for (let other = index + 1; other < points.length; other++) {
      const second = points[other]
      if (second === undefined || second.time - first.time < apart) continue
      add(all, first, second)
      if (alike(first.rate, second.rate, likeness, RATE_SLACK) && alike(first.inFlight, second.inFlight, likeness, IN_FLIGHT_SLACK)) add(like, first, second)
    }
  })
  return like.slopes.length >= Math.max(COMPARABLE_PAIRS, all.slopes.length * COMPARABLE) ? like : all
}

function add(pairs: Pairs, first: Point, second: Point): void {
  const rise = second.value - first.value
  const gap = second.time - first.time
  pairs.slopes.push(rise / gap)
  pairs.rises.push(rise)
  pairs.gaps.push(gap)
}

function alike(one: number, other: number, likeness: number, slack: number): boolean {
  // Not known is not different.
  return !(Math.abs(one - other) > slack + likeness * Math.max(one, other))
}

function noiseOf({ rises, gaps }: Pairs, slope: number): number {
  const rests = rises.map((rise, index) => Math.abs(rise - slope * (gaps[index] ?? 0)))
  // From the median of absolute values to a standard deviation, and from a difference to one value.
  return median(rests) * 1.4826 / Math.SQRT2
}

function concordanceOf({ rises }: Pairs): number {
  return rises.reduce((sum, rise) => sum + Math.sign(rise), 0) / Math.max(1, rises.length)
}

function spanOf(points: readonly Point[]): number {
  return (points.at(-1)?.time ?? 0) - (points[0]?.time ?? 0)
}

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}
