/**
 * Made-up apps of 50 MB and more over many hours: leaks of 3 to 8 % an hour, and staircases, ramps, caches and daily loads that are
 * none. Their noise is that of the recordings: floors that differ by 0.5 to 3 % of the level, neighbours that are alike, garbage that a
 * collection has left, collections that follow the load. Two sets that share no seed; the one for judging has shapes, loads and
 * a kind of noise that the other does not have.
 */
import { seeded } from '../../test/support/seeded.js'
import type { Listener } from './replay.js'
import { between, filling, logBetween, normal, steps, upTo, type Load, type Memory, type Random, type Shapes } from './synthetic-parts.js'
import { FRESH } from './synthetic-fresh.js'
import { VARIED } from './synthetic-varied.js'
import { WIDE } from './synthetic-wide.js'

/** The first two, and those that followed: `wide` and `fresh` for fitting, `varied` for judging. */
export const SYNTHETIC_SETS = ['fitting', 'judging', 'wide', 'fresh', 'varied'] as const
export type SyntheticSet = (typeof SYNTHETIC_SETS)[number]

export interface Synthetic {
  name: string
  kind: 'leak' | 'harmless'
  /** Hours that it lasts. */
  hours: number
  /** Hour in which the leak begins; 0 for what is harmless. */
  begins: number
  seed: number
  set: SyntheticSet
  load: Load
  memory: Memory
  /** Where it is held. */
  room: Room
  /** Of a leak, growth an hour as a share of the level when it begins. */
  pace?: number
}

type Room = 'heap' | 'external' | 'native'

type FirstSet = 'fitting' | 'judging'
const { exp, max, sin, PI, floor } = Math
const MINUTE = 60_000
const MB = 1_048_576
const STEPS_AN_HOUR = 120
/** Beside the seed: of a load that draws its own numbers, the same where its leak is measured and where it is played. */
const OWN_LOAD = 23

const LOADS: Readonly<Record<FirstSet, Readonly<Record<string, Load>>>> = {
  fitting: {
    steady: () => () => 1,
    day: (random) => { const [depth, phase] = [between(random, 0.3, 0.7), 24 * random()]; return (hour) => 1 + depth * sin(2 * PI * (hour + phase) / 24) },
    morning: (random) => { const from = between(random, 0, 3); return (hour) => 0.4 + 0.9 * upTo((hour - from) / 4) },
    steps: (random) => { const at = between(random, 1, 6); return (hour) => hour < at ? 0.7 : 1.3 },
  },
  judging: {
    office: (random) => { const start = 24 * random(); return (hour) => { const clock = (hour + start) % 24; return clock > 8 && clock < 18 ? 1.4 : clock > 6 && clock < 22 ? 0.9 : 0.25 } },
    lunch: (random) => { const start = 24 * random(); return (hour) => { const clock = (hour + start) % 24; return 0.3 + exp(-(((clock - 10) / 2) ** 2)) + 1.2 * exp(-(((clock - 15) / 2.5) ** 2)) } },
    hourly: (random) => { const width = between(random, 0.1, 0.3); return (hour) => hour % 1 < width ? 2 : 0.7 },
    wandering: (random) => { const waves = [1, 2, 3].map(() => [between(random, 1.5, 11), 7 * random()] as const); return (hour) => max(0.2, waves.reduce((sum, [period, phase]) => sum + 0.25 * sin(2 * PI * hour / period + phase), 1)) },
    quiet: () => () => 1,
  },
}

