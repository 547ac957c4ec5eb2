/**
 * What is recorded: two sets that share no seed. Behaviours and shapes of load that stand in both have other sizes, rates
 * and bases in each; some of those for judging stand in that set alone.
 */
import { BEHAVIOURS, HOURS } from './behaviours.js'
import { seeded } from '../../test/support/seeded.js'
import type { Recipe, SetName } from './archive.js'
import { BUSY_HARMLESS, BUSY_LEAKS } from './behaviours/busy.js'
import { DAY_SHAPES, SHAPES } from './load.js'

/** Behaviour and shape of the load. */
type Line = readonly [behaviour: string, shape: string]

const FITTING: readonly Line[] = [
  ['mapById', 'steady'], ['listeners', 'noisy'], ['closures', 'day'], ['timers', 'waves'], ['stringGrowth', 'steady'],
  ['cacheByUrl', 'bursts'], ['slowConsumer', 'steady'], ['sessions', 'noisy'], ['errors', 'stepUp'], ['rareLarge', 'steady'],
  ['laterLeak', 'noisy'], ['leakUnderCache', 'day'], ['buffers', 'steady'], ['arrayBuffers', 'waves'], ['openCompressors', 'noisy'],
  ['mapById', 'plateau'], ['closures', 'bursts'], ['compiledScripts', 'steady'], ['mapById', 'stepDown'],
  ['secureContexts', 'steady'], ['secureContexts', 'day'],
  ['plain', 'steady'], ['plain', 'ramp'], ['plain', 'waves'], ['keyspace', 'steady'], ['keyspace', 'day'], ['lru', 'noisy'],
  ['sessionsExpire', 'ramp'], ['sessionsExpire', 'day'], ['sweptMap', 'steady'], ['ring', 'bursts'], ['pooledBuffers', 'bursts'],
  ['passingBuffers', 'noisy'], ['largeJson', 'steady'], ['warmUp', 'steady'], ['loadedTable', 'noisy'], ['timersFire', 'stepUp'],
  ['closuresBounded', 'waves'], ['connections', 'plateau'], ['bufferCache', 'steady'], ['heavyTail', 'noisy'], ['listenersRemoved', 'ramp'],
  ['secureContexts', 'noisy'], ['secureContexts', 'waves'], ['compressors', 'steady'], ['popularKeys', 'noisy'], ['slicedStrings', 'plateau'],
]

/** Was for judging, until the verdict was changed after what it had shown. */
const FITTING_FURTHER: readonly Line[] = [
  ['mapById', 'noisy'], ['mapById', 'waves'], ['listeners', 'steady'], ['listeners', 'day'], ['closures', 'steady'], ['closures', 'stepUp'],
  ['timers', 'noisy'], ['timers', 'steady'], ['stringGrowth', 'waves'], ['stringGrowth', 'noisy'], ['slicedStrings', 'steady'],
  ['slicedStrings', 'bursts'], ['cacheByUrl', 'steady'], ['metricLabels', 'noisy'], ['metricLabels', 'quickWaves'], ['unsettledPromises', 'steady'],
  ['unsettledPromises', 'rareBursts'], ['slowConsumer', 'noisy'], ['sessions', 'day'], ['compiledScripts', 'noisy'], ['errors', 'steady'],
  ['rareLarge', 'waves'], ['contextChain', 'steady'], ['contextChain', 'pauses'], ['finalizers', 'noisy'], ['dictionary', 'steady'],
  ['leakUnderCache', 'noisy'], ['laterLeak', 'steady'], ['buffers', 'noisy'], ['arrayBuffers', 'steady'], ['bufferSlices', 'waves'],
  ['openCompressors', 'steady'], ['sharedMemory', 'noisy'], ['finalizers', 'stepDown'],
  ['secureContexts', 'noisy'], ['formatters', 'steady'],
  ['plain', 'noisy'], ['plain', 'steepRamp'], ['plain', 'day'], ['keyspace', 'noisy'], ['popularKeys', 'steady'], ['popularKeys', 'waves'],
  ['lru', 'steady'], ['lruLarge', 'noisy'], ['lruLarge', 'rareBursts'], ['sessionsExpire', 'waves'], ['sessionsExpire', 'steepRamp'],
  ['rollingWindow', 'slowDay'], ['sweptMap', 'noisy'], ['ring', 'steady'], ['pooledBuffers', 'stepUp'], ['passingBuffers', 'day'],
  ['logFlushed', 'noisy'], ['largeJson', 'bursts'], ['warmUp', 'noisy'], ['warmUp', 'plateau'], ['reloadedTable', 'steady'], ['loadedTable', 'steady'],
  ['listenersRemoved', 'stepUp'], ['timersFire', 'ramp'], ['closuresBounded', 'steady'], ['weakCache', 'noisy'], ['labelsBounded', 'steady'],
  ['compressors', 'bursts'], ['heavyTail', 'quickWaves'], ['bufferCache', 'noisy'], ['batches', 'waves'], ['batches', 'pauses'], ['connections', 'decline'],
  ['connections', 'slowDay'],
]

