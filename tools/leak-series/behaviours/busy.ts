/**
 * Busy apps of 50 MB and more over a working day, for judging. Leaks keep about `size * rate * duration` octets by the end; what is
 * harmless holds as much once it has grown. Moments and paces are drawn, as shares of the working day.
 */
import { numbers, record, words, type Start, type Step, type Surroundings } from './step.js'

const between = (random: () => number, least: number, most: number): number => least + (most - least) * random()
/** Octets by the end. */
const budget = ({ size, rate, duration }: Surroundings): number => size * rate * duration
/** Objects of 2 KB, as many as make so many octets. */
const rows = (octets: number, random: () => number): unknown[] =>
  Array.from({ length: Math.round(octets / 2048) }, (_, number) => record(2048, number, random))
/** Calls back at a share of the day. */
const at = ({ duration }: Surroundings, moment: number, then: () => void): void => { setTimeout(then, moment * duration * 1000) }

/* Leaks. */

/** A lock for each document that is edited, which is not released where the edit fails. */
const locksAfterErrors: Start = ({ random, size }) => {
  const locks = new Map<string, unknown>()
  return (number) => {
    const document = `document ${String(number)}`
    locks.set(document, record(size * 8, number, random))
    if (random() > 0.125) locks.delete(document)
  }
}

/** Spans of traces: the exporter forgets those that were not ended. */
const spansNotEnded: Start = ({ random, size }) => {
  const started = new Map<number, { parent: number; attributes: unknown }>()
  return (number) => {
    started.set(number, { parent: number - 1, attributes: record(size * 4, number, random) })
    setTimeout(() => { if (random() > 0.25) started.delete(number) }, 300 * random())
  }
}

const expressionsByInput: Start = ({ random, size }) => {
  const compiled = new Map<string, { expression: RegExp; input: unknown }>()
  return (number) => {
    const text = `${String(number)}-${random().toString(36).slice(2)}`
    compiled.set(text, { expression: new RegExp(text), input: record(size, number, random) })
  }
}

/** Figures of each minute, which are never dropped. */
const figuresByMinute: Start = ({ random, size, rate }) => {
  const minutes: unknown[] = []
  return (number) => {
    if (number % Math.round(rate / 2) === 0) minutes.push(record(size * rate / 2, number, random))
    return minutes.length
  }
}

/** Documents that keep all versions: some are edited often. */
const undoHistory: Start = ({ random, size }) => {
  const documents = Array.from({ length: 60 }, (): unknown[] => [])
  return (number) => documents[Math.floor(60 * random() ** 3)]?.push(record(size, number, random))
}

/** Every visitor of the day, in a Set that doubles now and then. */
const visitorsSeen: Start = ({ random, size }) => {
  const visitors = new Set<string>()
  return (number) => visitors.add(`${String(number)} ${words(size, random)}`)
}

/** A bounded cache, and beside it what failed, which nothing bounds. */
const failuresBesideCache: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const failures: unknown[] = []
  const most = Math.round(rate * duration * 0.04)
  return (number) => {
    cache.set(number, record(size * 2, number, random))
    if (cache.size > most) cache.delete(cache.keys().next().value ?? 0)
    if (random() < 0.1) failures.push(record(size * 10, number, random))
  }
}

/** Bodies that were never read, as Buffers. */
const bodiesUnread: Start = ({ random, size }) => {
  const bodies: Buffer[] = []
  return () => { if (random() < 0.2) bodies.push(Buffer.alloc(size * 5, 1)) }
}

/** Rooms of a chat: those who leave stay in the list. */
const roomMembers: Start = ({ random, size }) => {
  const rooms = new Map<number, unknown[]>()
  return (number) => {
    const room = Math.floor(200 * random() ** 2)
    const members = rooms.get(room) ?? []
    rooms.set(room, members)
    members.push(record(size, number, random))
  }
}

/** A job each half hour or so that keeps what it has made. */
const exportsKept: Start = (surroundings) => {
  const kept: unknown[] = []
  const every = between(surroundings.random, 0.03, 0.08)
  setInterval(() => { kept.push(rows(budget(surroundings) * every, surroundings.random)) }, surroundings.duration * every * 1000)
  return () => kept.length
}

