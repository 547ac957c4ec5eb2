/** What the processor is busy with, by call stack: V8's CPU profiler, as often as Go's. */
import type { Profiler } from 'node:inspector'
import { setTimeout as delay } from 'node:timers/promises'
import { createSession } from './inspector.js'
import { placeOf, SamplingError } from './heap-sampler.js'
import type { Place, Stack } from './stacks.js'

/** What the processor was busy with in a time. */
export interface CpuProfile {
  /** When it began, ms since 1970. */
  time: number
  /** ms. */
  duration: number
  /** For how long its start held everything up, ms: V8 looks at every function that the heap has. */
  stallMs: number
  /** Values: samples, nanoseconds. */
  stacks: Stack[]
}

/** µs between two samples: 100 a second. */
export const CPU_INTERVAL = 10_000
/** V8's names for what is no function of the program. */
const IDLE = '(idle)'

/**
 * Profiles this thread for so long, in ms. Has an inspector session of its own, which disturbs no other.
 * @throws SamplingError where the inspector may not be used; an AbortError where the signal says so
 */
export async function takeCpuProfile(length: number, signal: AbortSignal): Promise<CpuProfile> {
  const session = createSession()
  const begun = performance.now()
  try {
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: CPU_INTERVAL })
    await session.post('Profiler.start')
  } catch (error) {
    session.disconnect()
    throw new SamplingError(`the processor cannot be profiled: ${String(error)}`, { cause: error })
  }
  const time = Date.now()
  const stallMs = performance.now() - begun
  try {
    await delay(length, undefined, { signal, ref: false })
    const { profile } = await session.post('Profiler.stop')
    return { time, stallMs, duration: (profile.endTime - profile.startTime) / 1000, stacks: cpuStacks(profile) }
  } finally {
    session.disconnect()
  }
}

interface Measured {
  samples: number
  ns: number
}

/** One stack for each line that was running; where this thread had nothing to do, there is none, as in Go's. */
export function cpuStacks(profile: Profiler.Profile): Stack[] {
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const measured = measure(profile)
  const stacks: Stack[] = []
  for (const node of profile.nodes) {
    const sum = measured.get(node.id)
    if (sum === undefined || node.callFrame.functionName === IDLE) continue
    const callers: Place[] = []
    for (let id = parents.get(node.id); id !== undefined; id = parents.get(id)) {
      const caller = nodes.get(id)
      // The root has no parent, and stands for no function.
      if (caller !== undefined && parents.has(id)) callers.push(placeOf(caller.callFrame))
    }
    for (const { line, samples, ns } of byLine(node, sum)) stacks.push({ places: [placeOf(node.callFrame, line), ...callers], values: [samples, ns] })
  }
  return stacks
}

/** A sample counts until the next one. */
function measure({ samples = [], timeDeltas = [], startTime, endTime }: Profiler.Profile): Map<number, Measured> {
  const measured = new Map<number, Measured>()
  let now = startTime
  samples.forEach((id, index) => {
    now += timeDeltas[index] ?? 0
    const length = Math.max(0, timeDeltas[index + 1] ?? endTime - now)
    const sum = measured.get(id) ?? { samples: 0, ns: 0 }
    measured.set(id, { samples: sum.samples + 1, ns: sum.ns + Math.round(length * 1000) })
  })
  return measured
}

/** V8 says how many of a function's samples were on which line, not which ones: their time is shared out accordingly. */
function byLine({ positionTicks = [] }: Profiler.ProfileNode, { samples, ns }: Measured): (Measured & { line: number })[] {
  const ticks = positionTicks.reduce((sum, tick) => sum + tick.ticks, 0)
  if (ticks === 0) return [{ line: 0, samples, ns }]
  return positionTicks.map(({ line, ticks: ofLine }) => ({
    line,
    samples: Math.round(samples * ofLine / ticks),
    ns: Math.round(ns * ofLine / ticks),
  }))
}
