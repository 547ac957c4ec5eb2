/** Scales and round numbers for the chart's axes. Pure. */

export interface Scale {
  /** Pixels of a value. */
  (value: number): number
  /** The value at a pixel. */
  invert: (pixel: number) => number
}

export function scale(from: number, to: number, low: number, high: number): Scale {
  const span = to - from === 0 ? 1 : to - from
  const pixels = (value: number): number => low + ((value - from) / span) * (high - low)
  return Object.assign(pixels, { invert: (pixel: number): number => from + ((pixel - low) / (high - low || 1)) * span })
}

export interface Axis {
  /** Where the axis ends: a round number not below the largest value. */
  top: number
  /** Round numbers from 0 to the top. */
  ticks: number[]
}

/** An axis from 0 with about `count` steps of 1, 2 or 5 times a power of ten. */
export function axis(largest: number, count: number, leastStep = 1): Axis {
  const rough = Math.max(largest, leastStep) / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(leastStep, power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10))
  const steps = Math.max(1, Math.ceil(largest / step))
  return { top: steps * step, ticks: Array.from({ length: steps + 1 }, (_, index) => index * step) }
}

/** A limit that is farther than this many times the largest value would press the curves to the floor. */
const FAR = 2.5

export interface NamedLimit {
  name: string
  value: number
}

/** Which limits the chart has room for, and up to which value it has to reach. */
export function withLimits(largest: number, limits: readonly NamedLimit[]): { largest: number; shown: NamedLimit[]; beyond: NamedLimit[] } {
  const shown = limits.filter(({ value }) => value <= FAR * largest)
  return { largest: Math.max(largest, ...shown.map(({ value }) => value * 1.04)), shown, beyond: limits.filter((limit) => !shown.includes(limit)) }
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const TIME_STEPS = [
  5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR,
]

/** Round local times from `from` to `to`, at most `count`. `offset`: what local time is ahead of UTC, ms. */
export function timeTicks(from: number, to: number, count: number, offset: number): { step: number; ticks: number[] } {
  const step = TIME_STEPS.find((candidate) => (to - from) / candidate <= count) ?? 24 * HOUR
  const first = Math.ceil((from + offset) / step) * step - offset
  const ticks: number[] = []
  for (let tick = first; tick <= to; tick += step) ticks.push(tick)
  return { step, ticks }
}
