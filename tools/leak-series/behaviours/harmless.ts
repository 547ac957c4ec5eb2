/** Apps that use memory in ways that look like leaks for a while, and are none. `size` octets a unit. */
import { EventEmitter } from 'node:events'
import tls from 'node:tls'
import vm from 'node:vm'
import zlib from 'node:zlib'
import { numbers, record, words, type Start } from './step.js'

const plain: Start = () => () => undefined

/** A cache of a finite set of keys: fills fast, then ever more slowly. Full to 95 % after a third of the time. */
const keyspace: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const keys = Math.round(rate * duration * 0.11)
  return (number) => {
    const key = Math.floor(random() * keys)
    if (!cache.has(key)) cache.set(key, record(size * 4, number, random))
  }
}

/** Popular keys are asked for more often than others. */
const popularKeys: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const keys = Math.round(rate * duration * 0.15)
  return (number) => {
    const key = Math.floor(keys * random() ** 2)
    if (!cache.has(key)) cache.set(key, record(size * 4, number, random))
  }
}

/** Least recently used out; full after a quarter of the time. */
const lru: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const most = Math.round(rate * duration * 0.25)
  return (number) => {
    cache.set(number, record(size * 2, number, random))
    if (cache.size > most) cache.delete(cache.keys().next().value ?? 0)
  }
}

const lruLarge: Start = ({ random, size }) => {
  const cache = new Map<number, unknown>()
  return (number) => {
    if (random() < 0.3) cache.set(number, record(size * 10, number, random))
    if (cache.size > 80) cache.delete(cache.keys().next().value ?? 0)
  }
}

/** Sessions that expire after a tenth of the time. */
const sessionsExpire: Start = ({ random, size, duration }) => {
  const store = new Map<number, unknown>()
  return (number) => {
    store.set(number, record(size * 3, number, random))
    setTimeout(() => store.delete(number), duration * 100)
  }
}

/** Sessions that are swept now and then: a saw. */
const sweptMap: Start = ({ random, size, duration }) => {
  const store = new Map<number, unknown>()
  setInterval(() => { store.clear() }, duration * 1000 / 12)
  return (number) => store.set(number, record(size * 3, number, random))
}

const rollingWindow: Start = ({ random, size, duration }) => {
  let entries: { at: number; data: unknown }[] = []
  setInterval(() => { entries = entries.filter(({ at }) => at > performance.now() - duration * 150) }, duration * 30)
  return (number) => entries.push({ at: performance.now(), data: record(size * 2, number, random) })
}

/** A history in a ring, full after a third of the time. */
const ring: Start = ({ random, size, rate, duration }) => {
  const length = Math.round(rate * duration / 3)
  const entries: unknown[] = []
  return (number) => { entries[number % length] = record(size * 2, number, random) }
}

const pooledBuffers: Start = ({ random, size }) => {
  const pool: Buffer[] = []
  return () => {
    const used = pool.pop() ?? Buffer.alloc(size * 4)
    setTimeout(() => { pool.push(used) }, 50 + 500 * random())
  }
}

const passingBuffers: Start = ({ random, size }) => () => {
  const body = Buffer.alloc(size * 8 + Math.round(random() * size * 8), 1)
  setTimeout(() => body.length, 300 * random())
}

const logFlushed: Start = ({ random, size, duration }) => {
  let log = ''
  setInterval(() => { log = '' }, duration * 1000 / 20)
  return () => {
    log += words(size * 2, random)
    return log.length
  }
}

const largeJson: Start = ({ random, size }) => (number) => {
  if (random() < 0.1) return JSON.stringify(JSON.parse(JSON.stringify(Array.from({ length: 60 }, () => record(size, number, random))))).length
  return undefined
}

/** Code that is loaded and compiled on first use, in the first quarter of the time. */
const warmUp: Start = ({ random, size, rate, duration }) => {
  const modules: unknown[] = []
  const most = rate * duration * 0.2
  return (number) => {
    if (modules.length >= most) return
    const body = Array.from({ length: Math.ceil(size / 100) }, (_, index) => `if (row === ${String(number + index + random())}) sum += ${String(index)};`)
    modules.push(new vm.Script(`(function (row) { let sum = 0; ${body.join('\n')} return sum })`).runInThisContext())
  }
}

/** A table that is loaded once, at 40 % of the time. */
const loadedTable: Start = ({ random, size, duration }) => {
  let table: unknown[] = []
  setTimeout(() => { table = Array.from({ length: 1000 }, (_, number) => record(size, number, random)) }, duration * 400)
  return () => table.length
}

/** A table that is replaced by a new version now and then. */
const reloadedTable: Start = ({ random, size, duration }) => {
  let table: unknown[] = []
  setInterval(() => { table = Array.from({ length: 600 + Math.round(random() * 300) }, (_, number) => record(size, number, random)) }, duration * 1000 / 9)
  return () => table.length
}

