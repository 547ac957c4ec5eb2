/**
 * Made-up apps for judging alone: leaks of 3 to 100 % an hour and what is harmless, in heaps of 20 to 500 MB, in memory outside the heap
 * and in what V8 knows nothing about. Shapes and loads are in no other set. What is harmless is done within six hours or so.
 */
import { between, logBetween, normal, upTo, type Load, type Memory, type Random, type Shapes } from './synthetic-parts.js'

const { cos, exp, floor, log, max, min, sin, sqrt, PI } = Math
/** What is harmless holds so much of the level once it has grown. */
const size = (random: Random): number => logBetween(random, 0.1, 0.6)
const daily = (form: (clock: number) => number): Load => (random) => { const start = 24 * random(); return (hour) => form((hour + start) % 24) }
/** What is held changes by so much since the moment before. */
const gathered = (change: (now: { hour: number; requests: number; own: number; hours: number; asked: number; held: number }) => number): ReturnType<Memory> => {
  let [held, last, before] = [0, 0, 0]
  return (now) => {
    held += change({ ...now, hours: now.hour - last, asked: now.requests - before, held })
    ;[last, before] = [now.hour, now.requests]
    return held
  }
}
/** Moments that come at random, so many an hour. */
const arrivals = (random: Random, anHour: number): ((hours: number) => number) => {
  let due = -log(1 - random())
  return (hours) => {
    let count = 0
    for (due -= anHour * hours; due <= 0; due -= log(1 - random())) count++
    return count
  }
}
/** Of a load that goes up and down at random, by so much. */
const walking = (random: Random, width: number, lasts: number): ((hour: number) => number) => {
  let [away, last] = [normal(random), 0]
  return (hour) => {
    const stays = exp(-(hour - last) / lasts)
    away = stays * away + sqrt(1 - stays ** 2) * normal(random)
    last = hour
    return exp(width * away)
  }
}
const rampUp = (random: Random, least: number, most: number): ((hour: number) => number) => {
  const [from, takes] = [between(random, 0, 2), logBetween(random, least, most)]
  return (hour) => upTo((hour - from) / takes)
}

