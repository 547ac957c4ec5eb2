/** The verdict in plain words. */
import { duration, formatBytes } from '../units.js'
import type { Evidence, GrownCallSite, VerdictState } from './verdict.js'

export { duration, formatBytes }

const QUANTITY_NAMES = {
  heap: 'The live heap',
  external: 'External memory (Buffers, ArrayBuffers and other memory that objects own outside the heap)',
  remainder: 'Memory that neither the heap nor external memory explains (native code, the allocator)',
} as const
const HOUR = 3600
/** Percent that are no more than a number's last digit. */
const ROUNDING = 0.001

/** The verdict in one or two sentences, for logs and the page. */
export function sentenceFor(state: VerdictState, evidence: Evidence): string {
  const subject = QUANTITY_NAMES[evidence.quantity]
  if (state === 'warming') {
    return `Too early to tell: ${String(evidence.points)} of ${String(evidence.pointsNeeded)} periods with a major collection have passed.`
  }
  if (state === 'ok') return level(evidence)
  const grown = `${subject} has grown by ${formatBytes(evidence.growth)} in ${duration(evidence.span)}`
  if (state === 'growing') {
    return evidence.likeLoad
      ? `${grown} at like load and goes on; a cache that fills looks the same at first.`
      : `${grown}, but so has the load: the two can be told apart when load stays level or comes back.`
  }
  const name = state === 'leak-suspected' ? 'a leak is suspected' : 'memory outside the heap leaks, or is kept'
  return `${grown} at like load, ${formatBytes(evidence.bytesPerSecond * HOUR)} an hour, and goes on: ${name}.${limit(evidence)}${sites(evidence.callSites)}`
}

/** No more than is known: less growth than that, in that time, would not have been told. */
function level({ growth, leastGrowth, level: usual, span, likeLoad }: Evidence): string {
  const hidden = likeLoad ? '' : ' Load has crept up meanwhile, which may hide some.'
  if (growth >= leastGrowth) return `No growth that goes on: the live heap has grown by ${formatBytes(growth)} in ${duration(span)}, but not all the while.${hidden}`
  const share = Math.ceil(leastGrowth / usual * 100 - ROUNDING)
  return `No growth of ${String(share)} % or more in ${duration(span)}: the live heap is at about ${formatBytes(usual)} at like load.${hidden}`
}

function limit({ timeToLimit, limit: reached }: Evidence): string {
  if (timeToLimit === null || reached === null) return ''
  const name = reached === 'heap' ? 'V8\'s heap limit' : 'the memory limit of the cgroup'
  return ` At this pace ${name} is reached in ${duration(timeToLimit)}.`
}

function sites(callSites: readonly GrownCallSite[]): string {
  const [first] = callSites
  return first === undefined ? '' : ` What ${first.name} (${first.url}:${String(first.line)}) allocates has grown most, by ${formatBytes(first.growth)}.`
}
