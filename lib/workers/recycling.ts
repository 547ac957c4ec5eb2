/** Whether a worker that works is to be replaced: it has had so many requests, holds so much memory, or is so old. Pure. */
import type { RecyclingLimits } from './options.js'
import type { WorkerReport } from './reports.js'

/** Why a worker is replaced, for the log. */
export interface RecyclingReason {
  readonly limit: 'max-requests' | 'max-rss' | 'max-lifetime'
  readonly reached: number
  readonly value: number
}

/** The limits of one worker. The jitter only lowers them: that of memory is a promise to the machine. */
export interface OwnLimits {
  readonly maxRequests: number
  readonly maxRss: number
  readonly maxLifetime: number
}

/** @param random from 0 up to 1 */
export function ownLimits({ maxRequests = Infinity, maxRss = Infinity, maxLifetime = Infinity, jitter }: RecyclingLimits, random: number): OwnLimits {
  const share = 1 - jitter * random
  return { maxRequests: Math.ceil(maxRequests * share), maxRss: Math.ceil(maxRss * share), maxLifetime: maxLifetime * share }
}

/** @param age for how long it has been ready, in milliseconds */
export function recyclingReason(limits: OwnLimits, report: WorkerReport, age: number): RecyclingReason | undefined {
  const requests = report.requests - report.healthChecks
  if (requests >= limits.maxRequests) return { limit: 'max-requests', reached: requests, value: limits.maxRequests }
  if (report.rss >= limits.maxRss) return { limit: 'max-rss', reached: report.rss, value: limits.maxRss }
  if (age >= limits.maxLifetime) return { limit: 'max-lifetime', reached: age, value: limits.maxLifetime }
  return undefined
}
