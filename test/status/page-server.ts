/** The status page in front of a pool that a test makes up, with an hour of history. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { HistoryContent } from '../../lib/status/history.js'
import { StatusReporter } from '../../lib/status/status-reporter.js'
import { createStatusPath } from '../../lib/workers/status-path.js'
import { FakePool } from './pool.js'

const SAMPLES = 720

/** An hour of so many workers, whose load goes up and down. */
export function hourOf(workers: number, now: number): HistoryContent {
  const time = Array.from({ length: SAMPLES }, (_, index) => now - (SAMPLES - index) * 5000)
  const wave = (index: number, phase: number): number => 1 + Math.sin(index / 60 + phase) * 0.5 + Math.sin(index / 7 + phase * 3) * 0.1
  const columns = (place: number): HistoryContent['workers'][number]['columns'] => ({
    requestsPerSecond: time.map((_, index) => 120 * wave(index, place / 3)),
    active: time.map((_, index) => Math.round(4 * wave(index, place / 3))),
    utilization: time.map((_, index) => 0.4 * wave(index, place / 3)),
    rss: time.map((_, index) => 70e6 + index * 2e4 + place * 4e6),
  })
  return {
    interval: 5000, time,
    workers: Array.from({ length: workers }, (_, worker) => ({ worker, columns: columns(worker) })),
    pool: {
      backlog: time.map((_, index) => index % 90 === 0 ? 12 : 0), waiting: time.map((_, index) => Math.max(0, Math.round(8 * wave(index, 1) - 6))),
      rejected: time.map((_, index) => Math.max(0, 6 * wave(index, 2) - 7)), rateLimited: time.map((_, index) => index % 50 < 4 ? 2 : 0),
      serverErrors: time.map((_, index) => index % 200 < 3 ? 1.5 : 0), recovered: time.map((_, index) => index % 200 < 2 ? 1 : 0),
    },
  }
}

/** A server of the page, below a path. */
export interface PageServer {
  readonly address: string
  readonly observer: FakePool
  /** What is answered instead, by path; as long as it is there. */
  readonly replies: Map<string, object>
  readonly close: () => Promise<void>
}

export async function startPageServer(observer = new FakePool()): Promise<PageServer> {
  const reporter = new StatusReporter({ observer, backlog: () => ({ waiting: 3, limit: 4096 }) })
  const replies = new Map<string, object>()
  const statusPath = createStatusPath('/status', (request) => {
    const reply = replies.get(request.path)
    return reply === undefined ? reporter.answer(request) : Promise.resolve({ status: 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(reply) })
  })
  const server: Server = createServer((request, response) => { if (!statusPath(request, response)) response.writeHead(404).end() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    reporter.close()
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return { address: `http://127.0.0.1:${String((server.address() as { port: number }).port)}/status/`, observer, replies, close }
}
