/**
 * What holds the heap, by call stack: V8's sampling heap profiler. Every 512 KiB of allocations one is remembered with
 * its stack, until it is collected; what is left is an estimate of the live heap.
 *
 * V8 has one such profiler for all inspector sessions of a thread. It can be read while others run; but the first who
 * starts it decides for all, and when any session that started it ends, it ends for all.
 */
import type { HeapProfiler, Runtime } from 'node:inspector'
import type { Session } from 'node:inspector/promises'
import { ExpressResponderError } from '../../../shared/errors.js'
import { createSession } from './inspector.js'
import type { HeapSample } from './sampling-error.js'
import { EVALUATED, type Place, type Stack } from './stacks.js'

/** What V8 sampled; its sizes are estimates of the whole, no rescaling is needed. */
export interface HeapProfile {
  /** When it was taken, ms since 1970. */
  time: number
  /** For how long the forced collection and the reading held everything up, ms. */
  pauseMs: number
  /** Bytes between two samples on average. */
  interval: number
  /** Bytes in all: V8's own sum. */
  total: number
  /** Values: samples, bytes. */
  stacks: Stack[]
}

/** How V8's heap profiler samples. */
export interface HeapSamplerOptions {
  /** Bytes between two samples on average. Default 524288, as Go's. */
  interval?: number
}

/** Anything that takes heap profiles. */
export type HeapSource = Pick<HeapSampler, 'take'>

/** The inspector does not do it: it may not be used, or somebody else has ended what was being sampled. */
export class SamplingError extends ExpressResponderError {
  override readonly name = 'SamplingError'
  declare readonly code: 'ERR_MEMORY_STATS_SAMPLING'
  /** The message for clients. */
  readonly reason: string

  constructor(reason: string, options?: ErrorOptions) {
    super('ERR_MEMORY_STATS_SAMPLING', `memoryStats: ${reason}`, options)
    this.reason = reason
  }
}

/** The protocol has more than its types say. */
type Node = HeapProfiler.SamplingHeapProfileNode & { id?: number }
type Profile = HeapProfiler.SamplingHeapProfile & { samples?: readonly (HeapSample & { nodeId: number })[] }

const INTERVAL = 524_288

/** All samplers of a thread use one session: sampling ends with the last of them. */
let shared: { readonly session: Session; readonly interval: number; users: number } | undefined

/** V8's sampling heap profiler, started once for all samplers of a thread. */
export class HeapSampler {
  readonly #interval: number
  #started = false
  /** Why it could not be started. */
  #failure = 'the heap is not being sampled'

  constructor({ interval = INTERVAL }: HeapSamplerOptions = {}) {
    this.#interval = interval
  }

  /**
   * From now on allocations are sampled; where another sampler runs, with the interval of that one.
   * @throws SamplingError where the inspector may not be used
   */
  async start(): Promise<void> {
    if (this.#started) return
    this.#started = true
    if (shared !== undefined) {
      shared.users++
      return
    }
    const session = createSession()
    try {
      session.connect()
      shared = { session, interval: this.#interval, users: 1 }
      await begin()
    } catch (error) {
      this.stop()
      this.#failure = `the heap cannot be sampled: ${reason(error)}`
      throw new SamplingError(this.#failure, { cause: error })
    }
  }

  /** What was sampled is forgotten, unless other samplers run. */
  stop(): void {
    if (!this.#started) return
    this.#started = false
    if (shared === undefined || --shared.users > 0) return
    shared.session.disconnect()
    shared = undefined
  }

  /**
   * What is alive now. V8 forces a full collection for it, which holds everything up: 0.05 to some seconds, by the size
   * of the live heap.
   * @throws SamplingError where sampling is not on. If it was ended from outside it begins anew, from nothing.
   */
  async take(): Promise<HeapProfile> {
    if (!this.#started || shared === undefined) throw new SamplingError(this.#failure)
    const { session, interval } = shared
    const begun = performance.now()
    let profile: Profile
    try {
      ({ profile } = await session.post('HeapProfiler.getSamplingProfile'))
    } catch (error) {
      const now = await begin().then(() => 'begins anew now', (again: unknown) => `cannot begin anew (${reason(again)})`)
      throw new SamplingError(`sampling of the heap was ended by something else in this process, and ${now}`, { cause: error })
    }
    const stacks = heapStacks(profile)
    const total = stacks.reduce((sum, { values: [, bytes = 0] }) => sum + bytes, 0)
    return { time: Date.now(), pauseMs: performance.now() - begun, interval, total, stacks }
  }
}

/** Collected objects are left out, which is what the protocol does when it is not told otherwise. */
async function begin(): Promise<void> {
  await shared?.session.post('HeapProfiler.startSampling', { samplingInterval: shared.interval })
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * One stack for each function of V8's tree that holds anything. What built-in functions allocate counts for the function
 * that called them, as runtime functions do in Go's. A node has no line but the one where its function begins.
 */
export function heapStacks({ head, samples = [] }: Profile): Stack[] {
  const byNode = new Map<number, HeapSample[]>()
  for (const { nodeId, ordinal, size } of samples) {
    const list = byNode.get(nodeId)
    if (list === undefined) byNode.set(nodeId, [{ ordinal, size }])
    else list.push({ ordinal, size })
  }
  const stacks: Holder[] = []
  const walk = (node: Node, callers: readonly Place[], caller: Holder | undefined): void => {
    // The root stands for no function; it is shown where there is nothing else.
    const places = node === head ? [] : [placeOf(node.callFrame), ...callers]
    const owner: Holder = node.callFrame.scriptId === '0' && caller !== undefined
      ? caller
      : { places: places.length > 0 ? places : [placeOf(node.callFrame)], values: [0, 0], samples: [] }
    if (node.selfSize > 0) {
      const own = node.id === undefined ? [] : byNode.get(node.id) ?? []
      owner.values[0] += Math.max(1, own.length)
      owner.values[1] += node.selfSize
      owner.samples.push(...own)
    }
    for (const child of node.children) walk(child, places, node === head ? undefined : owner)
    if (owner !== caller && owner.values[1] > 0) stacks.push(owner)
  }
  walk(head, [], undefined)
  return stacks
}

interface Holder {
  places: readonly Place[]
  values: [number, number]
  samples: HeapSample[]
}

/** V8 counts lines from 0, and says -1 where there is none. Only what is built in belongs to script 0. */
export function placeOf({ functionName, scriptId, url, lineNumber, columnNumber }: Runtime.CallFrame, at = 0): Place {
  const file = url === '' && scriptId !== '0' ? EVALUATED : url
  return { name: functionName, url: file, line: lineNumber + 1, column: Math.max(0, columnNumber), at }
}
