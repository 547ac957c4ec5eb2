/**
 * Whether growth has paused: a stretch of time in which floors stay level, where a line would have them rise. What is loaded bit by bit
 * pauses, and what has stopped growing does; a leak goes on.
 */
import type { Fit, Stepwise } from './regression.js'
import type { StaircaseFit } from './staircase-fit.js'
import { RunningSums } from './running-sums.js'

/** Logarithms of likelihoods: by how much better a level explains a stretch than a line does. At least 0; 0 where none does. */
export interface Pauses {
  /** The clearest pause after growth had begun. */
  readonly pause: number
  /** The clearest one that goes on until now. */
  readonly stalled: number
}

const { ceil, max, min, round } = Math
/** Least rows of a pause, and its least share of all rows; the largest share. */
const LEAST_ROWS = 6
const LEAST_SHARE = 1 / 6
const MOST_SHARE = 0.6
/** Lengths that are looked at in one small step. */
const LENGTHS_A_STEP = 2
/** Products for each stretch that is looked at. */
const WORK_OF_STRETCH = 16
/** What must have been gained before a pause, as a share of all growth: what begins late has not paused before. */
const GAINED = 0.15
/** `line`: the fit along a way from 0 to 1. `stairs`: what is known of the noise. */
function* pausesAlong(way: Float64Array, line: Fit, slope: number, { noise, worth }: StaircaseFit): Stepwise<Pauses> {
  const rows = way.length
  if (slope <= 0 || rows < 2 * LEAST_ROWS) return { pause: 0, stalled: 0 }
  const ofLine = new RunningSums(line.rests)
  const ofLevel = new RunningSums(line.rests.map((rest, row) => rest + slope * (way[row] ?? 0)))
  const least = max(LEAST_ROWS, ceil(rows * LEAST_SHARE))
  const gained = ofLevel.mean(0, ceil(least / 2)) + GAINED * slope
  let [pause, stalled] = [0, 0]
  for (let length = least; length <= round(rows * MOST_SHARE); length++) {
    if (length % LENGTHS_A_STEP === 0) yield LENGTHS_A_STEP * rows * WORK_OF_STRETCH
    for (let to = length; to <= rows; to++) {
      if (ofLevel.mean(to - length, to) < gained) continue
      const better = ofLine.level(to - length, to) - ofLevel.level(to - length, to)
      pause = max(pause, better)
      if (to === rows) stalled = max(stalled, better)
    }
  }
  const unit = worth / (2 * noise * noise)
  return { pause: pause * unit, stalled: stalled * unit }
}

/** Those along the way that has the least of them: growth that is steady by one way is steady. */
export function* leastPauses(ways: readonly Float64Array[], lines: readonly Fit[], stairs: StaircaseFit): Stepwise<Pauses> {
  let [pause, stalled] = [Infinity, Infinity]
  for (const [index, way] of ways.entries()) {
    const line = lines[index]
    if (line === undefined) continue
    const found = yield* pausesAlong(way, line, line.coefficients[1] ?? 0, stairs)
    pause = min(pause, found.pause)
    stalled = min(stalled, found.stalled)
  }
  return { pause, stalled }
}
