/**
 * Watches the event loop of this process from a thread, and reports when it is stuck: with the stack, and with the request whose
 * code is running. While it turns, that costs a beat some times a second, and nothing for a request.
 */
import type { IncomingMessage } from 'node:http'
import { Worker } from 'node:worker_threads'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { createRequestLookup } from './request-lookup.js'
import { OVERDUE_LOOKUP, REQUEST_LOOKUP, type OverdueRequest, type WatchData } from './stuck-report.js'

/** Beats within `timeout`, and the bounds of the time between two, in milliseconds. */
const BEATS_IN_TIMEOUT = 20
const MIN_INTERVAL = 10
const MAX_INTERVAL = 100

/** The most that V8 may use in the thread, in MB. Deep stacks need some; at other times it uses 4. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128, codeRangeSizeMb: 4, stackSizeMb: 1 }
/** A thread that has ended by itself is started anew after this time, in milliseconds. */
const RESTART_DELAY = 10_000

/** What is watched, and who is told. */
export interface EventLoopWatchOptions {
  /** For how long the event loop may not turn, in milliseconds; undefined: for ever. */
  readonly timeout: number | undefined
  /** The slow log, where it is to have the stack of a loop that is blocked. */
  readonly slow?: WatchedSlowLog | undefined
  /** The descriptor that the thread writes to, lines of JSON: a {@link LoopMessage} each. */
  readonly report: number
  /** The requests that are open. It is called only when the event loop is stuck, and must run no code of the app. */
  readonly openRequests?: () => readonly IncomingMessage[]
}

/** The slow log, as the watch needs it. */
export interface WatchedSlowLog {
  /** How long a request may run, in milliseconds. */
  readonly threshold: number
  /** A path or a descriptor: the thread writes there itself, because the main thread cannot. */
  readonly target: string | number
  /** When the oldest request began that was not told yet, in milliseconds of `performance.now()`. */
  oldest(): number | undefined
  /** Those that have run for too long, which count as told then. It must run no code of the app. */
  tellOverdue(): readonly OverdueRequest[]
}

/** A watch over the event loop. */
export interface EventLoopWatch {
  /** For how many milliseconds since `since`, of `performance.now()`, the loop was blocked in native code lately; 0 where it was not. */
  nativeBlock(since: number): number
  stop(): void
}

/**
 * Watches the event loop of this thread, which must be the main thread; once in a process. That it stands still is told at
 * a third of `timeout`; the report comes within half a second after `timeout` is over, where the machine is not busy. What goes wrong with the watch becomes a process warning (ERR_FCGI_LOOP_WATCH), and does no other harm.
 * The thread costs 5 MB of resident memory on Node 20, 14 MB on Node 24.
 *
 * @example
 * ```ts
 * const watch = watchEventLoop({ timeout: 30_000, report: 5, openRequests: () => server[OPEN_REQUESTS]() })
 * ```
 */
export function watchEventLoop({ timeout, slow, report, openRequests = () => [] }: EventLoopWatchOptions): EventLoopWatch {
  const shortest = Math.min(timeout ?? Infinity, slow?.threshold ?? Infinity)
  const interval = Math.round(Math.min(MAX_INTERVAL, Math.max(MIN_INTERVAL, shortest / BEATS_IN_TIMEOUT)))
  const beats = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
  const oldest = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT))
  const [lookup, overdue] = [Symbol.for(REQUEST_LOOKUP), Symbol.for(OVERDUE_LOOKUP)]
  Reflect.set(globalThis, lookup, createRequestLookup(openRequests))
  if (slow !== undefined) Reflect.set(globalThis, overdue, () => slow.tellOverdue())
  let beatAt = performance.now()
  let native = { begun: 0, ended: 0 }
  const noteNative = (): void => {
    if (Atomics.exchange(beats, 1, 0) === 1) native = { begun: beatAt, ended: performance.now() }
  }
  const timer = setInterval(() => {
    noteNative()
    beatAt = performance.now()
    if (slow !== undefined) oldest[0] = sharedTime(slow.oldest())
    Atomics.add(beats, 0, 1)
  }, interval).unref()
  const shared = slow === undefined ? undefined : { threshold: slow.threshold, target: slow.target, oldest }
  const stopThread = keepThread({ beats, interval, timeout, slow: shared, report })
  return {
    nativeBlock(since) {
      noteNative()
      return Math.max(0, native.ended - Math.max(native.begun, since))
    },
    stop(): void {
      clearInterval(timer)
      stopThread()
      Reflect.deleteProperty(globalThis, lookup)
      Reflect.deleteProperty(globalThis, overdue)
    },
  }
}

/** A time of `performance.now()`, which counts from another moment in each thread, by the clock that all threads share. */
function sharedTime(time: number | undefined): number {
  return time === undefined ? 0 : Number(process.hrtime.bigint() / 1_000_000n) - (performance.now() - time)
}

/** Starts the thread, and starts it anew when it has ended. Returns what stops it. */
function keepThread(data: WatchData): () => void {
  let worker: Worker | undefined
  let restart: NodeJS.Timeout | undefined
  let isStopped = false
  const start = (): void => {
    worker = startThread(data)
    worker?.once('exit', () => {
      if (!isStopped) restart = setTimeout(start, RESTART_DELAY).unref()
    })
  }
  start()
  return () => {
    isStopped = true
    clearTimeout(restart)
    void worker?.terminate()
  }
}

function startThread(data: WatchData): Worker | undefined {
  try {
    const worker = new Worker(new URL('stuck-loop-thread.js', import.meta.url), {
      name: 'stuck-loop',
      workerData: data,
      // Else what --require, --import and NODE_OPTIONS name for the app would be loaded in the thread, too.
      execArgv: [],
      env: {},
      resourceLimits: RESOURCE_LIMITS,
    })
    worker.unref()
    worker.on('error', warn)
    return worker
  } catch (error) {
    warn(error)
    return undefined
  }
}

function warn(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error)
  emitProcessWarning('ERR_FCGI_LOOP_WATCH', `the event loop is not watched, so a process that is stuck is not replaced: ${reason}`, 'FastCgiWarning')
}
