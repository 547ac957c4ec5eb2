/**
 * Made-up apps for judging alone, with shapes and loads that no other set has. What is harmless is a step, a ramp or a cache in most, and is
 * done within six hours or so but for steps, which come up to the ninth.
 */
import { between, filling, logBetween, normal, upTo, type Load, type Memory, type Random, type Shapes } from './synthetic-parts.js'

const { exp, floor, max, min, sin, tanh, PI } = Math
/** What is harmless holds so much of the level once it has grown. */
const size = (random: Random): number => logBetween(random, 0.1, 0.6)
const daily = (form: (clock: number, random: Random) => number): Load => (random) => { const start = 24 * random(); return (hour) => form((hour + start) % 24, random) }
/** What is held changes by so much each hour. */
const gathered = (hourly: (now: { hour: number; requests: number; own: number; hours: number }) => number): ReturnType<Memory> => {
  let [held, last] = [0, 0]
  return (now) => { held += hourly({ ...now, hours: now.hour - last }); last = now.hour; return held }
}
const wandering = (random: Random, width: number, hours: number): (hour: number) => number => {
  let [away, last] = [0, 0]
  return (hour) => {
    const stays = exp(-(hour - last) / hours)
    away = stays * away + Math.sqrt(1 - stays ** 2) * normal(random)
    last = hour
    return width * away
  }
}