/** Was for judging, too, as long. */
const FITTING_THIRD: readonly Line[] = [
  ['mapById', 'day'], ['listeners', 'waves'], ['closures', 'noisy'], ['timers', 'stepUp'], ['stringGrowth', 'bursts'], ['slicedStrings', 'noisy'],
  ['cacheByUrl', 'waves'], ['metricLabels', 'steady'], ['unsettledPromises', 'day'], ['slowConsumer', 'noisy'], ['sessions', 'steady'],
  ['errors', 'quickWaves'], ['rareLarge', 'noisy'], ['contextChain', 'noisy'], ['finalizers', 'steady'], ['dictionary', 'pauses'],
  ['leakUnderCache', 'steady'], ['laterLeak', 'steady'], ['buffers', 'bursts'], ['arrayBuffers', 'day'], ['bufferSlices', 'steady'],
  ['openCompressors', 'noisy'], ['sharedMemory', 'steady'], ['secureContexts', 'stepUp'], ['formatters', 'noisy'],
  ['history', 'steady'], ['history', 'rareBursts'], ['instances', 'noisy'], ['instances', 'plateau'], ['uniqueStrings', 'steady'],
  ['plain', 'quickWaves'], ['plain', 'plateau'], ['plain', 'slowDay'], ['keyspace', 'bursts'], ['popularKeys', 'day'], ['lru', 'waves'],
  ['lruLarge', 'steady'], ['sessionsExpire', 'stepUp'], ['sessionsExpire', 'ramp'], ['rollingWindow', 'noisy'], ['sweptMap', 'day'],
  ['ring', 'noisy'], ['pooledBuffers', 'noisy'], ['passingBuffers', 'steepRamp'], ['logFlushed', 'steady'], ['largeJson', 'noisy'],
  ['warmUp', 'day'], ['reloadedTable', 'noisy'], ['loadedTable', 'waves'], ['listenersRemoved', 'bursts'], ['timersFire', 'slowDay'],
  ['weakCache', 'steady'], ['labelsBounded', 'noisy'], ['compressors', 'steepRamp'], ['heavyTail', 'steady'], ['bufferCache', 'waves'],
  ['connections', 'stepDown'], ['memoized', 'noisy'], ['memoized', 'steady'], ['lateCache', 'noisy'],
]