/** By 3 to 8 % of the level an hour. */
const pace = (random: Random): number => between(random, 0.031, 0.08)
const LEAKS: Readonly<Record<FirstSet, Readonly<Record<string, Memory>>>> = {
  fitting: {
    byTime: (random) => { const by = pace(random); return ({ hour }) => by * hour },
    byRequests: (random) => { const by = pace(random); return ({ requests }) => by * requests },
    batches: (random) => { const [by, every] = [pace(random), between(random, 0.1, 0.5)]; return ({ hour }) => by * every * floor(hour / every) },
    besideCache: (random) => { const [by, fill] = [pace(random), filling(random, 0.1, 0.4)]; return ({ hour, requests }) => by * requests + 0.1 * fill(hour) },
    later: (random) => { const [by, at] = [pace(random), between(random, 1, 6)]; return ({ hour }) => by * max(0, hour - at) },
  },
  judging: {
    metricLabels: (random) => { const [by, every] = [pace(random), between(random, 0.02, 0.1)]; return ({ requests }) => by * every * floor(requests / every) },
    usersByPowerLaw: (random) => { const [by, power] = [pace(random), between(random, 0.8, 0.95)]; return ({ requests }) => by * 8 * (requests / 8) ** power },
    queue: (random) => { const [by] = [pace(random)]; let held = 0; let last = 0; return ({ hour, own }) => { held = max(0, held + by * (hour - last) * (1 + 1.5 * (own - 1))); last = hour; return held } },
    sessionsKept: (random) => { const by = pace(random); let held = 0; let last = 0; return ({ requests }) => { held += by * (requests - last) * (0.3 + 1.4 * random()); last = requests; return held } },
    hourlyJob: (random) => { const [by, at] = [pace(random), random()]; return ({ hour }) => by * floor(hour + at) },
    faster: (random) => { const by = pace(random); return ({ hour }) => by * hour * (0.85 + 0.3 * hour / 12) },
    sawtoothUnder: (random) => { const [by, every, depth] = [pace(random), between(random, 0.2, 0.6), between(random, 0.02, 0.05)]; return ({ hour }) => by * hour + depth * (hour / every % 1) },
    afterDeploy: (random) => { const [by, at] = [pace(random), between(random, 2, 10)]; return ({ hour, requests }) => hour < at ? 0 : by * (hour - at) * (requests / hour) },
  },
}

const HARMLESS: Readonly<Record<FirstSet, Readonly<Record<string, Memory>>>> = {
  fitting: {
    level: () => () => 0,
    oneStep: steps(1, [0.01, 0.5], [0, 0]),
    twoSteps: steps(2, [0.05, 0.4], [0.5, 3]),
    threeSteps: steps(3, [0.05, 0.35], [1.2, 3]),
    threeSlow: steps(3, [0.1, 0.6], [3, 6]),
    fourSteps: steps(4, [0.03, 0.3], [2, 6]),
    cache: (random) => { const [size, fill] = [logBetween(random, 0.1, 0.6), filling(random, 0.1, 0.8)]; return ({ requests }) => size * fill(requests) },
    ring: (random) => { const [size, takes] = [logBetween(random, 0.1, 0.6), between(random, 0.2, 0.9)]; return ({ requests }) => size * upTo(requests / takes) },
    sweeps: (random) => { const [depth, every] = [between(random, 0.03, 0.15), logBetween(random, 0.1, 1)]; return ({ hour }) => depth * (hour / every % 1) },
  },
  judging: {
    nothing: () => () => 0,
    rolloutTenHalfAll: (random) => { const [total, first, gap, takes] = [logBetween(random, 0.12, 0.5), between(random, 0.3, 1), between(random, 0.5, 1), between(random, 0.1, 0.3)]; return ({ hour }) => total * (0.2 * (1 - exp(-max(0, hour - first) / takes * 3)) + 0.35 * (1 - exp(-max(0, hour - first - gap) / takes * 3)) + 0.45 * (1 - exp(-max(0, hour - first - 2 * gap) / takes * 3))) },
    tenants: (random) => { const all = Array.from({ length: 3 + floor(2 * random()) }, () => [between(random, 0.3, 7), between(random, 0.03, 0.15)] as const); return ({ hour }) => all.reduce((sum, [at, size]) => sum + (hour > at ? size : 0), 0) },
    sameSteps: steps(3, [0.2, 0.3], [1.4, 2]),
    upAndDown: (random) => { const [at, holds, size] = [between(random, 0.5, 4), between(random, 1, 4), between(random, 0.1, 0.4)]; return ({ hour }) => size * (upTo((hour - at) / 0.3) - upTo((hour - at - holds) / 0.3)) },
    twoCaches: (random) => { const [one, other, at] = [filling(random, 0.1, 0.5), filling(random, 0.1, 0.5), between(random, 1, 5)]; const size = logBetween(random, 0.1, 0.4); return ({ requests }) => size * (0.6 * one(requests) + 0.4 * other(requests - at)) },
    keysByPopularity: (random) => { const [size, slow] = [logBetween(random, 0.1, 0.5), between(random, 0.3, 0.8)]; return ({ requests }) => size * (0.6 * (1 - exp(-requests / slow / 0.3)) + 0.4 * (1 - exp(-requests / slow))) },
    boundedQueue: (random) => { const [size, hours] = [between(random, 0.1, 0.4), between(random, 0.3, 0.8)]; return ({ hour }) => size * upTo(hour / hours) * (0.95 + 0.05 * sin(hour * 5)) },
    reloads: (random) => { const [size, every] = [between(random, 0.05, 0.2), between(random, 0.5, 3)]; return ({ hour }) => size * (0.6 + 0.4 * sin(floor(hour / every) * 12.9898)) },
    sessions: (random) => { const live = between(random, 0.25, 1); let held = 0; let last = 0; return ({ hour, own }) => { held += (own - held) * (1 - exp(-(hour - last) / live)); last = hour; return 0.25 * held } },
  },
}

