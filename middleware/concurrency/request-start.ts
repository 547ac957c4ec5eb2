/** The proxy's own time stamp, `X-Request-Start`: how long a request waited before this process read it. */
import type { IncomingMessage } from 'node:http'

/**
 * Tells the unit of a time since 1970. In seconds, this is in the year 5138; in milliseconds, in 1973. So a lower
 * number is in seconds, one below a thousand times this in milliseconds, and a higher one in microseconds.
 */
const MAX_SECONDS = 1e11
/** Milliseconds. An older stamp comes from a clock that is wrong. */
const MAX_AGE_MS = 3_600_000

/**
 * Milliseconds that have passed since the stamp, or undefined where there is none that makes sense. Understands `t=`
 * and the bare number, in seconds (nginx: `t=${msec}`), milliseconds and microseconds (Apache: `t=%t`).
 */
export function sinceRequestStart({ headers }: IncomingMessage, now = Date.now()): number | undefined {
  const stamp = headers['x-request-start']
  if (typeof stamp !== 'string') return undefined
  const text = stamp.startsWith('t=') ? stamp.slice(2) : stamp
  const number = /^\d{1,20}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN
  const since = now - milliseconds(number)
  return since <= MAX_AGE_MS ? Math.max(0, since) : undefined
}

function milliseconds(stamp: number): number {
  if (stamp < MAX_SECONDS) return stamp * 1000
  return stamp < MAX_SECONDS * 1000 ? stamp : stamp / 1000
}