/** A promise that a request waits for, and that nobody settles, one time in thirty. */
const waitersForgotten: Start = ({ random, size }) => {
  const waiters = new Set<() => void>()
  return (number) => {
    if (random() > 1 / 30) return
    const context = record(size * 30, number, random)
    void new Promise<void>((resolve) => waiters.add(resolve)).then(() => context)
  }
}

/** A class for each schema, made anew by each request that brings one. */
const schemaClasses: Start = ({ random, size }) => {
  const known: unknown[] = []
  return (number) => known.push(class { static readonly schema = record(size, number, random); declare id: number })
}

/* Harmless: steps. */

/** Some steps at drawn moments, each at once or over some minutes. */
const stepped = (count: readonly [number, number], within: readonly [number, number], takes: readonly [number, number]): Start => (surroundings) => {
  const { random } = surroundings
  const held: unknown[] = []
  const number = Math.round(between(random, ...count))
  const [first, last] = within
  for (let index = 0; index < number; index++) {
    const octets = budget(surroundings) / number * between(random, 0.6, 1.4)
    const moment = between(random, first, last)
    const lasts = between(random, ...takes)
    for (let piece = 0; piece < 10; piece++) at(surroundings, moment + lasts * piece / 10, () => { held.push(rows(octets / 10, random)) })
  }
  return () => held.length
}

/** Two versions of a table, the second one larger. */
const tableGrows: Start = (surroundings) => {
  const { random } = surroundings
  let table = rows(budget(surroundings) * 0.5, random)
  at(surroundings, between(random, 0.15, 0.8), () => { table = rows(budget(surroundings) * 1.3, random) })
  return () => table.length
}

/** Something large that is there for some hours, and goes. */
const importRuns: Start = (surroundings) => {
  const { random } = surroundings
  let held: unknown[] = []
  const [from, lasts] = [between(random, 0.05, 0.5), between(random, 0.1, 0.4)]
  for (let piece = 0; piece < 10; piece++) at(surroundings, from + lasts * piece / 30, () => { held.push(rows(budget(surroundings) / 10, random)) })
  at(surroundings, from + lasts, () => { held = [] })
  return () => held.length
}

/* Harmless: ramps. */

/** An index that is built beside the requests at a steady pace, and then is there. */
const indexBuilt: Start = (surroundings) => {
  const { random } = surroundings
  const index: unknown[] = []
  const [from, lasts] = [between(random, 0, 0.3), between(random, 0.04, 0.3)]
  const pieces = 40
  for (let piece = 0; piece < pieces; piece++) at(surroundings, from + lasts * piece / pieces, () => { index.push(rows(budget(surroundings) / pieces, random)) })
  return () => index.length
}

/** A pool that grows whenever it was not enough, up to its bound. */
const poolToBound: Start = ({ random, size, rate, duration }) => {
  const pool: unknown[] = []
  const by = Math.round(rate * duration * between(random, 0.08, 0.35))
  const most = 60
  return (number) => {
    if (pool.length < most && number / by > pool.length / most) pool.push(Array.from({ length: 20 }, () => record(size * rate * duration / most / 20, number, random)))
  }
}

/** Sockets that stay open for a while: as many as load brings, later. */
const longPolling: Start = ({ random, size, duration }) => {
  const open = new Set<unknown>()
  const lives = between(random, 0.03, 0.15)
  return (number) => {
    const socket = record(size / lives, number, random)
    open.add(socket)
    setTimeout(() => open.delete(socket), lives * duration * 1000 * (0.5 + random()))
  }
}

/* Harmless: caches. */

/** Popular entries come first; the least recently used go where it is full. */
const popularLru: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const keys = rate * duration * between(random, 0.15, 0.6)
  const most = Math.round(keys * between(random, 0.2, 0.5))
  return (number) => {
    const key = Math.floor(keys * random() ** 2)
    const entry = cache.get(key) ?? record(size * rate * duration / most, number, random)
    cache.delete(key)
    cache.set(key, entry)
    if (cache.size > most) cache.delete(cache.keys().next().value ?? 0)
  }
}

