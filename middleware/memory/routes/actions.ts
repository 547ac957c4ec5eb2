/** What does something: `POST settle`, `POST gc`, `POST snapshot`. Each forces a collection and says so. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { freemem } from 'node:os'
import { pipeline } from 'node:stream/promises'
import { getHeapSnapshot, getHeapStatistics } from 'node:v8'
import { sendProblem } from '../../shared/problem.js'
import { collectGarbage } from '../collection.js'
import type { Monitor } from '../monitor.js'
import type { ResolvedMemoryStats } from '../options.js'
import { answering } from '../profile/answers.js'
import { FORCED, type Route } from '../route.js'
import { memoryNow } from '../settle.js'
import { settleRoute } from '../settle/route.js'
import { costsOf } from '../costs.js'
import { octets } from '../units.js'
import { sendJson } from './send.js'

/** ms in which a client has to take something of a snapshot, which is held in memory until then. */
const STALLED = 30_000
/** ms that a settle check waits after its collection, and somewhat more. */
const MEASURING = 1200

export function actionRoutes(monitor: Monitor, allowed: ResolvedMemoryStats['allowed'], free: () => number = freemem): Route[] {
  const used = (): number => getHeapStatistics().used_heap_size
  const collection = (): number => costsOf(used()).collection[1] + MEASURING
  const off = (name: 'gc' | 'snapshot'): Route['handle'] => (request, response) => {
    sendProblem(request, response, { status: 403, detail: `POST ${name} is off: memoryStats({ ${name}: true }) turns it on.` })
  }
  return [
    { method: 'POST', path: 'settle', expensive: true, forces: true, lasts: collection, handle: answering(settleRoute(monitor.watch)) },
    allowed.gc
      ? { method: 'POST', path: 'gc', expensive: true, forces: true, lasts: collection, handle: answering((_request, response) => collect(monitor, response)) }
      : { method: 'POST', path: 'gc', expensive: false, handle: off('gc') },
    allowed.snapshot
      ? { method: 'POST', path: 'snapshot', expensive: true, forces: true, stalls: { kind: 'snapshot', from: 'end' }, lasts: () => costsOf(used()).snapshot[1], handle: (request, response) => snapshot(monitor, free, request, response) }
      : { method: 'POST', path: 'snapshot', expensive: false, handle: off('snapshot') },
  ]
}

async function collect({ gc }: Monitor, response: ServerResponse): Promise<void> {
  const before = memoryNow()
  const start = performance.now()
  await gc.forcing(collectGarbage)
  const collectionMs = Math.round((performance.now() - start) * 10) / 10
  const after = memoryNow()
  const freed = Math.max(0, before.usedHeap - after.usedHeap)
  sendJson(response, {
    sentence: `A collection was forced; it took ${String(collectionMs)} ms, in which nothing else ran, and freed ${octets(freed)}.`,
    collectionMs, before, after,
  })
}

async function snapshot(monitor: Monitor, free: () => number, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const used = getHeapStatistics().used_heap_size
  const { snapshotMemory: needed, snapshot: pauseMs } = costsOf(used)
  const { limit, use } = monitor.latest.cgroup
  const available = Math.min(free(), limit === null ? Infinity : limit - (use ?? process.memoryUsage.rss()))
  if (needed > available) {
    const detail = `A snapshot of ${octets(used)} of heap may need ${octets(needed)} of memory, and ${octets(Math.max(0, available))} are free: the process might be killed.`
    response.removeHeader(FORCED)
    sendProblem(request, response, { status: 503, detail, heap: used, needed, available, pauseMs }, { 'Retry-After': '60' })
    return
  }
  const stream = await monitor.gc.forcing(() => getHeapSnapshot())
  response.statusCode = 200
  response.setHeader('Content-Type', 'application/json')
  response.setHeader('Content-Disposition', `attachment; filename="${String(process.pid)}-${String(Date.now())}.heapsnapshot"`)
  const limitTimer = setTimeout(() => { response.destroy() }, STALLED).unref()
  stream.on('data', () => { limitTimer.refresh() })
  try {
    await pipeline(stream, response)
  } catch {
    // The client has left, and nobody else waits for the rest.
  } finally {
    clearTimeout(limitTimer)
  }
}