export const FRESH: Shapes = {
  loads: {
    constant: () => () => 1,
    doubleShift: daily((clock) => 0.35 + 0.9 * (upTo(clock - 5) - upTo(clock - 13) * 0.4 + upTo(clock - 14.5) * 0.4 - upTo(clock - 21.5))),
    noonPeak: daily((clock) => 0.45 + 1.1 * exp(-(((clock - 12.5) / 4) ** 2))),
    quarterHours: (random) => { const width = between(random, 0.1, 0.4); return (hour) => (hour * 4) % 1 < width ? 2.2 : 0.6 },
    creeping: (random) => { const by = between(random, 0.02, 0.05); return (hour) => 0.8 + by * hour },
    outage: (random) => { const [at, lasts] = [between(random, 1, 7), between(random, 0.3, 1)]; return (hour) => hour > at && hour < at + lasts ? 0.05 : 1 },
    calmingDown: (random) => { const pace = between(random, 3, 6); return (hour) => 0.5 + 0.8 * exp(-hour / pace) },
    rough: (random) => { const waves = [1, 2, 3, 4].map(() => [logBetween(random, 0.4, 6), 7 * random()] as const); return (hour) => exp(waves.reduce((sum, [period, phase]) => sum + 0.2 * sin(2 * PI * hour / period + phase), 0)) },
  },
  leaks: {
    errorsKept: (random) => { const [period, phase] = [between(random, 1, 5), 7 * random()]; let [held, last] = [0, 0]; return ({ requests }) => { held += (requests - last) * (1 + 0.6 * sin(requests / period * 2 * PI + phase)); last = requests; return held } },
    snapshots: (random) => { const every = between(random, 0.25, 0.8); let [held, next] = [0, every]; return ({ hour }) => { for (; next <= hour; next += every) held += between(random, 0.5, 1.5); return held } },
    newVisitors: (random) => { const power = between(random, 0.85, 0.97); return ({ requests }) => max(0, requests) ** power },
    activeUsers: () => gathered(({ own, hours }) => hours * max(0, own) ** 0.5),
    twoLeaks: (random) => { const share = random(); return ({ hour, requests }) => share * hour + (1 - share) * requests },
    besideSaw: () => ({ requests }) => requests,
    besideStep: () => ({ hour }) => hour,
    besideWander: () => ({ hour }) => hour,
    abovePeak: (random) => { const least = between(random, 0.1, 0.4); return gathered(({ own, hours }) => hours * max(0, own - least)) },
  },
  beside: {
    besideSaw: (random) => { const [depth, every] = [between(random, 0.02, 0.05), between(random, 0.2, 1)]; return ({ requests }) => depth * (requests / every % 1) },
    besideStep: (random) => { const [height, at] = [between(random, 0.04, 0.12), between(random, 0.5, 7)]; return ({ hour }) => hour > at ? height : 0 },
    besideWander: (random) => { const away = wandering(random, between(random, 0.004, 0.012), between(random, 0.3, 1.5)); return ({ hour }) => away(hour) },
  },
  harmless: {
    nothing: () => () => 0,
    canary: (random) => { const [height, first, gap, pace] = [size(random), between(random, 0.2, 2), between(random, 0.3, 1.5), between(random, 0.03, 0.2)]; return ({ hour }) => height * [0.05, 0.2, 0.75].reduce((sum, share, index) => sum + share * (1 - exp(-max(0, hour - first - gap * index) / pace)), 0) },
    tenantsMove: (random) => { const [count, total] = [2 + floor(5 * random()), size(random)]; const all = Array.from({ length: count }, () => [between(random, 0.3, 9), total / count * exp(0.5 * normal(random)), random() < 0.25 ? between(random, 1, 5) : 99] as const); return ({ hour }) => all.reduce((sum, [at, height, stays]) => sum + (hour > at && hour < at + stays ? height : 0), 0) },
    pluginsLoaded: (random) => { const [count, first] = [1 + floor(4 * random()), size(random) * 0.6]; const all = Array.from({ length: count }, (_, index) => [between(random, 0.2, 7), first * 0.6 ** index] as const); return ({ hour }) => all.reduce((sum, [at, height]) => sum + (hour > at ? height : 0), 0) },
    versionsOverlap: (random) => { const [old, now, at, both] = [between(random, 0.05, 0.2), between(random, 0.1, 0.4), between(random, 0.5, 6), between(random, 0.2, 2)]; return ({ hour }) => (hour < at + both ? old : 0) + (hour > at ? now : 0) },
    shifts: (random) => { const [height, from, lasts] = [size(random), between(random, 0.5, 5), between(random, 1.5, 6)]; return ({ hour }) => hour > from && hour < from + lasts ? height : 0 },
    backfill: (random) => { const [height, from, takes] = [size(random), between(random, 0, 2.5), logBetween(random, 0.3, 4)]; let [done, last] = [0, from]; return ({ hour }) => { if (hour > last) { done = min(1, done + (hour - last) / takes * (0.4 + 1.2 * random())); last = hour } return height * done } },
    poolFills: (random) => { const [height, count, takes] = [size(random), 8 + floor(13 * random()), logBetween(random, 0.3, 3.5)]; return ({ requests }) => height * min(1, floor(requests / takes * count) / count) },
    rampThenRelease: (random) => { const [height, from, rises, holds] = [size(random), between(random, 0.2, 3), logBetween(random, 0.4, 3.5), between(random, 0.1, 1.5)]; return ({ hour }) => height * (upTo((hour - from) / rises) - 0.5 * upTo((hour - from - rises - holds) / 0.1)) },
    usersAdopt: (random) => { const [height, middle, pace] = [size(random), between(random, 1, 4.5), between(random, 0.3, 1.2)]; return ({ requests }) => height * (1 + tanh((requests - middle) / pace)) / 2 },
    highWater: (random) => { const height = between(random, 0.08, 0.35); let most = 0; let lately = 1; return ({ own }) => { lately += 0.05 * (own - lately); most = max(most, lately); return height * most } },
    keepAlive: (random) => { const [height, lives] = [between(random, 0.1, 0.35), logBetween(random, 0.2, 1.5)]; let [held, last] = [0, 0]; return ({ hour, own }) => { held += (own - held) * (1 - exp(-(hour - last) / lives)); last = hour; return height * held } },
    fewPopularKeys: (random) => { const [height, pace] = [size(random), logBetween(random, 0.05, 0.4)]; return ({ requests }) => height * [1, 2.2, 5].reduce((sum, slower, index) => sum + (0.5 - 0.2 * index + 0.05 * index * (index - 1)) * (1 - exp(-requests / pace / slower)), 0) },
    timeToLive: (random) => { const [height, lives, keys] = [size(random), logBetween(random, 0.3, 2), between(random, 0.3, 2)]; let [held, last] = [0, 0]; return ({ hour, own }) => { held += (hour - last) * (own * keys * (1 - held) - held) / lives; last = hour; return height * held } },
    lruByPopularity: (random) => { const [height, pace, power, bound] = [size(random), logBetween(random, 0.1, 1.2), between(random, 0.6, 0.95), between(random, 0.7, 0.95)]; return ({ requests }) => height * min(bound, 1 - exp(-((requests / pace) ** power))) },
    halvesDropped: (random) => { const [depth, every] = [logBetween(random, 0.1, 0.4), logBetween(random, 0.3, 3.5)]; return ({ requests }) => depth * (requests < every ? requests / every : 1 + requests / every % 1) / 2 },
    refilled: (random) => { const [height, at] = [size(random), between(random, 3, 8)]; const fill = filling(random, 0.1, 1); return ({ hour, requests }) => { if (hour < at) return height * fill(requests); return height * fill((hour - at) * 1) } },
    cachesInSeries: (random) => { const [height, one, other, third] = [size(random), logBetween(random, 0.2, 2), logBetween(random, 0.2, 1.5), logBetween(random, 0.2, 1.5)]; return ({ requests }) => height * (0.5 * upTo(requests / one) + 0.3 * upTo((requests - one) / other) + 0.2 * upTo((requests - one - other) / third)) },
    nightlyJob: (random) => { const [height, at, lasts] = [size(random), between(random, 0.5, 5), between(random, 0.3, 1.5)]; return ({ hour }) => { const since = (hour - at + 60) % 6; return since < lasts ? height * upTo(since / 0.2) : 0 } },
    wandersAround: (random) => { const away = wandering(random, logBetween(random, 0.008, 0.03), logBetween(random, 0.3, 2.5)); return ({ hour }) => away(hour) },
  },
}
