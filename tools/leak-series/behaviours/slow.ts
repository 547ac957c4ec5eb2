/**
 * Large apps over a working day: leaks of some percent an hour, and what grows for a while and ends. Each leak keeps about
 * `size * rate * duration` octets by the end; what is harmless holds as much once it has grown.
 */
import { EventEmitter } from 'node:events'
import { numbers, record, words, type Start, type Surroundings } from './step.js'

/** Octets by the end. */
const budget = ({ size, rate, duration }: Surroundings): number => size * rate * duration
/** An object of 2 KB, as many as make so many octets. */
const rows = (octets: number, random: () => number): unknown[] =>
  Array.from({ length: Math.round(octets / 2048) }, (_, number) => record(2048, number, random))

/** A Map by user: few come all the time, and ever fewer are new. */
const usersByPowerLaw: Start = ({ random, size }) => {
  const users = new Map<number, unknown>()
  return (number) => {
    const user = Math.floor((1 - random()) ** -1.4)
    if (!users.has(user)) users.set(user, record(size * 3, number, random))
  }
}

/** A queue whose consumer is a little slower than what comes. */
const queueBacksUp: Start = ({ random, size, rate }) => {
  const queue: unknown[] = []
  setInterval(() => queue.shift(), 1000 / (0.9 * rate))
  return (number) => queue.push(record(size * 10, number, random))
}

/** One request in twenty brings a label that no metric had. */
const labelsNowAndThen: Start = ({ random, size }) => {
  const series = new Map<string, number[]>()
  return (number) => {
    if (random() < 0.05) series.set(`route="/orders/${String(number)}"`, numbers(size * 20, random))
  }
}

/** A job that runs now and then and keeps what it has read. */
const jobKeeps: Start = (surroundings) => {
  const kept: unknown[] = []
  const runs = 60
  setInterval(() => { kept.push(rows(budget(surroundings) / runs, surroundings.random)) }, surroundings.duration * 1000 / runs)
  return () => kept.length
}

/** Three in four subscriptions are ended. */
const subscriptions: Start = ({ random, size }) => {
  const emitter = new EventEmitter().setMaxListeners(0)
  return (number) => {
    const context = record(size * 4, number, random)
    const listener = (): unknown => context
    emitter.on('change', listener)
    if (random() < 0.75) setTimeout(() => emitter.off('change', listener), 2000 * random())
  }
}

const auditLog: Start = ({ random, size }) => {
  const lines: string[] = []
  return (number) => lines.push(`${String(number)} ${words(size, random)}`)
}

const uploads: Start = ({ random, size }) => {
  const kept: Buffer[] = []
  return () => {
    if (random() < 0.1) kept.push(Buffer.alloc(size * 10, 1))
  }
}

/** Features that are rolled out: each fills its share in a while, and stays. Moments as shares of the time. */
const rollout = (moments: readonly number[], takes: number): Start => (surroundings) => {
  const { random, duration } = surroundings
  const held: unknown[] = []
  const pieces = 20
  const fill = (left: number): void => {
    held.push(rows(budget(surroundings) / moments.length / pieces * (0.6 + 0.8 * random()), random))
    if (left > 1) setTimeout(() => { fill(left - 1) }, takes * duration * 1000 / pieces)
  }
  for (const moment of moments) setTimeout(() => { fill(pieces) }, moment * duration * 1000)
  return () => held.length
}

/** A cache of a finite set of keys, which comes near its end by e in a share of the time. */
const keysWithin = (share: number): Start => ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const keys = Math.round(rate * duration * share)
  return (number) => {
    const key = Math.floor(random() * keys)
    if (!cache.has(key)) cache.set(key, record(size / share, number, random))
  }
}

/** Least recently used out; full after a share of the time. */
const fullAfter = (share: number): Start => ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const most = Math.round(rate * duration * share)
  return (number) => {
    cache.set(number, record(size / share, number, random))
    if (cache.size > most) cache.delete(cache.keys().next().value ?? 0)
  }
}

/** Sessions that live for a share of the time: memory follows load, later. */
const sessionsFor = (share: number): Start => ({ random, size, duration }) => {
  const store = new Map<number, unknown>()
  return (number) => {
    store.set(number, record(size / share, number, random))
    setTimeout(() => store.delete(number), share * duration * 1000)
  }
}

export const SLOW_LEAKS: Readonly<Record<string, Start>> = { usersByPowerLaw, queueBacksUp, labelsNowAndThen, jobKeeps, subscriptions, auditLog, uploads }

export const SLOW_HARMLESS: Readonly<Record<string, Start>> = {
  rolloutMorning: rollout([0.06, 0.145, 0.24], 0.033),
  rolloutDay: rollout([0.1, 0.3, 0.55], 0.05),
  rolloutSteps: rollout([0.15, 0.4], 0.001),
  rolloutFour: rollout([0.05, 0.2, 0.35, 0.5], 0.02),
  keysWithinHour: keysWithin(0.12),
  fullWithinHour: fullAfter(0.1),
  fullWithinTwo: fullAfter(0.17),
  sessionsHour: sessionsFor(0.1),
}