const listenersRemoved: Start = ({ random, size }) => {
  const emitter = new EventEmitter().setMaxListeners(0)
  return (number) => {
    const context = record(size * 3, number, random)
    const listener = (): unknown => context
    emitter.on('change', listener)
    setTimeout(() => emitter.off('change', listener), 1500 * random())
  }
}

const timersFire: Start = ({ random, size }) => (number) => {
  const context = record(size * 3, number, random)
  setTimeout(() => context, 200 + 2500 * random())
}

const closuresBounded: Start = ({ random, size }) => {
  const queue: (() => unknown)[] = []
  return (number) => {
    const context = record(size * 2, number, random)
    queue.push(() => context)
    if (queue.length > 150) queue.splice(0, 100)
  }
}

const weakCache: Start = ({ random, size }) => {
  const cache = new Map<number, WeakRef<object>>()
  return (number) => cache.set(number % 500, new WeakRef(record(size * 4, number, random)))
}

const labelsBounded: Start = ({ random, size, rate, duration }) => {
  const series = new Map<number, number[]>()
  const most = Math.round(rate * duration * 0.08)
  return () => {
    const label = Math.floor(random() * most)
    const buckets = series.get(label)
    if (buckets === undefined) series.set(label, numbers(size * 4, random))
    else buckets[0] = (buckets[0] ?? 0) + 1
  }
}

const compressors: Start = ({ random, size }) => () => {
  zlib.gzip(Buffer.alloc(size * 4, String(random())), () => undefined)
}

/** Sizes that differ by three orders of magnitude. */
const heavyTail: Start = ({ random, size }) => (number) => {
  const held = record(Math.min(size * 200, size / (random() + 0.001)), number, random)
  setTimeout(() => held, 1000 * random())
}

/** A cache of Buffers, full after a quarter of the time. */
const bufferCache: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, Buffer>()
  const keys = Math.round(rate * duration * 0.1)
  return () => {
    const key = Math.floor(random() * keys)
    if (!cache.has(key)) cache.set(key, Buffer.alloc(size * 4, 1))
  }
}

/** Batches that are gathered and written out when they are large. */
const batches: Start = ({ random, size }) => {
  let batch: unknown[] = []
  return (number) => {
    batch.push(record(size * 2, number, random))
    if (batch.length >= 120 + random() * 60) batch = []
  }
}

/** Connections that stay: their number follows the load. */
const connections: Start = ({ random, size, duration }) => {
  const open = new Set<object>()
  return (number) => {
    if (random() < 0.4) {
      const connection = { state: record(size * 4, number, random), buffer: Buffer.alloc(size) }
      open.add(connection)
      setTimeout(() => open.delete(connection), duration * 1000 * (0.03 + 0.1 * random()))
    }
  }
}

/** Results remembered, all forgotten when there are many: a saw whose teeth are of different width. */
const memoized: Start = ({ random, size, rate, duration }) => {
  const results = new Map<number, unknown>()
  return (number) => {
    if (results.size > rate * duration / 8) results.clear()
    results.set(Math.floor(random() * 100_000), record(size * 2, number, random))
  }
}

/** A cache that comes into use after an eighth of the time, and is full after three eighths. */
const lateCache: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  return (number) => {
    if (number < rate * duration / 8) return
    cache.set(number % Math.round(rate * duration / 4), record(size * 2, number, random))
  }
}

/** Few keys are asked for most of the time, many hardly ever: the cache never quite stops to fill. Half full after a tenth of the time. */
const zipfKeys: Start = ({ random, size, rate, duration }) => {
  const cache = new Map<number, unknown>()
  const keys = rate * duration * 0.15
  return (number) => {
    const key = Math.floor(keys ** random())
    if (!cache.has(key)) cache.set(key, record(size * 4, number, random))
  }
}

/** What is new, and what was new before: the older half is dropped when the newer one is full. */
const twoGenerations: Start = ({ random, size, rate, duration }) => {
  let newer = new Map<number, unknown>()
  let older = newer
  return (number) => {
    newer.set(number, record(size * 2, number, random))
    if (newer.size > rate * duration / 10) {
      older = newer
      newer = new Map()
    }
    return older.size
  }
}

/** A report is made now and then, and held for a while. */
const reports: Start = ({ random, size, duration }) => {
  let report: unknown[] = []
  setInterval(() => {
    report = Array.from({ length: 700 }, (_, number) => record(size, number, random))
    setTimeout(() => { report = [] }, duration * 40)
  }, duration * 1000 / 7)
  return () => report.length
}

/** A history of Buffers in a ring, full after a quarter of the time. */
const bufferRing: Start = ({ size, rate, duration }) => {
  const length = Math.round(rate * duration / 4)
  const entries: Buffer[] = []
  return (number) => { entries[number % length] = Buffer.alloc(size * 2, number) }
}

/** Work that is done at a fixed pace: it backs up in bursts, and is done after them. */
const backlog: Start = ({ random, size, rate }) => {
  const queue: unknown[] = []
  setInterval(() => queue.shift(), 1000 / (1.6 * rate))
  return (number) => queue.push(record(size * 4, number, random))
}

