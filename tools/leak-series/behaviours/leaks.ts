/** Apps that leak. Each keeps about `size` octets of every request for ever; some of them in native memory. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createSecretKey } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import tls from 'node:tls'
import vm from 'node:vm'
import { MessageChannel } from 'node:worker_threads'
import zlib from 'node:zlib'
import { numbers, record, words, type Start } from './step.js'

const mapById: Start = ({ random, size }) => {
  const requests = new Map<string, unknown>()
  return (number) => requests.set(`request ${String(number)}`, record(size, number, random))
}

const listeners: Start = ({ random, size }) => {
  const emitter = new EventEmitter().setMaxListeners(0)
  return (number) => {
    const context = record(size, number, random)
    emitter.on('reload', () => context)
  }
}

const closures: Start = ({ random, size }) => {
  const callbacks: (() => unknown)[] = []
  return (number) => {
    const context = record(size, number, random)
    callbacks.push(() => context)
  }
}

const timers: Start = ({ random, size }) => (number) => {
  const context = record(size, number, random)
  setInterval(() => context, 3_600_000).unref()
}

const stringGrowth: Start = ({ random, size }) => {
  let log = ''
  return () => {
    log += words(size, random)
    return log.charCodeAt(log.length - 1)
  }
}

const slicedStrings: Start = ({ random, size }) => {
  const names: string[] = []
  // A slice of 20 characters holds the whole text.
  return () => names.push(Buffer.from(words(size, random)).toString('latin1').slice(3, 23))
}

const cacheByUrl: Start = ({ random, size }) => {
  const cache: Record<string, unknown> = {}
  return (number) => {
    cache[`/search?q=${String(number)}&session=${String(random())}`] = words(size, random)
  }
}

const metricLabels: Start = ({ random, size }) => {
  const series = new Map<string, { buckets: number[] }>()
  return (number) => series.set(`path="/users/${String(number)}"`, { buckets: numbers(size, random) })
}

const unsettledPromises: Start = ({ random, size }) => {
  const waiting = new Set<() => void>()
  return (number) => {
    const context = record(size, number, random)
    void new Promise<void>((resolve) => waiting.add(() => { resolve(); return context })).then(() => context)
  }
}

const slowConsumer: Start = ({ random, size, rate }) => {
  const queue: unknown[] = []
  setInterval(() => queue.shift(), 1000 / (0.3 * rate))
  return (number) => queue.push(record(size * 1.4, number, random))
}

const sessions: Start = ({ random, size }) => {
  const store = new Map<number, { user: string; cart: unknown[] }>()
  return (number) => {
    // One request in two belongs to a session that is there.
    const id = random() < 0.5 && store.size > 0 ? Math.floor(random() * store.size) : store.size
    const session = store.get(id) ?? { user: `user ${String(id)}`, cart: [] }
    session.cart.push(record(size, number, random))
    store.set(id, session)
  }
}

/** V8 may give up code that has not run for long, but not the source. */
const compiledScripts: Start = ({ random, size }) => {
  const scripts: unknown[] = []
  return (number) => {
    const body = Array.from({ length: Math.ceil(size / 60) }, (_, index) => `if (row === ${String(number + index + random())}) sum += row * ${String(index)};`)
    scripts.push(new vm.Script(`(function (row) { let sum = 0; ${body.join('\n')} return sum })`).runInThisContext())
  }
}

const errors: Start = ({ random, size }) => {
  const seen: Error[] = []
  return (number) => {
    const error = new Error(`request ${String(number)} failed`, { cause: record(size, number, random) })
    seen.push(error)
    return error.stack
  }
}

const rareLarge: Start = ({ random, size }) => {
  const kept: unknown[] = []
  return (number) => {
    if (random() < 0.05) kept.push(record(size * 20, number, random))
  }
}

const contextChain: Start = ({ random, size }) => {
  const storage = new AsyncLocalStorage<{ parent: unknown; data: unknown }>()
  let last: { parent: unknown; data: unknown } | undefined
  return (number) => {
    last = { parent: last, data: record(size, number, random) }
    storage.run(last, () => storage.getStore())
  }
}

const finalizers: Start = ({ random, size }) => {
  const registry = new FinalizationRegistry<unknown>(() => undefined)
  const targets: object[] = []
  return (number) => {
    const target = {}
    targets.push(target)
    registry.register(target, record(size, number, random))
  }
}

