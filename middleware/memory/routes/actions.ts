/** What does something: `POST settle`, `POST gc`, `POST snapshot`. Each forces a collection and says so. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { freemem } from 'node:os'
import { pipeline } from 'node:stream/promises'
import { getHeapSnapshot, getHeapStatistics } from 'node:v8'
import { sendProblem } from '../../shared/problem.js'
import { costsOf } from '../costs.js'
import type { ResolvedMemoryStats } from '../options.js'
import type { ProcessMonitor } from '../process-monitor.js'
import { collectGarbage } from '../profile/forced-collection.js'
import { FORCED, type Route } from '../route.js'
import { memoryNow, settleText, type SettleChecks } from '../settle-check.js'
import { formatBytes } from '../units.js'
import { handleFailures } from './profile-responses.js'
import { sendJson } from './responses.js'

/** ms in which a client has to take something of a snapshot, which is held in memory until then. */
const STALL_TIMEOUT_MS = 30_000
/** ms that a settle check waits after its collection, and somewhat more. */
const MEASURING_MS = 1200

/** The routes of settle check, collection and snapshot. `free`: free memory of the machine, in bytes. */
export function actionRoutes(monitor: ProcessMonitor, allowed: ResolvedMemoryStats['allowed'], free: () => number = freemem): Route[] {
  const used = (): number => getHeapStatistics().used_heap_size
  const collection = (): number => costsOf(used()).collection[1] + MEASURING_MS
  const off = (name: 'gc' | 'snapshot'): Route['handle'] => (request, response) => {
    sendProblem(request, response, { status: 403, detail: `POST ${name} is off: memoryStats({ ${name}: true }) turns it on.` })
  }
  return [
    { method: 'POST', path: 'settle', expensive: true, forces: true, lasts: collection, handle: handleFailures(settleHandlerOf(monitor.settleChecks)) },
    allowed.gc
      ? { method: 'POST', path: 'gc', expensive: true, forces: true, lasts: collection, handle: handleFailures((_request, response) => collect(monitor, response)) }
      : { method: 'POST', path: 'gc', expensive: false, handle: off('gc') },
    allowed.snapshot
      ? { method: 'POST', path: 'snapshot', expensive: true, forces: true, stalls: { kind: 'snapshot', from: 'end' }, lasts: () => costsOf(used()).snapshot[1], handle: (request, response) => snapshot(monitor, free, request, response) }
      : { method: 'POST', path: 'snapshot', expensive: false, handle: off('snapshot') },
  ]
}

async function collect({ gc }: ProcessMonitor, response: ServerResponse): Promise<void> {
  const before = memoryNow()
  const start = performance.now()
  await gc.forcing(collectGarbage)
  const collectionMs = Math.round((performance.now() - start) * 10) / 10
  const after = memoryNow()
  const freed = Math.max(0, before.usedHeap - after.usedHeap)
  sendJson(response, {
    sentence: `A collection was forced; it took ${String(collectionMs)} ms, in which nothing else ran, and freed ${formatBytes(freed)}.`,
    collectionMs, before, after,
  })
}

async function snapshot(monitor: ProcessMonitor, free: () => number, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const used = getHeapStatistics().used_heap_size
  const { snapshotMemory: needed, snapshot: pauseMs } = costsOf(used)
  const { limit, use } = monitor.latest.cgroup
  const available = Math.min(free(), limit === null ? Infinity : limit - (use ?? process.memoryUsage.rss()))
  if (needed > available) {
    const detail = `A snapshot of ${formatBytes(used)} of heap may need ${formatBytes(needed)} of memory, and ${formatBytes(Math.max(0, available))} are free: the process might be killed.`
    response.removeHeader(FORCED)
    sendProblem(request, response, { status: 503, detail, heap: used, needed, available, pauseMs }, { 'Retry-After': '60' })
    return
  }
  const stream = await monitor.gc.forcing(() => getHeapSnapshot())
  response.statusCode = 200
  response.setHeader('Content-Type', 'application/json')
  response.setHeader('Content-Disposition', `attachment; filename="${String(process.pid)}-${String(Date.now())}.heapsnapshot"`)
  const limitTimer = setTimeout(() => { response.destroy() }, STALL_TIMEOUT_MS).unref()
  stream.on('data', () => { limitTimer.refresh() })
  try {
    await pipeline(stream, response)
  } catch {
    // The client has left, and nobody else waits for the rest.
  } finally {
    clearTimeout(limitTimer)
  }
}

/* `POST /settle`: the settle check on request, as JSON, or as text where the client would rather have that. */

/**
 * A handler for the one path; who may ask is checked before. The answer says that a collection was forced, and for how long.
 * Text: `?format=text`, or an Accept header that names text/plain and not JSON.
 */
export function settleHandlerOf(checks: SettleChecks): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async function settleHandler(request, response) {
    if (request.method !== 'POST') {
      sendProblem(request, response, { status: 405, detail: 'A settle check forces a collection: use POST.' }, { Allow: 'POST' })
      return
    }
    const report = await checks.run('request')
    const text = wantsText(request)
    const body = text ? settleText(report) : JSON.stringify(report)
    response.statusCode = 200
    response.setHeader('Content-Type', text ? 'text/plain; charset=utf-8' : 'application/json')
    response.setHeader('Content-Length', Buffer.byteLength(body))
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('X-Content-Type-Options', 'nosniff')
    response.end(body)
  }
}

function wantsText({ url = '', headers: { accept = '' } }: IncomingMessage): boolean {
  const format = new URLSearchParams(url.split('?')[1]).get('format')
  return format === null ? accept.includes('text/plain') && !accept.includes('json') : format === 'text'
}