/** Entries that live for a while from when they were made. */
const timeToLive: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const [lives, keys] = [between(random, 0.05, 0.25), Math.round(rate * duration * between(random, 0.05, 0.2))]
  return (number) => {
    const key = Math.floor(keys * random())
    if (cache.has(key)) return
    cache.set(key, record(size * rate * duration / keys, number, random))
    setTimeout(() => cache.delete(key), lives * duration * 1000)
  }
}

/** A random one goes where it is full. */
const randomEviction: Start = ({ random, size, rate, duration }) => {
  const most = Math.round(rate * duration * between(random, 0.05, 0.3))
  const entries: unknown[] = []
  return (number) => { entries[entries.length < most ? entries.length : Math.floor(most * random())] = record(size * rate * duration / most, number, random) }
}

/** All keys are asked for alike: fast at first, then ever more slowly. */
const finiteKeys: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const keys = Math.round(rate * duration * between(random, 0.04, 0.25))
  return (number) => {
    const key = Math.floor(keys * random())
    if (!cache.has(key)) cache.set(key, record(size * rate * duration / keys, number, random))
  }
}

/** Three caches that come into use one after the other. */
const cachesInTurn: Start = (surroundings) => {
  const { random, size, rate, duration } = surroundings
  const all = [0, between(random, 0.1, 0.3), between(random, 0.3, 0.6)].map((from) => {
    const most = Math.round(rate * duration * between(random, 0.02, 0.1))
    return { from: from * rate * duration, most, entries: new Map<number, unknown>() }
  })
  return (number) => {
    for (const { from, most, entries } of all) {
      if (number < from) continue
      const key = Math.floor(most * random())
      if (!entries.has(key)) entries.set(key, record(size * rate * duration / most / 3, number, random))
    }
  }
}

/** Emptied when it has reached its bound. */
const emptiedWhenFull: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const most = Math.round(rate * duration * between(random, 0.03, 0.2))
  return (number) => {
    if (cache.size >= most) cache.clear()
    cache.set(number, record(size * rate * duration / most * 0.6, number, random))
  }
}

/** Images of a few sizes, as Buffers, up to so many octets. */
const imageCache: Start = ({ random, size, rate, duration }) => {
  const cache: Buffer[] = []
  const most = Math.round(rate * duration * between(random, 0.05, 0.2))
  return () => {
    cache.push(Buffer.alloc(Math.round(size * rate * duration / most * (0.5 + random())), 1))
    if (cache.length > most) cache.shift()
  }
}

/** Compiled pages: a bounded number of them, asked for by a power law. */
const pagesCompiled: Start = ({ random, size, rate, duration }): Step => {
  const pages = new Map<number, unknown>()
  const most = Math.round(rate * duration * between(random, 0.02, 0.1))
  return (number) => {
    const page = Math.floor(most * random() ** 1.6)
    if (!pages.has(page)) pages.set(page, { values: numbers(size * rate * duration / most / 2, random), text: words(size * rate * duration / most / 2, random), number })
  }
}

export const BUSY_LEAKS: Readonly<Record<string, Start>> = {
  locksAfterErrors, spansNotEnded, expressionsByInput, figuresByMinute, undoHistory, visitorsSeen, failuresBesideCache, bodiesUnread, roomMembers,
  exportsKept, waitersForgotten, schemaClasses,
}

export const BUSY_HARMLESS: Readonly<Record<string, Start>> = {
  pluginsOnDemand: stepped([2, 5], [0.02, 0.7], [0, 0.03]),
  tenantsArrive: stepped([3, 6], [0.05, 0.8], [0.005, 0.06]),
  oneRelease: stepped([1, 1], [0.05, 0.7], [0, 0.08]),
  tableGrows, importRuns, indexBuilt, poolToBound, longPolling,
  popularLru, timeToLive, randomEviction, finiteKeys, cachesInTurn, emptiedWhenFull, imageCache, pagesCompiled,
}