const dictionary: Start = ({ random, size }) => {
  const counts: Record<string, Record<string, number>> = {}
  return (number) => {
    const own: Record<string, number> = {}
    for (let index = 0; index < size / 60; index++) own[`key ${String(number)} ${String(index)}`] = random()
    counts[`client ${String(number)}`] = own
  }
}

/** Leaks only after a third of the time, as a feature that is switched on does. */
const laterLeak: Start = ({ random, size, duration, rate }) => {
  const kept: unknown[] = []
  let from = 0
  return (number) => {
    from ||= number + rate * duration * 0.25
    if (number > from) kept.push(record(size * 1.3, number, random))
  }
}

/** A leak under a cache that is full and turns over. */
const leakUnderCache: Start = ({ random, size }) => {
  const cache = new Map<number, unknown>()
  const kept: unknown[] = []
  return (number) => {
    cache.set(Math.floor(random() * 200), record(16_384, number, random))
    kept.push(record(size, number, random))
  }
}

const buffers: Start = ({ size }) => {
  const kept: Buffer[] = []
  return () => kept.push(Buffer.alloc(Math.max(size, 8192), 1))
}

const arrayBuffers: Start = ({ random, size }) => {
  const kept: Float64Array[] = []
  return () => kept.push(new Float64Array(Math.round(size / 8)).fill(random()))
}

const bufferSlices: Start = ({ size }) => {
  const kept: Buffer[] = []
  // Sixteen octets hold the whole body.
  return () => kept.push(Buffer.alloc(Math.max(size, 8192), 2).subarray(0, 16))
}

const openCompressors: Start = ({ random, size }) => {
  const open: zlib.Deflate[] = []
  return () => {
    if (random() < size / 80_000) {
      const stream = zlib.createDeflate({ memLevel: 6, windowBits: 12 })
      stream.write('kept open')
      open.push(stream)
    }
  }
}

const sharedMemory: Start = ({ size }) => {
  const kept: Uint8Array[] = []
  return () => kept.push(new Uint8Array(new SharedArrayBuffer(Math.max(size, 4096))).fill(3))
}

/** Native memory that V8 does not count as external. */
const secureContexts: Start = ({ random, size }) => {
  const kept: unknown[] = []
  return () => {
    if (random() < size / 13_500) kept.push(tls.createSecureContext({ ca: [] }))
  }
}

const formatters: Start = ({ random, size }) => {
  const kept: unknown[] = []
  return () => {
    if (random() < size / 25_000) kept.push(new Intl.DateTimeFormat('de', { dateStyle: 'full' }))
  }
}

/** Every state is kept, each with what came before. */
const history: Start = ({ random, size }) => {
  let state: { before: unknown; change: unknown } = { before: undefined, change: undefined }
  return (number) => { state = { before: state, change: record(size, number, random) } }
}