const FIRST_SEEDS: Readonly<Record<SyntheticSet, number>> = { fitting: 500_000, judging: 900_000, wide: 1_500_000, fresh: 2_700_000, varied: 4_100_000 }

function shapesOf(set: SyntheticSet): Shapes {
  if (set === 'wide') return WIDE
  if (set === 'fresh') return FRESH
  if (set === 'varied') return VARIED
  return { loads: LOADS[set], leaks: LEAKS[set], harmless: HARMLESS[set] }
}

/** How many of each shape, one after the other with each load. `from`: the first round, of those that a set has without end. */
export function syntheticSet(set: SyntheticSet, rounds: number, from = 0): Synthetic[] {
  const { loads: loadsByName, leaks, harmless, beside = {}, outside, paces } = shapesOf(set)
  const roomOf = (shape: string): Room => outside?.external.includes(shape) === true ? 'external' : outside?.native.includes(shape) === true ? 'native' : 'heap'
  const isFirst = set === 'fitting' || set === 'judging'
  const loads = Object.entries(loadsByName)
  const first = FIRST_SEEDS[set]
  const all = (kind: Synthetic['kind'], memories: Readonly<Record<string, Memory>>): Synthetic[] => Object.entries(memories).flatMap(([shape, memory], row) =>
    Array.from({ length: rounds }, (_, index): Synthetic => {
      const round = from + index
      const [name, load] = loads[(row + round) % loads.length] ?? ['steady', () => () => 1]
      const seed = first + (kind === 'leak' ? 0 : 100_000) + 1000 * row + round
      const begins = kind === 'harmless' ? 0 : isFirst ? beginningOf(shape, seed) : beginningDrawn(seed)
      const named = { name: `${kind}-${shape}-${name}-${String(seed)}`, kind, hours: kind === 'leak' ? begins + 9 : 13, begins, seed, set, load, memory, room: roomOf(shape) }
      if (kind === 'harmless' || isFirst) return named
      const by = paces === undefined ? pace(seeded(seed + 5)) : logBetween(seeded(seed + 5), ...paces)
      return { ...named, pace: by, memory: ofPace(named, by, beside[shape]) }
    }))
  return [...all('leak', leaks), ...all('harmless', harmless)]
}

/** Half of all leaks begin at once, the others within six hours. */
function beginningDrawn(seed: number): number {
  const random = seeded(seed + 3)
  return random() < 0.5 ? 0 : between(random, 0.5, 6)
}

