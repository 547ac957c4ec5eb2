/**
 * A day of samples and collections on a clock that is moved by hand, for an endpoint with everything on and V8's sampling
 * heap profiler running, as in production, in an app that holds something; prints how much heap and external memory there
 * is more than before and not the app's, after all garbage has been collected, and what the profiler has found: bytes.
 */
import { Registry } from 'prom-client'
import { memoryStats } from '../../../../middleware/memory.js'
import { ProcessMonitor } from '../../../../middleware/memory/process-monitor.js'

const SECONDS = 86_400
const MB = 1_000_000

function held(): { heap: number; external: number } {
  for (let times = 0; times < 3; times++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return { heap: heapUsed, external }
}

const before = held()
const stats = memoryStats({ authorize: () => true, gc: true, registry: new Registry(), settleAfter: 3_600_000 })
const monitor = ProcessMonitor.acquire()
const { sampler } = monitor.profiling()
const withoutApp = held()
const app = Array.from({ length: 400_000 }, (_, index) => ({ index }))
const withApp = held()
const { now: start } = monitor.latest
for (let second = 1; second <= SECONDS; second++) {
  const now = start + second * 1000
  const noise = (second * 7919) % 1000 / 1000
  if (second % 20 === 0) monitor.leakDetector.collection({ time: now, live: (30 + noise) * MB, external: (2 + noise) * MB })
  monitor.add({
    ...monitor.latest,
    now,
    heapLimit: 2000 * MB,
    cgroup: { use: 300 * MB + noise, limit: 1000 * MB },
    sample: {
      time: Date.now() + second * 1000, rss: (90 + noise) * MB, liveHeap: (30 + noise) * MB, heapUsed: (40 + noise) * MB, heapTotal: 50 * MB,
      external: (2 + noise) * MB, arrayBuffers: noise * MB, cgroup: 300 * MB + noise, loopDelay: noise * 10, inFlight: 2, requestsPerSecond: 40 + noise,
    },
  })
}
const after = held()
const { total: sampled } = await sampler.take()
process.stdout.write(JSON.stringify({
  heap: after.heap - before.heap - (withApp.heap - withoutApp.heap),
  external: after.external - before.external - (withApp.external - withoutApp.external),
  sampled,
  records: app.length,
  fine: monitor.history.fine().time.length,
  coarse: monitor.history.coarse().time.length,
  state: stats.verdict.state,
}))
process.exit(0)