/** Was for judging, as well. */
const FITTING_FOURTH: readonly Line[] = [
  ['mapById', 'saw'], ['mapById', 'slowDay'], ['listeners', 'bursts'], ['listeners', 'twoSteps'], ['closures', 'waves'], ['timers', 'noon'],
  ['stringGrowth', 'day'], ['slicedStrings', 'waves'], ['cacheByUrl', 'noisy'], ['metricLabels', 'bursts'], ['unsettledPromises', 'noisy'],
  ['slowConsumer', 'launch'], ['sessions', 'waves'], ['errors', 'noisy'], ['rareLarge', 'launch'], ['contextChain', 'stepUp'],
  ['finalizers', 'day'], ['dictionary', 'noisy'], ['leakUnderCache', 'waves'], ['laterLeak', 'day'], ['buffers', 'waves'], ['arrayBuffers', 'noisy'],
  ['bufferSlices', 'stepUp'], ['openCompressors', 'bursts'], ['sharedMemory', 'waves'], ['secureContexts', 'steady'], ['formatters', 'bursts'],
  ['history', 'noisy'], ['instances', 'steady'], ['uniqueStrings', 'noisy'],
  ['abortListeners', 'steady'], ['abortListeners', 'rareBursts'], ['snapshots', 'noisy'], ['snapshots', 'saw'], ['suspendedGenerators', 'steady'],
  ['wrappedHandlers', 'quickWaves'], ['linkedNodes', 'noisy'], ['weakMapHeld', 'plateau'], ['jsonLog', 'steady'], ['unreadStreams', 'noisy'],
  ['growingColumn', 'steady'], ['secretKeys', 'noisy'],
  ['plain', 'saw'], ['plain', 'noisyRamp'], ['plain', 'noon'], ['keyspace', 'waves'], ['keyspace', 'rareBursts'], ['keyspace', 'launch'],
  ['popularKeys', 'noisy'], ['popularKeys', 'bursts'], ['zipfKeys', 'steady'], ['zipfKeys', 'noisy'], ['zipfKeys', 'day'], ['lru', 'day'],
  ['lru', 'twoSteps'], ['lruLarge', 'noisy'], ['sessionsExpire', 'noisyRamp'], ['sessionsExpire', 'twoSteps'], ['rollingWindow', 'bursts'],
  ['sweptMap', 'waves'], ['ring', 'day'], ['pooledBuffers', 'saw'], ['passingBuffers', 'steady'], ['logFlushed', 'waves'], ['largeJson', 'day'],
  ['warmUp', 'bursts'], ['loadedTable', 'day'], ['reloadedTable', 'waves'], ['closuresBounded', 'noisy'], ['labelsBounded', 'bursts'],
  ['compressors', 'noisy'], ['heavyTail', 'ramp'], ['bufferCache', 'day'], ['connections', 'steepRamp'], ['memoized', 'waves'], ['lateCache', 'steady'],
  ['twoGenerations', 'noisy'], ['reports', 'steady'], ['bufferRing', 'noisy'], ['backlog', 'bursts'], ['featuresLoaded', 'steady'],
  ['connectionPool', 'waves'], ['passingContexts', 'noisy'], ['mixedBuffers', 'day'], ['internedStrings', 'stepUp'],
]

/** A recording, and how long it lasts. */
interface Plan {
  readonly lines: readonly Line[]
  readonly firstSeed: number
  /** Seconds. */
  readonly duration: number
  readonly warmUp?: number
  /** MiB. Default: 128. */
  readonly heap?: number
}

/** Seconds in which a leak brings 4 to 24 MB, and of which what fills has filled by a part. */
const PACE = 40
/** Recordings fill the verdict's fine periods. */
export const LONG = 60
/** A leak that is just not found at the end of shorter ones is one that is found a little later. */
const LONGER = 75
export const LONGEST = 100
/** Seconds of load before. */
const WARM_UP = 20

function recipes({ lines, firstSeed, ...times }: Plan): Recipe[] {
  return lines.map(([behaviour, shape], index) => {
    const random = seeded(firstSeed + index)
    const rate = Math.round(30 + 30 * random())
    const leak = BEHAVIOURS[behaviour]?.kind === 'leak'
    // What is harmless holds as much as a leak brings.
    const octets = (leak ? 4 : 5) * 6 ** random() * 1_048_576
    return {
      behaviour, shape, seed: firstSeed + index, rate, pace: PACE, heap: 128, ...times,
      size: Math.round(octets / (rate * PACE)), node: random() < 0.3 ? 24 : 20, base: Math.round(2 + 10 * random()),
    }
  })
}

/** Each behaviour once, with a shape of load that chance gives it and that it did not have in `before`. */
function drawn(behaviours: readonly string[], seed: number, before: readonly Line[], of = Object.keys(SHAPES)): Line[] {
  const random = seeded(seed)
  return behaviours.map((behaviour) => {
    const had = before.filter(([name]) => name === behaviour).map(([, shape]) => shape)
    const shapes = of.filter((shape) => !had.includes(shape))
    return [behaviour, shapes[Math.floor(random() * shapes.length)] ?? 'steady']
  })
}