/** A leak of which eight hours make 8 times its pace of the level, under its own load, from when it begins. */
function ofPace({ seed, set, begins, load, memory }: Synthetic, hourly: number, beside: Memory = () => () => 0): Memory {
  const since = (held: ReturnType<Memory>): ReturnType<Memory> => {
    let before: number | undefined
    return ({ hour, requests, own }) => {
      if (hour < begins) return 0
      before ??= requests
      return held({ hour: hour - begins, requests: requests - before, own })
    }
  }
  const [grown, own] = [since(memory(seeded(seed))), load(seeded(seed + (shapesOf(set).outside === undefined ? 7 : OWN_LOAD)))]
  let [requests, all] = [0, 0]
  for (let step = 0; step < (begins + 8) * STEPS_AN_HOUR; step++) {
    const [hour, now] = [step / STEPS_AN_HOUR, max(0, own(step / STEPS_AN_HOUR))]
    requests += now / STEPS_AN_HOUR
    all = grown({ hour, requests, own: now })
  }
  const by = 8 * hourly / all
  return (random) => {
    const [held, other] = [since(memory(random)), beside(seeded(seed + 13))]
    return (now) => by * held(now) + other(now)
  }
}

/** The second number that a later leak draws. */
function beginningOf(shape: string, seed: number): number {
  const random = seeded(seed)
  random()
  if (shape === 'later') return between(random, 1, 6)
  return shape === 'afterDeploy' ? between(random, 2, 10) : 0
}

/** What a process of this kind shows from inside, at a sample every half minute. */
export function play({ seed, set, hours, load, memory, room }: Synthetic, listener: Listener): void {
  const held = memory(seeded(seed))
  const random = seeded(seed + 7)
  const { levels: [least, most] = [50, 400], outside: rooms } = shapesOf(set)
  const own = load(rooms === undefined ? random : seeded(seed + OWN_LOAD))
  const level = logBetween(random, least, most) * MB
  const [noise, alike] = [logBetween(random, 0.005, 0.03), set === 'fitting' ? between(random, 0, 0.5) : between(random, 0, 0.7)]
  const [ofLoad, lag, spacing] = [between(random, 0, 0.12), between(random, 0.02, 0.4), logBetween(random, 0.3, 5)]
  const seldom = set === 'fitting' || (set !== 'judging' && seed % 2 === 0)
  const garbage = (): number => seldom ? (random() < 0.1 ? 0.08 * random() : 0) : -0.015 * Math.log(1 - random())
  const [mean, jitter] = [logBetween(random, 5, 200), between(random, 0.05, 0.6)]
  const takesPart = seeded(seed + 11)
  const seededNoise = seeded(seed + 19)
  // Buffers are collected with what owns them, so their floors differ as the heap's do.
  const buffers = rooms === undefined ? 4 * MB : logBetween(seeded(seed + 17), 0.01, 0.5) * level
  let [requests, followed, rest, due, live, external] = [0, own(0), 0, 0, level, buffers]
  for (let step = 0; step < hours * STEPS_AN_HOUR; step++) {
    const hour = step / STEPS_AN_HOUR
    const now = max(0, own(hour) * (1 + jitter * (2 * takesPart() - 1)))
    requests += now / STEPS_AN_HOUR
    followed += (now - followed) * (1 - exp(-1 / STEPS_AN_HOUR / lag))
    const true_ = held({ hour, requests, own: now })
    due += 0.5 * now / spacing
    const time = step * MINUTE / 2
    if (due >= 1) {
      due %= 1
      rest = alike * rest + Math.sqrt(1 - alike ** 2) * normal(random)
      live = level * (1 + (room === 'heap' ? true_ : 0) + ofLoad * followed + noise * rest + garbage())
      if (rooms !== undefined) external = buffers * (1 + ofLoad * followed + noise * normal(seededNoise)) + (room === 'external' ? (level + buffers) * true_ : 0)
      listener.collection({ time, live, external })
    }
    const heapTotal = live * (1.15 + 0.15 * due) + 8 * MB
    const outside = (rooms === undefined ? 0 : external) + (room === 'native' ? level * true_ : 0)
    listener.sample({ time, rss: heapTotal * (1 + 0.01 * normal(random)) + 64 * MB + outside, heapTotal, external, requestsPerSecond: mean * now, inFlight: 0.05 * mean * now, heapLimit: 2048 * MB })
  }
}
