/**
 * The program of `npm run bench -- middleware-cost leak-detector`: how long the leak detector holds up the loop at a time: processor time of each single call, at one sample a second for ten hours in which
 * memory grows, so that all shapes are looked for. The hours are played three times, and of each call the least counts: what V8's
 * collections and other programs add differs from time to time. In an app the
 * code runs too seldom to be compiled, so it is measured interpreted.
 */
import { quantile } from '../../stats.js'
import { LeakDetector } from '../../../middleware/memory/leak-detector/leak-detector.js'

const SECOND = 1000
const HOURS = 10
const MB = 1_000_000
/** Microseconds of a call; the others are two orders of magnitude below. */
const WORTH_COUNTING = 50

const TIMES = 3

/** Microseconds of each call, and what is said in the end. */
function played(): { calls: number[]; state: string } {
  const verdict = new LeakDetector()
  const calls: number[] = []
  const timed = (call: () => void): void => {
    const before = process.cpuUsage()
    call()
    const { user, system } = process.cpuUsage(before)
    calls.push(user + system)
  }
  for (let second = 0; second < HOURS * 3600; second++) {
    const time = second * SECOND
    const live = 60 * MB + 5 * MB * second / 3600 + MB * (0.5 + 0.5 * Math.sin(second * 12.9898))
    if (second % 30 === 0) timed(() => { verdict.collection({ time, live, external: 2 * MB }) })
    const rss = live + 70 * MB + second * 400 + MB * Math.sin(second * 78.233)
    timed(() => { verdict.sample({ time, rss, heapTotal: live + 10 * MB, external: 2 * MB, requestsPerSecond: 30 + 10 * Math.sin(second / 500), inFlight: 3, heapLimit: 2000 * MB }) })
  }
  return { calls, state: verdict.current.state }
}

const all = Array.from({ length: TIMES }, played)
const [first] = all
const least = (first?.calls ?? []).map((_, index) => Math.min(...all.map(({ calls }) => calls[index] ?? Infinity)))
const long = least.filter((microseconds) => microseconds >= WORTH_COUNTING)
const at = (share: number): string => `${(quantile(long, share) / 1000).toFixed(2)} ms`
process.stdout.write(`${process.version}: ${String(first?.state)}; ${String(long.length)} of ${String(least.length)} calls of ${String(WORTH_COUNTING)} µs or more: median ${at(0.5)}, 99 % ${at(0.99)}, 99.9 % ${at(0.999)}, longest ${at(1)}\n`)