class Instance {
  static readonly all = new Set<Instance>()
  readonly #data: unknown
  constructor(data: unknown) {
    this.#data = data
    Instance.all.add(this)
  }
  get data(): unknown { return this.#data }
}

const instances: Start = ({ random, size }) => (number) => new Instance(record(size, number, random)).data

const uniqueStrings: Start = ({ random, size }) => {
  const seen = new Set<string>()
  return () => seen.add(Buffer.from(words(size, random)).toString('latin1'))
}

/** A signal that lives as long as the process, and a listener of every request. */
const abortListeners: Start = ({ random, size }) => {
  const { signal } = new AbortController()
  return (number) => {
    const context = record(size, number, random)
    signal.addEventListener('abort', () => context)
  }
}

/** By time and not by request: a metric that keeps a snapshot ten times a second. */
const snapshots: Start = ({ random, size, rate }) => {
  const kept: unknown[] = []
  setInterval(() => kept.push(record(size * rate / 10, kept.length, random)), 100)
  return () => kept.length
}

/** Iterations that were begun and never ended. */
const suspendedGenerators: Start = ({ random, size }) => {
  const begun: Generator[] = []
  function* rows(number: number): Generator {
    const page = record(size, number, random)
    yield number
    yield page
  }
  return (number) => {
    const iteration = rows(number)
    iteration.next()
    begun.push(iteration)
  }
}

/** A handler that is wrapped once more by every request. */
const wrappedHandlers: Start = ({ random, size }) => {
  let handler = (): unknown => undefined
  return (number) => {
    const [inner, context] = [handler, record(size, number, random)]
    handler = () => context['id'] === '' ? inner() : context
    return handler() === undefined
  }
}

/** A tree whose nodes know their parents: one that is held holds all. */
const linkedNodes: Start = ({ random, size }) => {
  interface Node { parent: Node | undefined; children: Node[]; data: unknown }
  let current: Node = { parent: undefined, children: [], data: undefined }
  return (number) => {
    const node: Node = { parent: current, children: [], data: record(size, number, random) }
    current.children.push(node)
    if (random() < 0.2) current = node
    return current.children.length
  }
}

/** Weak by its keys, which are held elsewhere. */
const weakMapHeld: Start = ({ random, size }) => {
  const details = new WeakMap<object, unknown>()
  const users: object[] = []
  return (number) => {
    const user = { number }
    users.push(user)
    details.set(user, record(size, number, random))
  }
}

const jsonLog: Start = ({ random, size }) => {
  const lines: string[] = []
  return (number) => lines.push(JSON.stringify({ number, text: words(size, random) }))
}

/** A request in five opens a stream that nobody reads. */
const unreadStreams: Start = ({ random, size }) => {
  const open = new Set<PassThrough>()
  return () => {
    if (random() >= 0.2) return
    const stream = new PassThrough({ highWaterMark: 1 })
    stream.write(Buffer.alloc(size * 5, 1))
    open.add(stream)
  }
}

/** A column of numbers that is made a fifth larger when it is full. */
const growingColumn: Start = ({ random, size }) => {
  let column = new Float64Array(40_000)
  let length = 0
  return () => {
    for (let index = 0; index < size / 8; index++, length++) {
      if (length === column.length) {
        const larger = new Float64Array(Math.ceil(length * 1.2))
        larger.set(column)
        column = larger
      }
      column[length] = random()
    }
    return length
  }
}

/** Key material, which lies in native memory. */
const secretKeys: Start = ({ size }) => {
  const kept: unknown[] = []
  return () => kept.push(createSecretKey(Buffer.alloc(size, 1)))
}

/** What an outgoing request was made of, as it was, kept for a retry that never comes. */
const requestLikes: Start = ({ random, size }) => {
  const kept: Request[] = []
  return (number) => {
    const body = JSON.stringify(record(size * 0.4, number, random))
    kept.push(new Request(`http://localhost/${String(number)}`, { method: 'POST', body, headers: { 'x-number': String(number) } }))
  }
}

/** Every failure names the one before as its cause. */
const causes: Start = ({ random, size }) => {
  let last: Error | undefined
  return (number) => {
    last = new Error(`attempt ${String(number)}`, { cause: { before: last, context: record(size, number, random) } })
    return last.message
  }
}

/** A rate limiter of one's own, with a window for each address, and addresses do not come back. */
const windowsByAddress: Start = ({ random, size }) => {
  class Window {
    readonly hits: number[]
    readonly opened = Date.now()
    constructor() { this.hits = numbers(size, random) }
  }
  const windows = new Map<string, Window>()
  return (number) => windows.set(`10.${String(number >> 16)}.${String((number >> 8) & 255)}.${String(number & 255)}`, new Window())
}

/** Channels of which one port was never closed. */
const messagePorts: Start = ({ random, size }) => {
  const open: unknown[] = []
  return (number) => {
    const { port1, port2 } = new MessageChannel()
    port1.on('message', () => number)
    port1.unref()
    open.push([port2, record(size, number, random)])
  }
}

/** One request in ten brings a file of any size, which stays in memory. */
const uploadsKept: Start = ({ random, size }) => {
  const uploads: Uint8Array[] = []
  return () => {
    if (random() < 0.1) uploads.push(new Uint8Array(Math.round(size * 20 * random())).fill(7))
  }
}

export const LEAKS: Readonly<Record<string, Start>> = {
  mapById, listeners, closures, timers, stringGrowth, slicedStrings, cacheByUrl, metricLabels, unsettledPromises, slowConsumer,
  sessions, compiledScripts, errors, rareLarge, contextChain, finalizers, dictionary, laterLeak, leakUnderCache,
  buffers, arrayBuffers, bufferSlices, openCompressors, sharedMemory,
  secureContexts, formatters, history, instances, uniqueStrings,
  abortListeners, snapshots, suspendedGenerators, wrappedHandlers, linkedNodes, weakMapHeld, jsonLog, unreadStreams, growingColumn, secretKeys,
  requestLikes, causes, windowsByAddress, messagePorts, uploadsKept,
}
