/**
 * Made-up apps for fitting, wider than the first ones: steps, ramps and caches of all paces that are done within six hours or so, what
 * wanders, and leaks that are not lines.
 */
import { between, filling, logBetween, normal, upTo, type Memory, type Random, type Shapes } from './synthetic-parts.js'

const { exp, floor, log, max, min, sin, PI } = Math
/** What is harmless holds so much of the level once it has grown. */
const size = (random: Random): number => logBetween(random, 0.1, 0.6)

/** At any moments, so many, each at once or over up to so many hours. */
const anySteps = (least: number, most: number, takes: number): Memory => (random) => {
  const count = least + floor((most - least + 1) * random())
  const total = size(random)
  const all = Array.from({ length: count }, () => ({ at: between(random, 0.2, 8), height: total / count * between(random, 0.5, 1.5), takes: 0.01 + takes * random() }))
  return ({ hour }) => all.reduce((held, { at, height, takes: lasts }) => held + height * upTo((hour - at) / lasts), 0)
}

/** As many, alike and evenly over some hours. */
const evenSteps = (least: number, most: number): Memory => (random) => {
  const count = least + floor((most - least + 1) * random())
  const [total, first, gap, takes] = [size(random), between(random, 0.1, 1), between(random, 0.5, 2), between(random, 0.02, 0.4)]
  return ({ hour }) => Array.from({ length: count }, (_, index) => total / count * upTo((hour - first - gap * index) / takes)).reduce((sum, one) => sum + one, 0)
}

export const WIDE: Shapes = {
  loads: {
    steady: () => () => 1,
    day: (random) => { const [depth, phase] = [between(random, 0.3, 0.7), 24 * random()]; return (hour) => 1 + depth * sin(2 * PI * (hour + phase) / 24) },
    morning: (random) => { const from = between(random, 0, 3); return (hour) => 0.4 + 0.9 * upTo((hour - from) / 4) },
    steps: (random) => { const at = between(random, 1, 6); return (hour) => hour < at ? 0.7 : 1.3 },
    tides: (random) => { const [period, depth, phase] = [between(random, 3, 9), between(random, 0.2, 0.6), 7 * random()]; return (hour) => 1 + depth * sin(2 * PI * hour / period + phase) },
    night: (random) => { const start = 24 * random(); return (hour) => { const clock = (hour + start) % 24; return 0.3 + 0.9 * upTo((clock - 6) / 2) * upTo((23 - clock) / 2) } },
    peaks: (random) => { const [every, width] = [between(random, 1, 4), between(random, 0.2, 0.6)]; return (hour) => 0.7 + 1.5 * exp(-((((hour % every) - every / 2) / width) ** 2)) },
  },
  leaks: {
    byTime: () => ({ hour }) => hour,
    byRequests: () => ({ requests }) => requests,
    batches: (random) => { const every = logBetween(random, 0.1, 1); return ({ hour }) => every * floor(hour / every) },
    slower: (random) => { const power = between(random, 0.8, 0.95); return ({ requests }) => max(0, requests) ** power },
    faster: (random) => { const power = between(random, 1.05, 1.25); return ({ hour }) => max(0, hour) ** power },
    withLoad: (random) => { const more = between(random, 0.5, 1.5); let [held, last] = [0, 0]; return ({ hour, own }) => { held += (hour - last) * max(0, 1 + more * (own - 1)); last = hour; return held } },
    lumps: (random) => { let [held, due] = [0, 0]; return ({ requests }) => { for (; due < requests; due += 0.05) if (random() < 0.25) held += 0.2 * between(random, 0.2, 1.8); return held } },
  },
  harmless: {
    level: () => () => 0,
    anySteps: anySteps(2, 6, 0.5),
    twoOrThree: anySteps(1, 3, 0.7),
    evenSteps: evenSteps(3, 5),
    manySteps: anySteps(6, 12, 0.3),
    ramp: (random) => { const [height, from, takes] = [size(random), between(random, 0, 3), logBetween(random, 0.3, 4.5)]; return ({ hour }) => height * upTo((hour - from) / takes) },
    ring: (random) => { const [height, takes] = [size(random), logBetween(random, 0.3, 4.5)]; return ({ requests }) => height * upTo(requests / takes) },
    cache: (random) => { const [height, fill] = [size(random), filling(random, 0.1, 1.8)]; return ({ requests }) => height * fill(requests) },
    twoPaces: (random) => { const [height, quick, slow, share] = [size(random), filling(random, 0.1, 0.5), filling(random, 0.5, 2), between(random, 0.3, 0.7)]; return ({ requests }) => height * (share * quick(requests) + (1 - share) * slow(requests)) },
    powerLaw: (random) => { const [height, first, end] = [size(random), logBetween(random, 0.05, 1), logBetween(random, 1, 5)]; return ({ requests }) => height * min(1, log(1 + requests / first) / log(1 + end / first)) },
    adoption: (random) => { const [height, middle, pace] = [size(random), between(random, 1, 5), logBetween(random, 0.1, 0.8)]; return ({ hour }) => height / (1 + exp(-(hour - middle) / pace)) },
    comesAndGoes: (random) => { const [height, from, rises, holds] = [size(random), between(random, 0.3, 4), logBetween(random, 0.3, 4), between(random, 0, 3)]; return ({ hour }) => height * (upTo((hour - from) / rises) - upTo((hour - from - rises - holds) / 0.3)) },
    followsLoad: (random) => { const [height, lives] = [between(random, 0.1, 0.4), logBetween(random, 0.2, 2)]; let [held, last] = [0, 0]; return ({ hour, own }) => { held += (own - held) * (1 - exp(-(hour - last) / lives)); last = hour; return height * held } },
    wanders: (random) => { const [width, tau] = [logBetween(random, 0.01, 0.04), logBetween(random, 0.3, 3)]; let [away, last] = [0, 0]; return ({ hour }) => { const stays = exp(-(hour - last) / tau); away = stays * away + Math.sqrt(1 - stays ** 2) * normal(random); last = hour; return width * away } },
    reloads: (random) => { const [depth, every] = [between(random, 0.05, 0.2), between(random, 0.5, 3)]; let [count, now] = [0, random()]; return ({ hour }) => { if (hour / every > count) { count++; now = random() } return depth * now } },
    emptied: (random) => { const [depth, every] = [logBetween(random, 0.05, 0.4), logBetween(random, 0.3, 4.5)]; return ({ requests }) => depth * (requests / every % 1) },
    cachesInTurn: (random) => { const parts = [0, 1, 2].map((index) => [filling(random, 0.1, 0.8), index * between(random, 0.7, 2)] as const); const height = size(random); return ({ requests }) => height / 3 * parts.reduce((sum, [fill, at]) => sum + fill(requests - at), 0) },
    rampAndSteps: (random) => { const [height, takes, at] = [size(random), logBetween(random, 0.5, 3), between(random, 2, 6)]; return ({ hour }) => height * (0.6 * upTo(hour / takes) + 0.4 * upTo((hour - at) / 0.1)) },
  },
}