/** Leaks of memory that V8 does not count: the rest of RSS must show them, nothing else can. */
export const UNCOUNTED: readonly string[] = ['secureContexts', 'formatters', 'sharedMemory', 'secretKeys']
const NOT_NATIVE = ['plain', 'passingBuffers', 'connections', 'passingContexts', 'compressors', 'mixedBuffers', 'lruLarge', 'reports', 'reloadedTable', 'lateCache']
/** Both kinds, in processes that were warm: much of what a cold one does in its first minute counts as hours here. */
const FITTING_NATIVE: readonly Line[] = ['steady', 'noisy', 'waves', 'saw', 'rareBursts', 'twoSteps', 'slowDay']
  .flatMap((shape, index) => [...UNCOUNTED.slice(index % 2 * 2, index % 2 * 2 + 2), ...NOT_NATIVE.filter((_name, at) => at % 4 === index % 4)].map((behaviour): Line => [behaviour, shape]))

const BEFORE = [...FITTING, ...FITTING_FURTHER, ...FITTING_THIRD, ...FITTING_FOURTH]
const FITTING_LONG = drawn([...new Set(BEFORE.map(([behaviour]) => behaviour))], 17_000, BEFORE)

const ALL = HOURS
/** Was for judging: all behaviours twice, and once more for longer, with different shapes. */
const FITTING_DRAWN = drawnInTurn([25_000, 25_001], [])
const FITTING_LONGER = drawn(ALL, 29_000, FITTING_DRAWN)
const DRAWN = [...FITTING_DRAWN, ...FITTING_LONGER]
/** The slower the load, the longer it looks like growth. */
const SLOW = ['slowDay', 'day', 'noon', 'saw', 'ramp', 'steepRamp', 'noisyRamp', 'decline', 'plateau']
const FITTING_SLOW = drawn(ALL.filter((_name, index) => index % 3 === 0), 31_000, DRAWN, SLOW)
/** Was for judging: all behaviours twice more, with shapes that they did not have there. */
const FITTING_LONGEST = drawnInTurn([33_000, 33_001], DRAWN)
/** All behaviours with a shape that they had in none of these. */
const JUDGING = drawn(ALL, 37_000, [...DRAWN, ...FITTING_LONGEST])

function drawnInTurn(seeds: readonly number[], before: readonly Line[]): Line[] {
  return seeds.reduce<Line[]>((lines, seed) => [...lines, ...drawn(ALL, seed, [...before, ...lines])], [])
}

/** Eight hours of large apps, for judging: leaks of 3 to 8 % an hour, and what grows as much and ends. */
const WORKING_DAY = 240
/** Eight hours after the minutes that the verdict leaves out. */
const BUSY_DAY = 246
const SLOW_LINES: readonly Line[] = [
  ['usersByPowerLaw', 'steady'], ['usersByPowerLaw', 'noisy'], ['queueBacksUp', 'steady'], ['queueBacksUp', 'noisy'], ['labelsNowAndThen', 'day'],
  ['jobKeeps', 'noisy'], ['subscriptions', 'waves'], ['auditLog', 'slowDay'], ['uploads', 'noisy'], ['mapById', 'day'], ['closures', 'bursts'],
  ['sessions', 'stepUp'],
  ['rolloutMorning', 'noisy'], ['rolloutMorning', 'steady'], ['rolloutDay', 'noisy'], ['rolloutSteps', 'waves'], ['rolloutFour', 'day'],
  ['keysWithinHour', 'noisy'], ['fullWithinHour', 'slowDay'], ['fullWithinTwo', 'steady'], ['sessionsHour', 'slowDay'], ['sessionsHour', 'ramp'],
  ['plain', 'ramp'], ['connections', 'noon'],
]

