/**
 * `npm run bench:memory-scrape`: how long a scrape of the memory endpoint takes of the process, and how many collections it
 * forces. Real request and response objects without a network; an app whose heap has something in it.
 */
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { memoryStats } from 'express-responder/memory'

const SCRAPES = 2000
const WARM_UP = 200
/** Records that the app holds. */
const HELD = 500_000
const PATHS = ['memstats', 'metrics', 'history'] as const

const held = Array.from({ length: HELD }, (_, index) => ({ index, name: `record ${String(index)}` }))
const stats = memoryStats({ authorize: () => true })

interface Summary { gc: { forced: number; major: number } }

function scrape(path: string): Promise<{ milliseconds: number; body: string }> {
  return new Promise((resolve) => {
    const request = new IncomingMessage(new Socket())
    request.method = 'GET'
    request.url = `/${path}`
    const response = new ServerResponse(request)
    const start = performance.now()
    response.end = (body: unknown): ServerResponse => {
      resolve({ milliseconds: performance.now() - start, body: String(body) })
      return response
    }
    stats(request, response)
  })
}

async function collections(): Promise<Summary['gc']> {
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
  return (JSON.parse((await scrape('memstats')).body) as Summary).gc
}

process.stdout.write(`Node ${process.version}, ${String(SCRAPES)} scrapes each; ${String(Math.round(process.memoryUsage().heapUsed / 1e6))} MB of heap in use, ${String(held.length)} records\n`)
for (const path of PATHS) {
  for (let count = 0; count < WARM_UP; count++) await scrape(path)
  const before = await collections()
  const times: number[] = []
  for (let count = 0; count < SCRAPES; count++) times.push((await scrape(path)).milliseconds)
  const after = await collections()
  const sorted = times.sort((one, other) => one - other)
  const at = (share: number): string => (sorted[Math.floor(share * (SCRAPES - 1))] ?? NaN).toFixed(3)
  process.stdout.write(`${path}: median ${at(0.5)} ms, 99 % below ${at(0.99)} ms, most ${at(1)} ms; ${String(after.forced - before.forced)} collections forced, ${String(after.major - before.major)} major ones\n`)
}
stats.close()