/** Parts of the app that are loaded when they are first used: some steps within the first third. */
const featuresLoaded: Start = ({ random, size, duration }) => {
  const features: unknown[] = []
  const load = (): void => { features.push(Array.from({ length: 150 }, (_, number) => record(size, number, random))) }
  for (const moment of [0.05, 0.12, 0.2, 0.33]) setTimeout(load, moment * duration * 1000)
  return () => features.length
}

/** Connections to a database, as many as were ever needed at once. */
const connectionPool: Start = ({ random, size }) => {
  const idle: unknown[] = []
  return (number) => {
    const connection = idle.pop() ?? { state: record(size * 8, number, random), buffer: Buffer.alloc(size * 4, 1) }
    setTimeout(() => { idle.push(connection) }, 100 + 900 * random() ** 3)
  }
}

/** Native contexts that are made and dropped. */
const passingContexts: Start = ({ random }) => () => {
  if (random() > 0.2) return
  const context = tls.createSecureContext({ ca: [] })
  setTimeout(() => context, 500 * random())
}

/** Buffers of all sizes that live for different times: the allocator's pieces do not fit. */
const mixedBuffers: Start = ({ random, size }) => () => {
  const held = Buffer.alloc(Math.round(size * 20 ** random()), 1)
  setTimeout(() => held, 4000 * random() ** 3)
}

/** A finite set of strings, each kept once. */
const internedStrings: Start = ({ random, size, rate, duration }) => {
  const known = new Map<number, string>()
  const keys = Math.round(rate * duration * 0.08)
  return () => {
    const key = Math.floor(random() * keys)
    const text = known.get(key) ?? words(size * 4, random)
    known.set(key, text)
    return text.charCodeAt(0)
  }
}

/** Templates that are compiled when they are first asked for, some of them late. */
const templates: Start = ({ random, size, rate, duration }) => {
  const compiled = new Map<number, unknown>()
  const most = Math.round(rate * duration * 0.06)
  return () => {
    const name = Math.floor(most * random() ** 1.5)
    if (compiled.has(name)) return
    const body = Array.from({ length: Math.ceil(size / 40) }, (_, index) => `if (row === ${String(name + index + random())}) text += '${String(index)}';`)
    compiled.set(name, new vm.Script(`(function (row) { let text = ''; ${body.join('\n')} return text })`).runInThisContext())
  }
}

/** Entries that expire, and are only dropped when somebody asks for them or every eighth of the time. */
const expiringLazily: Start = ({ random, size, rate, duration }) => {
  const entries = new Map<number, { until: number; value: unknown }>()
  const expired = (until: number): boolean => until < performance.now()
  setInterval(() => { for (const [key, { until }] of entries) if (expired(until)) entries.delete(key) }, duration * 1000 / 8)
  return (number) => {
    const key = Math.floor(random() * rate * duration * 0.2)
    const entry = entries.get(key)
    if (entry === undefined || expired(entry.until)) entries.set(key, { until: performance.now() + duration * 80, value: record(size * 3, number, random) })
  }
}

/** One request in two fails, and is tried again up to four times, later each time. */
const retries: Start = ({ random, size }) => (number) => {
  const attempt = (context: unknown, round: number): void => {
    if (round < 5 && random() < 0.5) setTimeout(() => { attempt(context, round + 1) }, 250 * 2 ** round)
  }
  if (random() < 0.5) attempt(record(size * 4, number, random), 1)
}

/** Figures of the last four stretches of time, each with every request of it. */
const statistics: Start = ({ random, size, duration }) => {
  const stretches: number[][] = [[]]
  setInterval(() => { if (stretches.push([]) > 4) stretches.shift() }, duration * 1000 / 16)
  return () => stretches.at(-1)?.push(...numbers(size * 2, random))
}

/** Slabs that are made when all are in use, and used again: as many as were ever needed at once. */
const slabs: Start = ({ random, size }) => {
  const free: Uint8Array[] = []
  return () => {
    const slab = free.pop() ?? new Uint8Array(size * 12)
    slab.fill(1)
    setTimeout(() => { free.push(slab) }, 300 + 1200 * random())
  }
}

export const HARMLESS: Readonly<Record<string, Start>> = {
  plain, keyspace, popularKeys, lru, lruLarge, sessionsExpire, sweptMap, rollingWindow, ring, pooledBuffers, passingBuffers, logFlushed,
  largeJson, warmUp, loadedTable, reloadedTable, listenersRemoved, timersFire, closuresBounded, weakCache, labelsBounded, compressors,
  heavyTail, bufferCache, batches, connections, memoized, lateCache,
  zipfKeys, twoGenerations, reports, bufferRing, backlog, featuresLoaded, connectionPool, passingContexts, mixedBuffers, internedStrings,
  templates, expiringLazily, retries, statistics, slabs,
}