/** The same of apps that collect as often as busy ones do in eight hours, for fitting. */
const BUSY_FITTING: readonly Line[] = [
  ['usersByPowerLaw', 'noisy'], ['queueBacksUp', 'waves'], ['labelsNowAndThen', 'noisy'], ['jobKeeps', 'steady'], ['auditLog', 'day'], ['mapById', 'slowDay'],
  ['rolloutMorning', 'noisy'], ['rolloutDay', 'waves'], ['rolloutFour', 'steady'], ['keysWithinHour', 'day'], ['fullWithinTwo', 'noisy'], ['sessionsHour', 'noon'],
  ['fullWithinHour', 'saw'], ['plain', 'slowDay'], ['connections', 'day'], ['rolloutSteps', 'noisy'],
]
/** The working days of busy apps for judging: all behaviours so many times, with loads that no other set has. */
function busyLines(rounds: number): Line[] {
  const shapes = Object.keys(DAY_SHAPES)
  const names = [...Object.keys(BUSY_LEAKS), ...Object.keys(BUSY_HARMLESS)]
  return Array.from({ length: rounds }, (_, round) =>
    names.map((name, index): Line => [name, shapes[(index + 3 * round) % shapes.length] ?? 'uneven'])).flat()
}

function busyRecipes(lines: readonly Line[], firstSeed: number): Recipe[] {
  return lines.map(([behaviour, shape], index) => {
    const seed = firstSeed + index
    const random = seeded(seed)
    const rate = Math.round(14 + 10 * random())
    const base = Math.round(45 + 50 * random())
    // Of the live heap: the process itself and what passes is some 12 MB more.
    const hourly = 0.036 + 0.044 * random()
    const held = BEHAVIOURS[behaviour]?.kind === 'leak' ? hourly * 8 : 0.12 * 5 ** random()
    return {
      behaviour, shape, seed, rate, duration: BUSY_DAY, pace: WORKING_DAY, warmUp: WARM_UP, heap: 1024, churn: 500_000,
      size: Math.round(held * (base + 12) * 1_048_576 / (rate * WORKING_DAY)), node: index % 3 === 2 ? 24 : 20, base,
    }
  })
}

function slowRecipes(): Recipe[] {
  return SLOW_LINES.map(([behaviour, shape], index) => {
    const seed = 41_000 + index
    const random = seeded(seed)
    const rate = Math.round(30 + 20 * random())
    const base = Math.round(50 + 50 * random())
    // Of the base; other objects of the process are some 10 MB more.
    const hourly = 0.035 + 0.045 * random()
    const octets = hourly * 8 * (base + 10) * 1_048_576
    return {
      behaviour, shape, seed, rate, duration: WORKING_DAY, pace: WORKING_DAY, warmUp: WARM_UP, heap: 1024,
      size: Math.round(octets / (rate * WORKING_DAY)), node: index % 3 === 2 ? 24 : 20, base,
    }
  })
}

export const RECIPES: Readonly<Record<SetName, readonly Recipe[]>> = {
  fitting: [
    ...[FITTING, FITTING_FURTHER, FITTING_THIRD, FITTING_FOURTH].flatMap((lines, index) => recipes({ lines, firstSeed: 1000 + 4000 * index, duration: PACE })),
    ...recipes({ lines: FITTING_LONG, firstSeed: 17_000, duration: LONG }),
    ...recipes({ lines: FITTING_NATIVE, firstSeed: 21_000, duration: LONG, warmUp: 15 }),
    ...recipes({ lines: FITTING_DRAWN, firstSeed: 25_000, duration: LONG, warmUp: WARM_UP, heap: 256 }),
    ...recipes({ lines: FITTING_LONGER, firstSeed: 29_000, duration: LONGER, warmUp: WARM_UP, heap: 256 }),
    ...recipes({ lines: FITTING_SLOW, firstSeed: 31_000, duration: LONGEST, warmUp: WARM_UP, heap: 256 }),
    ...recipes({ lines: FITTING_LONGEST, firstSeed: 33_000, duration: LONGEST, warmUp: WARM_UP, heap: 512 }),
  ],
  judging: recipes({ lines: JUDGING, firstSeed: 37_000, duration: LONGEST, warmUp: WARM_UP, heap: 512 }),
  slow: slowRecipes(),
  'busy-fitting': busyRecipes(BUSY_FITTING, 51_000),
  busy: busyRecipes(busyLines(3), 61_000),
}
