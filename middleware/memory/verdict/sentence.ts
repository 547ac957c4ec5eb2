/** The verdict in plain words. */
import type { Evidence, GrownCallSite, VerdictState } from '../verdict.js'

const SUBJECTS = {
  heap: 'The live heap',
  external: 'External memory (Buffers, ArrayBuffers and other memory that objects own outside the heap)',
  remainder: 'Memory that neither the heap nor external memory explains (native code, the allocator)',
} as const
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const
const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export function sentenceFor(state: VerdictState, evidence: Evidence): string {
  const subject = SUBJECTS[evidence.quantity]
  if (state === 'warming') {
    return `Too early to tell: ${String(evidence.points)} of ${String(evidence.pointsNeeded)} periods with a major collection have passed.`
  }
  if (state === 'ok') return `No growth: ${lowerFirst(subject)} stays at about ${octets(evidence.level)} at like load.`
  const grown = `${subject} has grown by ${octets(evidence.growth)} in ${duration(evidence.span)}`
  if (state === 'growing') {
    return evidence.likeLoad
      ? `${grown} at like load and goes on; a cache that fills looks the same at first.`
      : `${grown}, but so has the load: the two can be told apart when load stays level or comes back.`
  }
  const name = state === 'leak-suspected' ? 'a leak is suspected' : 'memory outside the heap leaks, or is kept'
  return `${grown} at like load, ${octets(evidence.bytesPerSecond * HOUR)} an hour, and goes on: ${name}.${limit(evidence)}${sites(evidence.callSites)}`
}

function limit({ timeToLimit, limit: reached }: Evidence): string {
  if (timeToLimit === null || reached === null) return ''
  const name = reached === 'heap' ? 'V8\'s heap limit' : 'the memory limit of the cgroup'
  return ` At this pace ${name} is reached in ${duration(timeToLimit)}.`
}

function sites(callSites: readonly GrownCallSite[]): string {
  const [first] = callSites
  return first === undefined ? '' : ` What ${first.name} (${first.url}:${String(first.line)}) allocates has grown most, by ${octets(first.growth)}.`
}

/** Octets with a unit, decimal, such as `24.1 MB`. */
export function octets(value: number): string {
  let unit = 0
  let scaled = Math.abs(value)
  for (; scaled >= 999.5 && unit < UNITS.length - 1; unit++) scaled /= 1000
  const digits = unit === 0 || scaled >= 100 ? 0 : 1
  return `${value < 0 ? '-' : ''}${scaled.toFixed(digits)} ${UNITS[unit] ?? ''}`
}

/** Seconds as words, such as `5 minutes`. */
export function duration(seconds: number): string {
  const [unit, name] = seconds >= 2 * DAY ? [DAY, 'day'] : seconds >= 2 * HOUR ? [HOUR, 'hour'] : [MINUTE, 'minute']
  const count = Math.max(1, Math.round(seconds / unit))
  return `${String(count)} ${name}${count === 1 ? '' : 's'}`
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`
}