export const VARIED: Shapes = {
  loads: {
    plain: () => () => 1,
    evenings: daily((clock) => 0.4 + 0.5 * exp(-(((clock - 9) / 3) ** 2)) + 1.1 * exp(-(((clock - 20) / 3) ** 2))),
    twoContinents: daily((clock) => 0.9 + 0.35 * cos((clock - 14) * PI / 12) + 0.25 * cos((clock - 21) * PI / 6)),
    saleBegins: (random) => { const [at, takes] = [between(random, 0.5, 7), between(random, 0.3, 2)]; return (hour) => 0.6 + 0.9 * upTo((hour - at) / takes) },
    crowds: (random) => { const come = arrivals(random, 1.2); let [crowd, last] = [0, 0]; return (hour) => { crowd = crowd * exp(-(hour - last) / 0.2) + 1.2 * come(hour - last); last = hour; return 0.7 + crowd } },
    walk: (random) => walking(random, between(random, 0.15, 0.35), between(random, 0.7, 4)),
    dayOfABank: daily((clock) => 0.12 + 1.1 * upTo((clock - 7) / 2.5) * upTo((19 - clock) / 3)),
    weeklyRise: (random) => { const by = between(random, 0.06, 0.15); return (hour) => 0.7 + by * sqrt(hour) },
    batchHours: (random) => { const every = between(random, 2, 5); return (hour) => hour % every < every * 0.35 ? 1.8 : 0.55 },
  },
  leaks: {
    whileBusy: (random) => { const power = between(random, 1.3, 2); return gathered(({ own, hours }) => hours * own ** power) },
    subscriptions: (random) => { const come = arrivals(random, 40); return gathered(({ asked }) => come(asked)) },
    heavyTail: (random) => { const come = arrivals(random, 25); return gathered(({ asked }) => { let sum = 0; for (let left = come(asked); left > 0; left--) sum += min(8, (1 - random()) ** -0.7); return sum }) },
    partlyFreed: (random) => { const [every, share] = [between(random, 0.3, 0.9), between(random, 0.1, 0.35)]; return ({ hour }) => { const done = floor(hour / every); return done * every * (1 - share) + hour - done * every } },
    importsKept: (random) => { const [every, takes] = [between(random, 0.3, 0.9), between(random, 0.08, 0.2)]; return ({ hour }) => { const done = floor(hour / every); return done + upTo((hour / every - done) * every / takes) } },
    twoPhases: (random) => { const [at, later] = [between(random, 2, 5), logBetween(random, 0.6, 1.8)]; return ({ requests }) => min(requests, at) + later * max(0, requests - at) },
    perError: (random) => { const share = walking(random, 0.5, between(random, 0.5, 2)); return gathered(({ hour, asked }) => asked * share(hour)) },
    openHandles: (random) => { const at = between(random, 0.1, 0.6); return gathered(({ own, hours }) => hours * (at + (1 - at) * sqrt(own))) },
    besideCache: () => ({ requests }) => requests,
    besideTenants: () => ({ hour }) => hour,
    buffersKept: () => ({ requests }) => requests,
    uploadsKept: (random) => { const come = arrivals(random, 30); return gathered(({ asked }) => { let sum = 0; for (let left = come(asked); left > 0; left--) sum += between(random, 0.3, 3); return sum }) },
  },
  beside: {
    besideCache: (random) => { const [height, takes] = [between(random, 0.05, 0.15), logBetween(random, 0.2, 1)]; return ({ requests }) => height * (1 - (1 - upTo(requests / takes / 3)) ** 3) },
    besideTenants: (random) => { const [one, other, gone, height] = [between(random, 0.5, 6), between(random, 0.5, 6), between(random, 2, 9), between(random, 0.02, 0.06)]; return ({ hour }) => height * (Number(hour > one) + Number(hour > other) - Number(hour > max(one, gone))) },
  },
  harmless: {
    calm: () => () => 0,
    flagsFlipped: (random) => { const all = Array.from({ length: 1 + floor(4 * random()) }, () => [between(random, 0.3, 8), size(random) / 2, random() < 0.3 ? between(random, 0.5, 4) : 99] as const); return ({ hour }) => all.reduce((sum, [at, height, stays]) => sum + (hour > at && hour < at + stays ? height : 0), 0) },
    modulesLazily: (random) => { const [height, first, apart, count] = [size(random), between(random, 0.1, 0.5), between(random, 1.5, 2.5), 3 + floor(3 * random())]; return ({ hour }) => height / count * Array.from({ length: count }, (_, index) => Number(hour > first * apart ** index)).reduce((sum, one) => sum + one, 0) },
    tenantsOnboarded: (random) => { const height = size(random); const all = Array.from({ length: 3 + floor(7 * random()) }, () => [5.5 * random() ** 1.5, exp(0.8 * normal(random)), random() < 0.25 ? between(random, 1, 4) : 99] as const); const whole = all.reduce((sum, [, one]) => sum + one, 0); return ({ hour }) => all.reduce((sum, [at, one, stays]) => sum + (hour > at && hour < at + stays ? one * height / whole : 0), 0) },
    configReloaded: (random) => { const [height, every, frees] = [between(random, 0.05, 0.3), between(random, 0.7, 4), between(random, 0.1, 0.6)]; return ({ hour }) => hour < every ? 0 : height * (1 - upTo((hour % every - 0.05) / frees)) },
    releaseTrains: (random) => { const [height, gap, first] = [size(random), between(random, 0.8, 1.8), between(random, 0.2, 1.2)]; return ({ hour }) => height * [0.4, 0.35, 0.25].reduce((sum, share, index) => sum + share * upTo((hour - first - gap * index) / (0.1 + 0.1 * index)), 0) },
    warmIndex: (random) => { const [height, power] = [size(random), between(random, 1.2, 2)]; const ramp = rampUp(random, 0.3, 3.5); return ({ hour }) => height * ramp(hour) ** power },
    migration: (random) => { const height = size(random); const ramp = rampUp(random, 0.4, 4); const ends = between(random, 6, 9); return ({ hour }) => height * ramp(hour) * (hour < ends ? 1 : 0.4) },
    poolGrowsLate: (random) => { const [height, count, takes] = [size(random), 4 + floor(10 * random()), between(random, 0.5, 4)]; return ({ requests }) => height * floor(count * upTo(log(1 + 4 * requests / takes) / log(5))) / count },
    importThenFree: (random) => { const [height, at, takes] = [size(random), between(random, 0.3, 4), logBetween(random, 0.4, 3)]; return ({ hour }) => hour > at && hour < at + takes ? height * (hour - at) / takes : 0 },
    boundedByCount: (random) => { const [height, takes, hit] = [size(random), logBetween(random, 0.3, 4), between(random, 0, 0.6)]; return gathered(({ asked, held }) => asked / takes * height * (1 - hit * held / height) * Number(held < height)) },
    segmented: (random) => { const [height, quick, slow] = [size(random), logBetween(random, 0.1, 0.7), logBetween(random, 0.7, 2.5)]; return ({ requests }) => height * (0.65 * upTo(requests / quick) + 0.35 * (1 - exp(-max(0, requests - quick) / slow))) },
    expiring: (random) => { const [height, lives] = [size(random), logBetween(random, 0.3, 2)]; return gathered(({ asked, hours, held }) => height * asked / lives - held * (1 - exp(-hours / lives))) },
    sweptHourly: (random) => { const [height, every] = [between(random, 0.05, 0.35), logBetween(random, 0.4, 2.5)]; return ({ hour, own }) => height * (0.5 + own / 2) * (hour / every % 1) ** 0.8 },
    followsDay: (random) => { const [height, lives] = [between(random, 0.1, 0.35), logBetween(random, 0.2, 1.8)]; return gathered(({ own, hours, held }) => (height * own - held) * (1 - exp(-hours / lives))) },
    queueOfANight: (random) => { const [height, at, takes] = [size(random), between(random, 0.3, 4), logBetween(random, 0.5, 2.5)]; return ({ hour }) => { const along = (hour - at) / takes; return along < 0 ? 0 : height * max(0, along < 1 ? sin(along * PI / 2) : 2 - along) } },
    thumbnails: (random) => { const [height, fills] = [size(random), logBetween(random, 0.1, 1.7)]; return ({ requests }) => height * (1 - exp(-requests / fills)) },
    filesInMemory: (random) => { const [height, takes] = [size(random), logBetween(random, 0.3, 4)]; return ({ requests }) => height * upTo(requests / takes) },
    bufferPools: (random) => { const [height, first] = [size(random), between(random, 0.1, 0.8)]; return ({ hour }) => height * [0.25, 0.25, 0.5].reduce((sum, share, index) => sum + share * Number(hour > first * 2 ** index), 0) },
    wasmGrows: (random) => { const [height, at] = [size(random), Array.from({ length: 4 }, () => between(random, 0.2, 6))]; return ({ hour }) => height * (2 ** at.filter((one) => hour > one).length - 1) / 15 },
    uploadsInFlight: (random) => { const [height, lives] = [between(random, 0.1, 0.5), logBetween(random, 0.05, 0.5)]; return gathered(({ own, hours, held }) => (height * own - held) * (1 - exp(-hours / lives))) },
    arenas: (random) => { const [height, fills] = [size(random) / 2, logBetween(random, 0.1, 1)]; return ({ requests }) => height * (1 - exp(-requests / fills)) },
    threadsStart: (random) => { const [height, first] = [size(random) / 2, between(random, 0.2, 3)]; return ({ hour }) => height * (Number(hour > first) + Number(hour > first + 1)) / 2 },
  },
  outside: {
    external: ['buffersKept', 'uploadsKept', 'thumbnails', 'filesInMemory', 'bufferPools', 'wasmGrows', 'uploadsInFlight'],
    native: ['arenas', 'threadsStart'],
  },
  levels: [20, 500],
  paces: [0.031, 1],
}
